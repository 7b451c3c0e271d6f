"""Activations and the softmax where they stand alone."""

from __future__ import annotations

from fastconv._ext import _elementwise
from fastconv.plan.lowering.base import Lowering


class Activation(Lowering):
    """An activation that could not join the operation before it."""

    def forward(self, x):
        kind, slope = self.node.kind, self.node.slope
        y = self.y = x if self.may_overwrite else self.tape.tensor(x.shape)
        self.tape.emit(lambda: _elementwise.ActivationForward(kind, x.array, y.array, slope), x, y)
        return y

    def backward(self, dy, need_dx):
        if not need_dx:
            return None
        kind, slope, y = self.node.kind, self.node.slope, self.y
        self.tape.emit(
            lambda: _elementwise.ActivationBackward(kind, y.array, dy.array, dy.array, slope),
            y,
            dy,
        )
        return dy


class Softmax(Lowering):
    def forward(self, x):
        y = self.y = x if self.may_overwrite else self.tape.tensor(x.shape)
        self.tape.emit(lambda: _elementwise.SoftmaxForward(x.rows.array, y.rows.array), x, y)
        return y

    def backward(self, dy, need_dx):
        if not need_dx:
            return None
        y = self.y
        self.tape.emit(
            lambda: _elementwise.SoftmaxBackward(y.rows.array, dy.rows.array, dy.rows.array), y, dy
        )
        return dy
