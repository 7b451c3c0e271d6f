"""Stops training when the monitored value no longer improves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from fastconv.callbacks.monitor import MonitorCallback
from fastconv.state import Kind, arrays_of, list_of, optional, plain, real, whole


class EarlyStopping(MonitorCallback):
    """Stops `fit` after `patience` epochs without improvement of a monitored value.

    Args:
        monitor: name of the value in the logs.
        min_delta: an improvement must be larger than this.
        patience: number of consecutive epochs without improvement before `fit` stops.
        verbose: 1 prints when it stops and which epoch it restores.
        mode: "min", "max" or "auto", which depends on the metric.
        baseline: an improvement resets the patience only if it is also better than this.
        restore_best_weights: at the end of training, restore the weights of the best epoch, also
            if training was not stopped.
        start_from_epoch: earlier epochs do not count.

    After training, `stopped_epoch` is the last epoch (0 if training was not stopped), `best_epoch`
    and `best` are the best epoch and its value. The first epoch never stops training.

    Raises ValueError for an unknown `mode`, or at the first epoch if "auto" cannot be resolved.

    >>> from fastconv.callbacks import EarlyStopping
    >>> EarlyStopping(monitor="loss", patience=3).patience
    3
    """

    stateful: ClassVar[Mapping[str, Kind]] = MappingProxyType(
        {
            "wait": whole,
            "stopped_epoch": whole,
            "best": optional(real),
            "best_epoch": whole,
            "best_weights": optional(list_of(plain)),
        }
    )

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._reset()

    def _reset(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._reset()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = self.monitored(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self._direction()  # raises at the first epoch instead of the second
        if self.restore_best_weights and self.best_weights is None:
            self._record_best(epoch)
        self.wait += 1
        if self.is_improvement(value, self.best):
            self.best = value
            self._record_best(epoch)
            if self.baseline is None or self.is_improvement(value, self.baseline):
                self.wait: int = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch: int = epoch
            self.model.stop_training = True

    def check_state(self, state: Any) -> None:
        super().check_state(state)
        if state["best_weights"] is not None:
            shapes = [variable.shape for variable in self.model.weights]
            arrays_of(shapes)(state["best_weights"], "the state of EarlyStopping: `best_weights`")

    def _record_best(self, epoch: int) -> None:
        self.best_epoch: int = epoch
        if self.restore_best_weights:
            self.best_weights: Any = self.model.get_weights()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose > 0:
                print(
                    "Restoring model weights from the end of the best epoch: "
                    f"{self.best_epoch + 1}."
                )
            self.model.set_weights(self.best_weights)
