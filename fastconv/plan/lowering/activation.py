"""Standalone activations and softmax."""

from __future__ import annotations

from typing import Any

from fastconv._ext import _elementwise
from fastconv.plan import operations
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor


class Activation(Lowering):
    """An activation that is not fused into the preceding operation.

    If its kind can be fused, it equals its `epilogue`, whose gradient other operations may apply.
    """

    @property
    def epilogue(self) -> operations.Activation | None:
        return self.operation if self.operation.fusible else None

    @property
    def overwrites_dy(self) -> bool:
        return self.epilogue is None

    def forward(self, x: Tensor) -> Tensor:
        operation = self.operation
        y = x if self.may_overwrite else self.tape.tensor(x.shape)
        self.saved: Tensor = x if operation.keeps_input else y
        self.tape.emit(
            lambda: _elementwise.ActivationForward(
                operation.kind, x.array, y.array, *operation.parameters
            ),
            x,
            y,
        )
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if not need_dx:
            return None
        if self.epilogue is not None:
            return dy
        operation, saved = self.operation, self.saved
        self.tape.emit(
            lambda: _elementwise.ActivationBackward(
                operation.kind, saved.array, dy.array, dy.array, *operation.parameters
            ),
            saved,
            dy,
        )
        return dy


class Softmax(Lowering):
    y: Tensor

    def forward(self, x: Tensor) -> Tensor:
        log = self.operation.log
        y = self.y = x if self.may_overwrite else self.tape.tensor(x.shape)
        self.tape.emit(lambda: _elementwise.SoftmaxForward(x.rows.array, y.rows.array, log), x, y)
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if not need_dx:
            return None
        y, log = self.y, self.operation.log
        self.tape.emit(
            lambda: _elementwise.SoftmaxBackward(y.rows.array, dy.rows.array, dy.rows.array, log),
            y,
            dy,
        )
        return dy
