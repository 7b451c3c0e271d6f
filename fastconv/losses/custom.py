"""A loss of one's own, in NumPy."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from fastconv.losses.base import Loss
from fastconv.plan import operations


class CustomLoss(Loss):
    """Base class for losses in NumPy: a value per row, and its gradient.

    Predictions are rows, (rows, outputs) float32; targets too, in the shape of the predictions. A
    model runs the two methods in each step, between two calls into the compiled core. Arguments as
    `Loss`. A file can name the class, but not contain it: reading one needs the class again.

    >>> import numpy as np
    >>> from fastconv import losses
    >>> class Cubic(losses.CustomLoss):
    ...     def row_values(self, y_true, y_pred):
    ...         return (np.abs(y_pred - y_true) ** 3).mean(axis=-1)
    ...
    ...     def row_gradients(self, y_true, y_pred):
    ...         difference = y_pred - y_true
    ...         return 3 * difference * np.abs(difference) / y_pred.shape[-1]
    >>> Cubic()([[0.0, 0.0]], [[1.0, 2.0]])
    4.5
    """

    @abstractmethod
    def row_values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """The loss of every row, (rows,)."""

    @abstractmethod
    def row_gradients(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """The derivatives of every row's loss with respect to its predictions, (rows, outputs)."""

    def _operation(self, after_softmax, summed):
        return operations.Loss("custom", summed=summed, custom=self)
