"""Transposed convolution: maps the output of a convolution to its input.

The passes of a convolution swap roles: forward is the convolution's gradient with respect to its
input, the gradient with respect to the input is its forward pass, and in the gradient with respect
to the filters x and dy are swapped.
"""

from __future__ import annotations

from fastconv._ext import _channels, _conv
from fastconv.plan.lowering.base import Lowering
from fastconv.shapes import conv2d_geometry


class TransposedConvolution(Lowering):
    overwrites_dy = False

    @property
    def trainable(self):
        return self.node.kernel.trainable

    def forward(self, x):
        node = self.node
        self.geometry = geometry = conv2d_geometry(
            (x.shape[0], *node.size, node.kernel_shape[2]),
            node.kernel_shape,
            strides=node.strides,
            padding=node.padding,
            dilation_rate=node.dilation_rate,
        )
        self.x, y, kernel = x, self.tape.tensor(geometry.input_shape), self._kernel()
        self.tape.emit(
            lambda: _conv.conv2d_backward_input(geometry, x.array, kernel, y.array), x, y
        )
        if node.bias is not None:
            bias = node.bias._live
            self.tape.emit(lambda: _channels.ScaleShift(y.array, None, bias, y.array), y)
        return y

    def backward(self, dy, need_dx):
        node, geometry, x, kernel = self.node, self.geometry, self.x, self._kernel()
        if self.trainable:
            dw = self.gradient_of(node.kernel).reshape(node.kernel_shape)
            self.tape.emit(
                lambda: _conv.conv2d_backward_kernel(geometry, dy.array, x.array, dw, None), x, dy
            )
            if node.bias is not None:
                db = self.gradient_of(node.bias).reshape(1, -1)
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
        return self.node.kernel._live.reshape(self.node.kernel_shape)
