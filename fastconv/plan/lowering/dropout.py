"""Dropout: a mask that is drawn again by the backward pass instead of being stored."""

from __future__ import annotations

from typing import Any

from fastconv._ext import _elementwise
from fastconv.plan.lowering.base import Lowering


class Dropout(Lowering):
    """Only in training plans; `operation` is there once the tape is bound."""

    operation: Any = None

    def forward(self, x):
        y = self.tape.tensor(x.shape)

        def make():
            self.operation = _elementwise.Dropout(x.array, y.array, self.node.rate, self.node.seed)
            return self.operation

        self.tape.emit(make, x, y)
        return y

    def backward(self, dy, need_dx):
        if not need_dx:
            return None
        self.tape.emit(lambda: _elementwise.DropoutBackward(self.operation, dy.array, dy.array), dy)
        return dy
