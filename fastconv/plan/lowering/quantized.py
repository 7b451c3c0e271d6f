"""Operations of quantized networks, which are not trained: on uint8, and from and to float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import shapes
from fastconv._ext import _quantized
from fastconv.plan import operations
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.lowering.normalization import scale_and_bias
from fastconv.plan.quantization import quantized_kernel
from fastconv.plan.tape import Tensor

_NO_GRADIENT = "operations of quantized networks have no gradients"


class Quantize(Lowering):
    def forward(self, x: Tensor) -> Tensor:
        y, steps = self.tape.tensor(x.shape, np.uint8), self.operation.steps
        self.tape.emit(
            lambda: _quantized.Quantize(x.array, y.array, steps.scale, steps.zero_point), x, y
        )
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        raise NotImplementedError(_NO_GRADIENT)


class Dequantize(Lowering):
    def forward(self, x: Tensor) -> Tensor:
        y, steps = self.tape.tensor(x.shape), self.operation.steps
        self.tape.emit(
            lambda: _quantized.Dequantize(x.array, y.array, steps.scale, steps.zero_point), x, y
        )
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        raise NotImplementedError(_NO_GRADIENT)


class Quantized(Lowering):
    """A convolution, or a dense product as a convolution of images of one pixel.

    Integers, scales and biases are computed again whenever the weights have changed.
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
        y = self.tape.tensor(shape, np.float32 if operation.output is None else np.uint8)
        x_image, y_image = x.reshape(*geometry.input_shape), y.reshape(*geometry.output_shape)
        of_residual = residual and residual.reshape(*geometry.output_shape)
        kernel = self.tape.lasting(weighted.kernel.size).view(np.int8)
        kernel = kernel.reshape(geometry.kernel_shape)
        epilogue = self.tape.lasting(8 * geometry.filters).view(np.float32)
        scale, bias = epilogue[: geometry.filters], epilogue[geometry.filters :]

        def renew() -> None:
            kernel[...], scale[...], bias[...] = _constants(operation, kernel.shape)

        def make() -> Any:
            renew()
            low, high = _limits(operation)
            op = _quantized.QuantizedConvolution(
                geometry,
                x_image.array,
                kernel,
                scale,
                bias,
                y_image.array,
                operation.input.zero_point,
                low,
                high,
                of_residual and of_residual.array,
                _residual_scale(operation),
            )
            op.renew = renew
            return op

        self.tape.emit(make, x, y, residual)
        return y

    def backward(self, dy: Tensor, needs: Any) -> Any:
        raise NotImplementedError(_NO_GRADIENT)


def _residual_scale(operation: operations.Quantized) -> float:
    if operation.residual is None:
        return 0.0
    return operation.residual.scale / (operation.output.scale if operation.output else 1)


def _limits(operation: operations.Quantized) -> tuple[float, float]:
    """Return the limits of the output in its own steps."""
    steps = operation.output
    if steps is None:
        return operation.low, operation.high
    low, high = (
        steps.zero_point + bound / steps.scale for bound in (operation.low, operation.high)
    )
    return min(max(low, 0.0), 255.0), max(min(high, 255.0), 0.0)


def _constants(
    operation: operations.Quantized, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the integers of the kernel, and scale and bias of the output channels in the steps of
    the output, with a normalization that follows."""
    weighted, output, residual = operation.operation, operation.output, operation.residual
    integers, scale = quantized_kernel(weighted.kernel._live, shape[-1])
    scale = scale.astype(np.float64) * operation.input.scale
    bias = np.zeros(shape[-1])
    if weighted.bias is not None:
        bias += weighted.bias._live
    if weighted.normalization is not None:
        factor, bias = scale_and_bias(weighted.normalization, bias)
        scale = scale * factor
    if residual is not None:
        bias -= residual.zero_point * residual.scale
    if output is not None:
        scale, bias = scale / output.scale, bias / output.scale + output.zero_point
    return integers.reshape(shape), scale, bias
