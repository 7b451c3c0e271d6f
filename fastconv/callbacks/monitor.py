"""Monitoring of one value: the direction of improvement, and the test for it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fastconv.callbacks.callback import Callback
from fastconv.common.suggestions import did_you_mean


class MonitorCallback(Callback):
    """Base class of callbacks that monitor one value.

    Args:
        monitor: name of the value in the logs.
        mode: "min", "max", or "auto": lower is better for a loss; a metric defines its direction.
        min_delta: an improvement must be larger than this.
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
        self.min_delta: float = abs(min_delta)

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Return whether `value` is better than `reference` by more than `min_delta`."""
        if reference is None:
            return True
        if self._direction() == "min":
            return value + self.min_delta < reference
        return value - self.min_delta > reference

    def _direction(self) -> str:
        """Return the direction of improvement; ValueError if it is undefined."""
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
        """Return the monitored value; None, with a warning, if it is not in the logs. ValueError
        for an array."""
        logs = logs or {}
        if self.monitor not in logs:
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not there; "
                f"there are {', '.join(logs)}{did_you_mean(self.monitor, logs)}",
                stacklevel=2,
            )
        value = logs.get(self.monitor)
        if value is not None and np.ndim(value):
            raise ValueError(
                f"`monitor` of {type(self).__name__} must be the name of one number, received "
                f"{self.monitor!r}, an array of shape {np.shape(value)}"
            )
        return value
