"""Views the same memory in another shape."""

from __future__ import annotations

from typing import Any

from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor


class Reshape(Lowering):
    overwrites_dy = False

    def forward(self, x: Tensor) -> Tensor:
        self.x_shape: tuple[int, ...] = x.shape
        return x.reshape(x.shape[0], *self.operation.shape)

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        return dy.reshape(*self.x_shape) if need_dx else None
