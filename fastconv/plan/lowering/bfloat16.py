"""Operations of networks in bfloat16, which are not trained: on its bits as uint16, and from and to
float32."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from fastconv import shapes
from fastconv._ext import _bfloat16
from fastconv.plan import operations
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.lowering.normalization import scale_and_bias
from fastconv.plan.tape import Tensor

_NO_GRADIENT = "operations of networks in bfloat16 have no gradients"


class Narrow(Lowering):
    def forward(self, x: Tensor) -> Tensor:
        y = self.tape.tensor(x.shape, np.uint16)
        self.tape.emit(lambda: _bfloat16.Narrow(x.array, y.array), x, y)
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        raise NotImplementedError(_NO_GRADIENT)


class Widen(Lowering):
    def forward(self, x: Tensor) -> Tensor:
        y = self.tape.tensor(x.shape)
        self.tape.emit(lambda: _bfloat16.Widen(x.array, y.array), x, y)
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        raise NotImplementedError(_NO_GRADIENT)


class InBFloat16(Lowering):
    """A convolution, or a dense product as a convolution of images of one pixel.

    A normalization becomes scale and bias of the sums, again whenever the weights have changed.
    """

    merges = True

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        operation = self.operation
        weighted = operation.operation
        if isinstance(weighted, operations.Convolution):
            geometry = weighted.geometry.of_batch(x.shape[0])
            shape = geometry.output_shape
        else:
            inputs, outputs = weighted.kernel.shape
            rows = math.prod(x.shape[:-1])
            geometry = shapes.conv2d_geometry((rows, 1, 1, inputs), (1, 1, inputs, outputs))
            shape = (*x.shape[:-1], outputs)
        y = self.tape.tensor(shape, np.float32 if operation.wide else np.uint16)
        x_image, y_image = x.reshape(*geometry.input_shape), y.reshape(*geometry.output_shape)
        of_residual = residual and residual.reshape(*geometry.output_shape)
        kernel = weighted.kernel._live.reshape(geometry.kernel_shape)
        bias = None if weighted.bias is None else weighted.bias._live
        norm, scale, shift, renew = weighted.normalization, None, bias, None
        if norm is not None:
            epilogue = self.tape.lasting(8 * geometry.filters).view(np.float32)
            scale, shift = epilogue[: geometry.filters], epilogue[geometry.filters :]
            renew = partial(_renew, norm, bias, scale, shift)

        def make() -> Any:
            if renew is not None:
                renew()
            op = _bfloat16.BFloat16Convolution(
                geometry,
                x_image.array,
                kernel,
                shift,
                y_image.array,
                operation.low,
                operation.high,
                of_residual and of_residual.array,
                scale,
            )
            op.renew = renew
            return op

        self.tape.emit(make, x, y, residual)
        return y

    def backward(self, dy: Tensor, needs: Any) -> Any:
        raise NotImplementedError(_NO_GRADIENT)


def _renew(
    norm: operations.BatchNormalization,
    bias: np.ndarray | None,
    scale: np.ndarray,
    shift: np.ndarray,
) -> None:
    scale[...], shift[...] = scale_and_bias(norm, bias)
