"""Transposed convolution: maps the output of a convolution to its input.

The passes of a convolution swap roles: forward is the convolution's gradient with respect to its
input, the gradient with respect to the input is its forward pass, and in the gradient with respect
to the filters x and dy are swapped.
"""

from __future__ import annotations

from typing import Any

from fastconv._ext import _channels, _conv
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor


class TransposedConvolution(Lowering):
    overwrites_dy = False
    geometry: Any
    x: Tensor

    @property
    def trainable(self) -> bool:
        return self.operation.kernel.trainable

    def forward(self, x: Tensor) -> Tensor:
        operation = self.operation
        self.geometry = geometry = operation.geometry.of_batch(x.shape[0])
        self.x, y, kernel = x, self.tape.tensor(geometry.input_shape), self._kernel()
        self.tape.emit(
            lambda: _conv.conv2d_backward_input(geometry, x.array, kernel, y.array), x, y
        )
        if operation.bias is not None:
            bias = operation.bias._live
            self.tape.emit(lambda: _channels.ScaleShift(y.array, None, bias, y.array), y)
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        operation, geometry, x, kernel = self.operation, self.geometry, self.x, self._kernel()
        if self.trainable:
            dw = self.gradient_of(operation.kernel).reshape(geometry.kernel_shape)
            self.tape.emit(
                lambda: _conv.conv2d_backward_kernel(geometry, dy.array, x.array, dw, None), x, dy
            )
            if operation.bias is not None:
                db = self.gradient_of(operation.bias).reshape(1, -1)
                rows = dy.reshape(1, -1, dy.shape[-1])
                self.tape.emit(lambda: _channels.ColumnSums(rows.array, db), dy)
        if not need_dx:
            return None
        dx = self.tape.tensor(x.shape)
        self.tape.emit(
            lambda: _conv.conv2d_forward(geometry, dy.array, kernel, None, dx.array), dy, dx
        )
        return dx

    def _kernel(self):
        return self.operation.kernel._live.reshape(self.operation.geometry.kernel_shape)
