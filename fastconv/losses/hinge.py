"""Losses of margins: zero once a prediction is on the right side by 1.

Labels of `Hinge` and `SquaredHinge` are -1 and 1; where all labels of a batch are 0 or 1, 0 means
-1, as in Keras.
"""

from __future__ import annotations

from fastconv.losses.base import Loss


class Hinge(Loss):
    """mean(max(0, 1 - y_true y_pred)) over the last axis. Arguments as `Loss`."""

    kind = "hinge"


class SquaredHinge(Loss):
    """mean(max(0, 1 - y_true y_pred)^2) over the last axis. Arguments as `Loss`."""

    kind = "squared_hinge"


class CategoricalHinge(Loss):
    """max(0, 1 + the largest score of a wrong class - the score of the right one), labels one-hot.

    The loss of a multi-class support vector machine. Arguments as `Loss`.
    """

    kind = "categorical_hinge"
