"""Evaluates with the moving average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fastconv.callbacks.callback import Callback
from fastconv.state import Kind, arrays_of, list_of, optional, plain


class SwapEMAWeights(Callback):
    """Evaluates and predicts with the moving averages of the weights.

    The optimizer must have `use_ema=True`. With `swap_on_epoch` the model also has the averages
    from the end of each epoch to the start of the next, so that later callbacks, such as
    `ModelCheckpoint`, use them.

    Raises ValueError, when the weights are swapped, if the optimizer does not compute averages.
    """

    stateful: ClassVar[Mapping[str, Kind]] = MappingProxyType(
        {"_trained": optional(list_of(plain))}
    )

    def __init__(self, swap_on_epoch: bool = False):
        super().__init__()
        self.swap_on_epoch: bool = bool(swap_on_epoch)
        self._trained: list[np.ndarray] | None = None  # the weights while the averages are in use

    def check_state(self, state: Any) -> None:
        super().check_state(state)
        if state["_trained"] is not None:
            shapes = [variable.shape for variable in self.model.trainable_weights]
            arrays_of(shapes)(state["_trained"], "the state of SwapEMAWeights: `_trained`")

    def _swap_in(self) -> None:
        if self._trained is None:
            model = self.model
            weights = model.trainable_weights
            averages = [model.optimizer._average_of(variable) for variable in weights]
            self._trained = [variable.numpy() for variable in weights]
            for variable, average in zip(weights, averages, strict=True):
                variable.assign(average)

    def _swap_out(self) -> None:
        if self._trained is not None:
            for variable, value in zip(self.model.trainable_weights, self._trained, strict=True):
                variable.assign(value)
            self._trained = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._trained = None

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._trained = None  # `fit` has replaced the weights by their averages permanently

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._swap_out()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._swap_in()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._swap_in()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._swap_out()

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._swap_in()

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._swap_out()
