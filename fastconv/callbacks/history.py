"""The return value of `fit`."""

from __future__ import annotations

from types import MappingProxyType

from fastconv.callbacks.callback import Callback
from fastconv.state import dict_of, list_of, plain, whole


class History(Callback):
    """Records the logs of every epoch; `fit` adds one and returns it.

    `history` maps each name ("loss", "accuracy", "val_loss" ...) to a list with one entry per
    epoch; `epoch` lists the numbers of the epochs, counted from 0.
    """

    stateful = MappingProxyType({"history": dict_of(list_of(plain)), "epoch": list_of(whole)})

    def __init__(self):
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs=None):
        self.history, self.epoch = {}, []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def set_model(self, model):
        super().set_model(model)
        model.history = self
