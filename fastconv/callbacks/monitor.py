"""What callbacks share that watch one number: which way is better, and what counts as better."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fastconv.callbacks.callback import Callback
from fastconv.suggestions import did_you_mean


class MonitorCallback(Callback):
    """Base class.

    Args:
        monitor: the name in the logs.
        mode: "min", "max", or "auto": the loss is better when smaller, a metric knows by itself.
        min_delta: a change of no more than this does not count.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(
                f"`mode` must be 'auto', 'min' or 'max', received {mode!r}"
                f"{did_you_mean(mode, ('auto', 'min', 'max'))}"
            )
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Whether `value` is better than `reference` by more than `min_delta`."""
        if reference is None:
            return True
        if self._direction() == "min":
            return value + self.min_delta < reference
        return value - self.min_delta > reference

    def _direction(self) -> str:
        """Which way is better; ValueError if the metric is unknown and `mode` does not say."""
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "min"
        metric = getattr(self.model, "metrics_by_name", {}).get(name)
        if metric is not None:
            return metric.direction
        raise ValueError(
            f"cannot tell whether {self.monitor!r} should be large or small; `mode` must be "
            f"'min' or 'max', received {self.mode!r}"
        )

    def monitored(self, logs: dict[str, Any] | None) -> float | None:
        """The watched number; None, with a warning, if the logs do not have it. ValueError for an
        array."""
        logs = logs or {}
        if self.monitor not in logs:
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not there; "
                f"there are {', '.join(logs)}{did_you_mean(self.monitor, logs)}",
                stacklevel=2,
            )
        value = logs.get(self.monitor)
        if np.ndim(value):
            raise ValueError(
                f"`monitor` of {type(self).__name__} must be the name of one number, received "
                f"{self.monitor!r}, an array of shape {np.shape(value)}"
            )
        return value
