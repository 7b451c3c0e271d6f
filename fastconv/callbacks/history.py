"""The return value of `fit`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fastconv.callbacks.callback import Callback
from fastconv.common import html
from fastconv.state import Kind, dict_of, list_of, plain, whole


class History(Callback):
    """Records the logs of every epoch; `fit` adds one and returns it.

    `history` maps each name ("loss", "accuracy", "val_loss" ...) to a list with one entry per
    epoch; `epoch` lists the numbers of the epochs, counted from 0.
    """

    stateful: ClassVar[Mapping[str, Kind]] = MappingProxyType(
        {"history": dict_of(list_of(plain)), "epoch": list_of(whole)}
    )

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.history, self.epoch = {}, []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def _repr_html_(self) -> str:
        """A row per metric with its curve."""
        rows = []
        for name, values in self.history.items():
            numbers = [float(np.mean(value)) for value in values]
            finite = [number for number in numbers if math.isfinite(number)]
            ends = [f"{numbers[0]:.4g}", f"{numbers[-1]:.4g}"]
            rows.append([escape(name), *ends, html.of_curve(finite)])
        heads = ("metric", "first epoch", "last epoch", "curve")
        return html.of_rows(f"History of {len(self.epoch)} epochs", heads, rows)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        model.history = self
