"""Pooling; the backward pass uses the stored positions of the maxima, one byte each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._ext import _bfloat16, _channels, _pool, _quantized, _resample
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor
from fastconv.resampling import repeat_axis

# Largest window whose positions are stored in one byte each.


class Pooling(Lowering):
    """Max-pooling passes its gradient to the maxima, which are its output. It therefore applies the
    gradient of a preceding activation to that output, which is the smaller array."""

    overwrites_dy = False
    argmax: Tensor | None = None
    geometry: Any
    x_shape: tuple[int, ...]
    y: Tensor

    def forward(self, x: Tensor) -> Tensor:
        operation = self.operation
        geometry = operation.geometry.of_batch(x.shape[0])
        self.geometry, self.x_shape = geometry, x.shape
        y = self.y = self.tape.tensor(geometry.output_shape, x.dtype)
        if x.dtype == np.uint8:
            self.tape.emit(lambda: _quantized.QuantizedMaxPool(geometry, x.array, y.array), x, y)
            return y
        if x.dtype == np.uint16:
            self.tape.emit(lambda: _bfloat16.BFloat16MaxPool(geometry, x.array, y.array), x, y)
            return y
        if operation.kind == "average":
            self.tape.emit(lambda: _pool.AveragePoolForward(geometry, x.array, y.array), x, y)
            return y
        if self.training:
            self.argmax = self.tape.tensor(y.shape, geometry.argmax_dtype)
        argmax = self.argmax
        self.tape.emit(
            lambda: _pool.MaxPoolForward(geometry, x.array, y.array, argmax and argmax.array),
            x,
            y,
            argmax,
        )
        return y

    def can_fuse_gradient_of(self, maker: Lowering) -> bool:
        if self.operation.kind == "average":
            return not maker.differentiates_epilogue
        # Where windows overlap, a sum of products rounds differently from a product of sums.
        g = self.operation.geometry
        apart = (g.stride_h, g.stride_w) == (g.pool_h, g.pool_w)
        return apart or (maker.epilogue is not None and maker.epilogue.kind == "relu")

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if not need_dx:
            return None
        geometry, argmax, fused = self.geometry, self.argmax, self.activation_gradient
        dx = self.tape.tensor(self.x_shape)
        if self.operation.kind == "average":
            self.tape.emit(
                lambda: _pool.AveragePoolBackward(
                    geometry,
                    dy.array,
                    dx.array,
                    fused and fused.arguments,
                ),
                dy,
                dx,
                fused and fused.output,
            )
            return dx
        assert argmax is not None  # the forward pass of a training plan records it
        fused = fused and fused.at(self.y)
        self.tape.emit(
            lambda: _pool.MaxPoolBackward(
                geometry,
                dy.array,
                argmax.array,
                dx.array,
                fused and fused.arguments,
            ),
            dy,
            argmax,
            dx,
            fused and fused.output,
        )
        return dx


class GlobalPooling(Lowering):
    """Treats all positions of an image as rows of one matrix and reduces its columns."""

    overwrites_dy = False

    argmax: Tensor | None = None
    x_shape: tuple[int, ...]

    def forward(self, x: Tensor) -> Tensor:
        self.x_shape, y = x.shape, self.tape.tensor((x.shape[0], x.shape[-1]))
        places = self._places(x)
        if self.operation.kind == "average":
            scale = 1 / places.shape[1]
            self.tape.emit(lambda: _channels.ColumnSums(places.array, y.array, scale), x, y)
            return y
        argmax = self.argmax = self.tape.tensor(y.shape, np.int32) if self.training else None
        self.tape.emit(
            lambda: _channels.ColumnMax(places.array, y.array, argmax and argmax.array),
            x,
            y,
            argmax,
        )
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if not need_dx:
            return None
        dx, argmax = self.tape.tensor(self.x_shape), self.argmax
        places = self._places(dx)
        if self.operation.kind == "max":
            assert argmax is not None  # the forward pass of a training plan records it
            self.tape.emit(
                lambda: _channels.ColumnMaxBackward(dy.array, argmax.array, places.array),
                dy,
                argmax,
                dx,
            )
            return dx
        count = places.shape[1]
        everywhere = repeat_axis(1, count, 1 / count)
        one = dy.reshape(dy.shape[0], 1, dy.shape[1])
        self.tape.emit(
            lambda: _resample.Resample(one.array, places.array, [None, everywhere, None]), dy, dx
        )
        return dx

    def _places(self, image: Tensor) -> Tensor:
        """(N, ..., C) as (N, positions, C)."""
        return image.reshape(self.x_shape[0], math.prod(self.x_shape[1:-1]), self.x_shape[-1])
