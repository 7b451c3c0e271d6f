"""The classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import column_or_1d, validate_data

from fastconv import losses
from fastconv.common.literals import ActivationName, Verbose
from fastconv.sklearn.estimator import _DTYPES, ConvEstimator
from fastconv.utils import to_categorical

__all__ = ["ConvClassifier"]


class ConvClassifier(ClassifierMixin, ConvEstimator):
    """A network that classifies.

    Args:
        model: a function `(input_shape, outputs) -> network` that makes a `Sequential` (or other
            model) for samples of `input_shape` with `outputs` probabilities at its end; it need not
            be compiled. Or such a model: every `fit` starts with a copy of it and its weights. None
            for a small network with two convolutions for pictures, or one hidden layer for tables.
            To go through pickles and processes a function must be importable.
        image_shape: (H, W) or (H, W, C): shape of the rows of a table. Not needed for `X` of shape
            (N, H, W) or (N, H, W, C).
        epochs, batch_size, callbacks, verbose: see `Sequential.fit`.
        validation_split: this part of the samples, drawn at random, is validated on after each
            epoch.
        optimizer: a name or an optimizer, of which a fresh copy is used.
        loss: a name or a loss. Labels go to "sparse_categorical_crossentropy" as numbers, to all
            others as one-hot rows.
        warm_start: a second `fit` goes on with the network of the first.
        random_state: an int for initial weights, order and dropout that are the same in every run.
        **routed: `model__x`, the argument `x` of the function `model`; `optimizer__x`, that of the
            optimizer. A `GridSearchCV` may search them.

    Attributes:
        classes_: the labels, sorted. model_: the network. history_: loss (and metrics) per epoch.
        n_features_in_: columns, or pixels times channels. sample_shape_: (H, W, C) of a picture;
        None for tables.

    Samples should be scaled by the user: pixels to 0 .. 1, columns to unit variance. Integer and
    float pixels are taken; uint8 stays uint8 in memory.

    It passes scikit-learn's `check_estimator` but for `check_sample_weight_equivalence_*`: training
    in batches of random order cannot make a sample of weight 2 and the same sample twice give the
    same bits (weights of 0 and of 2 have the effect they should on the loss).
    """

    _activation: ActivationName = "softmax"

    def __init__(
        self,
        model: Any = None,
        *,
        image_shape: Any = None,
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: Any = "adam",
        loss: Any = "sparse_categorical_crossentropy",
        callbacks: Any = None,
        validation_split: float = 0.0,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: Verbose = 0,
        **routed: dict[str, Any] | None,
    ):
        super().__init__(
            model, image_shape, epochs, batch_size, optimizer, loss, callbacks,
            validation_split, warm_start, random_state, verbose, routed,
        )  # fmt: skip

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_options: Any) -> ConvClassifier:
        """Train on samples X, (N, features), (N, H, W) or (N, H, W, C), and their labels y (N,).

        `fit_options` are arguments of the network's `fit` for this call: `epochs`, `batch_size`,
        `validation_data` (samples and labels like X and y), `callbacks`, `class_weight` ...

        Raises ValueError or TypeError for data that does not fit together or is not finite.
        """
        fresh = not self._continues()
        return self._learn(X, y, None, sample_weight, fresh, fit_options)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> ConvClassifier:
        """Train for one more epoch; the first call must name all `classes`."""
        fresh = not hasattr(self, "model_")
        if fresh and classes is None:
            raise ValueError("`classes` must be given in the first call of partial_fit")
        return self._learn(X, y, classes, sample_weight, fresh, {"epochs": 1})

    def _learn(self, X, y, classes, sample_weight, fresh, options):
        self._check_names()
        if fresh:
            X = self._learn_shape(X)
        else:
            X, _ = self._table(X)
        X, y = self._checked(X, y, fresh)
        if fresh:
            self.classes_ = unique_labels(y if classes is None else classes)
        self._train(X, self._targets(y), len(self.classes_), sample_weight, fresh, options)
        return self

    def _checked(self, X, y, reset):
        X, y = validate_data(self, X, y, reset=reset, dtype=_DTYPES)
        check_classification_targets(y)
        return X, column_or_1d(y, warn=True)

    def _targets(self, y):
        labels = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        unknown = self.classes_[labels] != y
        if unknown.any():
            raise ValueError(f"`y` must be among {self.classes_}, received {y[unknown][0]}")
        if not isinstance(losses.get(self.loss), losses.SparseCategoricalCrossentropy):
            return to_categorical(labels, len(self.classes_))
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of the classes, float32 (N, classes), in the order of `classes_`."""
        outputs = self._predict(X)
        logits = getattr(losses.get(self.loss), "from_logits", False)
        return softmax(outputs, axis=1) if logits else outputs

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each sample, (N,)."""
        outputs = self._predict(X)
        return self.classes_[outputs.argmax(axis=1)]
