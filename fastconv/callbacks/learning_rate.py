"""Callbacks that change the learning rate from epoch to epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fastconv.callbacks.callback import Callback
from fastconv.callbacks.monitor import MonitorCallback
from fastconv.state import Kind, optional, real, whole


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch and records it as "learning_rate".

    Args:
        schedule: function of the epoch, counted from 0, and the current learning rate, or of the
            epoch alone, that returns a float.
        verbose: 1 prints the learning rate.

    Raises TypeError if `schedule` is not callable; ValueError, during training, if it does not
    return a float.

    >>> from fastconv.callbacks import LearningRateScheduler
    >>> halving = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch >= 10 else rate)
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        super().__init__()
        if not callable(schedule):
            raise TypeError(f"`schedule` must be a function, received {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, float(optimizer.learning_rate))
        except TypeError:  # the function takes only the epoch
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise ValueError(f"`schedule` must return a float, received {rate!r}")
        optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class ReduceLROnPlateau(MonitorCallback):
    """Reduces the learning rate after `patience` epochs without improvement of a monitored value,
    and records it as "learning_rate".

    Args:
        monitor: name of the value in the logs.
        factor: factor of the learning rate, below 1.
        patience: number of consecutive epochs without improvement before a reduction.
        verbose: 1 prints the new learning rate.
        mode: "min", "max" or "auto", which depends on the metric.
        min_delta: an improvement must be larger than this.
        cooldown: number of epochs after a reduction that do not count.
        min_lr: lower bound of the learning rate.

    Raises ValueError for an invalid `mode` or `factor`, or during training if "auto" cannot be
    resolved.
    """

    stateful: ClassVar[Mapping[str, Kind]] = MappingProxyType(
        {"best": optional(real), "wait": whole, "cooldown_counter": whole}
    )

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        super().__init__(monitor, mode, min_delta)
        if not 0 < factor < 1:
            raise ValueError(f"`factor` must be between 0 and 1, received {factor!r}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._reset()

    def _reset(self) -> None:
        self.best: float | None = None
        self.wait = 0
        self.cooldown_counter = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._reset()

    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        value = self.monitored(logs)
        if value is None:
            return
        self._direction()  # raises at the first epoch instead of the second
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_improvement(value, self.best):
            self.best = value
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        optimizer = self.model.optimizer
        rate = float(optimizer.learning_rate)
        if rate <= np.float32(self.min_lr):
            return
        rate = max(rate * self.factor, self.min_lr)
        optimizer.learning_rate = rate
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
        self.cooldown_counter: int = self.cooldown
        self.wait: int = 0
