"""Standalone activations and softmax."""

from __future__ import annotations

from fastconv._ext import _elementwise
from fastconv.plan.lowering.base import Lowering


class Activation(Lowering):
    """An activation that is not fused into the preceding operation.

    If its kind can be fused, it equals its `ending`, whose gradient other operations may apply.
    """

    @property
    def ending(self):
        return self.node if self.node.fusible else None

    @property
    def overwrites_dy(self):
        return self.ending is None

    def forward(self, x):
        node = self.node
        y = x if self.may_overwrite else self.tape.tensor(x.shape)
        self.saved = x if node.keeps_input else y
        self.tape.emit(
            lambda: _elementwise.ActivationForward(node.kind, x.array, y.array, *node.parameters),
            x,
            y,
        )
        return y

    def backward(self, dy, need_dx):
        if not need_dx:
            return None
        if self.ending is not None:
            return dy
        node, saved = self.node, self.saved
        self.tape.emit(
            lambda: _elementwise.ActivationBackward(
                node.kind, saved.array, dy.array, dy.array, *node.parameters
            ),
            saved,
            dy,
        )
        return dy


class Softmax(Lowering):
    def forward(self, x):
        log = self.node.log
        y = self.y = x if self.may_overwrite else self.tape.tensor(x.shape)
        self.tape.emit(lambda: _elementwise.SoftmaxForward(x.rows.array, y.rows.array, log), x, y)
        return y

    def backward(self, dy, need_dx):
        if not need_dx:
            return None
        y, log = self.y, self.node.log
        self.tape.emit(
            lambda: _elementwise.SoftmaxBackward(y.rows.array, dy.rows.array, dy.rows.array, log),
            y,
            dy,
        )
        return dy
