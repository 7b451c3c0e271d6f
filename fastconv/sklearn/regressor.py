"""The regressor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from fastconv.common.literals import Verbose
from fastconv.sklearn.estimator import _DTYPES, ConvEstimator

__all__ = ["ConvRegressor"]


class ConvRegressor(RegressorMixin, ConvEstimator):
    """A network that computes numbers.

    Parameters, attributes and the exception from `check_estimator` are those of `ConvClassifier`,
    but for `classes_`, and the `loss`, "mse". The network that `model` makes has as many outputs as
    y has columns. Targets should be of unit size (`sklearn.compose.TransformedTargetRegressor`).
    """

    def __init__(
        self,
        model: Any = None,
        *,
        image_shape: Any = None,
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: Any = "adam",
        loss: Any = "mse",
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_options: Any) -> ConvRegressor:
        """Train on samples X, (N, features), (N, H, W) or (N, H, W, C), and their targets y, (N,)
        or (N, columns). `fit_options`: as for `ConvClassifier.fit`.

        Raises ValueError or TypeError for data that does not fit together or is not finite.
        """
        return self._learn(X, y, sample_weight, not self._continues(), fit_options)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> ConvRegressor:
        """Train for one more epoch."""
        return self._learn(X, y, sample_weight, not hasattr(self, "model_"), {"epochs": 1})

    def _learn(self, X, y, sample_weight, fresh, options):
        self._check_names()
        if fresh:
            X = self._learn_shape(X)
        else:
            X, _ = self._table(X)
        X, y = self._checked(X, y, fresh)
        if fresh:
            self._flat, self._columns = np.ndim(y) == 1, math.prod(np.shape(y)[1:])
        self._train(X, self._targets(y), self._columns, sample_weight, fresh, options)
        return self

    def _checked(self, X, y, reset):
        return validate_data(
            self, X, y, reset=reset, dtype=_DTYPES, multi_output=True, y_numeric=True
        )

    def _targets(self, y):
        targets = np.asarray(y, np.float32).reshape(len(y), -1)
        if targets.shape[1] != self._columns:
            raise ValueError(f"`y` must have {self._columns} columns, received {targets.shape[1]}")
        return targets

    def predict(self, X: Any) -> np.ndarray:
        """The network's outputs, (N,), or (N, columns) if y had columns; float64, as scikit-learn
        wants numbers, though computed in float32."""
        outputs = self._predict(X).astype(np.float64)
        return outputs[:, 0] if self._flat else outputs
