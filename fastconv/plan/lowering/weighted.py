"""Operations with weights: convolution and dense, each with a fused activation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv._ext import _conv, _dense
from fastconv.plan import operations
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.lowering.merging import Merge
from fastconv.plan.lowering.normalization import fold
from fastconv.plan.tape import Tensor


class Weighted(Lowering):
    """y = activation(x * kernel + bias): base class of convolution and dense.

    The activation is the epilogue of the forward operation.
    """

    overwrites_dy = False

    @property
    def trainable(self) -> bool:
        return self.operation.kernel.trainable

    residual: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.x: Tensor = x
        self.y: Tensor = self.tape.tensor(self.output_shape(x))
        kernel, bias = self.weights()
        kernel, activation = self.shaped(kernel), self.operation.activation
        kind, slope = (activation.kind, activation.slope) if activation else ("linear", 0.0)
        self.tape.emit(self.make_forward(kernel, bias, kind, slope), self.x, self.y, self.residual)
        return self.y

    def weights(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Return kernel and bias of the forward pass. If a normalization follows, it is folded into
        them, again whenever the weights have changed."""
        operation = self.operation
        kernel, bias = (
            operation.kernel._live,
            None if operation.bias is None else operation.bias._live,
        )
        if operation.normalization is None:
            return kernel, bias
        folded = self.tape.lasting(kernel.nbytes).view(np.float32).reshape(kernel.shape)
        # In the op's layout: the last axis is the output axis.
        flat_kernel, flat_folded = self.shaped(kernel), self.shaped(folded)
        folded_bias = np.empty(flat_kernel.shape[-1], np.float32)
        self.tape.emit(
            lambda: fold(operation.normalization, flat_kernel, flat_folded, bias, folded_bias)
        )
        return folded, folded_bias

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if self.trainable:
            self.record_weight_gradients(dy)
        if not need_dx:
            return None
        dx = self.tape.tensor(self.x.shape)
        fused = self.activation_gradient
        self.tape.emit(self.make_backward_input(dy, dx), dy, dx, fused and fused.output)
        return dx

    def record_weight_gradients(self, dy: Tensor) -> None:
        """Record the op for the gradients of kernel and bias."""
        dw = self.shaped(self.gradient_of(self.operation.kernel))
        db = self.gradient_of(self.operation.bias)
        self.tape.emit(self.make_backward_kernel(dy, dw, db), self.x, dy)

    def shaped(self, kernel: np.ndarray) -> np.ndarray:
        """Return the kernel, or its gradient, in the shape that the ops take."""
        return kernel

    @abstractmethod
    def output_shape(self, x: Tensor) -> tuple[int, ...]:
        """Return the shape of y."""

    @abstractmethod
    def make_forward(
        self, kernel: np.ndarray, bias: np.ndarray | None, kind: str, slope: float
    ) -> Callable[[], Any]:
        """Return a function that makes the forward op."""

    @abstractmethod
    def make_backward_kernel(
        self, dy: Tensor, dw: np.ndarray, db: np.ndarray | None
    ) -> Callable[[], Any]:
        """Return a function that makes the op for the weight gradients."""

    @abstractmethod
    def make_backward_input(self, dy: Tensor, dx: Tensor) -> Callable[[], Any]:
        """Return a function that makes the op for the input gradient."""


class Convolution(Weighted):
    """With a second value (`operation.adds`), which is added before the activation.

    A value of another shape, which has to be broadcast or to which y has to be, is added apart.
    """

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if residual is not None and residual.shape != self.output_shape(x):
            addition = operations.Merge("add", self.operation.activation)
            self.operation = replace(self.operation, activation=None, adds=False)
            merge = Merge(addition, self.tape, self.gradients, self.training)
            return merge.forward(super().forward(x), residual)
        self.residual = residual
        return super().forward(x)

    def shaped(self, kernel: np.ndarray) -> np.ndarray:
        return kernel.reshape(self.operation.geometry.kernel_shape)

    def output_shape(self, x: Tensor) -> tuple[int, ...]:
        self.geometry: Any = self.operation.geometry.of_batch(x.shape[0])
        last = self.geometry if self.operation.pooling is None else self.operation.pooling.geometry
        return (x.shape[0], *last.output_shape[1:])

    def make_forward(
        self, kernel: np.ndarray, bias: np.ndarray | None, kind: str, slope: float
    ) -> Callable[[], Any]:
        x, y, pooling = self.x, self.y, self.operation.pooling
        pool, residual = pooling and pooling.kind, self.residual
        return lambda: _conv.conv2d_forward(
            self.geometry,
            x.array,
            kernel,
            bias,
            y.array,
            activation=kind,
            slope=slope,
            pool=pool,
            frozen=not self.training,
            residual=residual and residual.array,
        )

    def make_backward_kernel(
        self, dy: Tensor, dw: np.ndarray, db: np.ndarray | None
    ) -> Callable[[], Any]:
        return lambda: _conv.conv2d_backward_kernel(self.geometry, self.x.array, dy.array, dw, db)

    def make_backward_input(self, dy: Tensor, dx: Tensor) -> Callable[[], Any]:
        kernel = self.shaped(self.operation.kernel._live)
        return lambda: _conv.conv2d_backward_input(self.geometry, dy.array, kernel, dx.array)


class Dense(Weighted):
    """Acts on the last axis; all other axes are rows.

    Includes the gradient of a preceding activation in the dx that it writes. A convolution does
    not: it would read the output of that activation from memory in small pieces, tile by tile,
    which measured slower than a separate pass.
    """

    def can_fuse_gradient_of(self, maker: Lowering) -> bool:
        return not maker.differentiates_epilogue

    @property
    def keeps_dy(self) -> bool:
        return self.operation.kernel in self.gradients.joined

    def record_weight_gradients(self, dy: Tensor) -> None:
        kernel = self.operation.kernel
        if kernel not in self.gradients.joinable:
            super().record_weight_gradients(dy)
            return
        x, dy, db = (
            self.tape.keep(self.x).rows,
            self.tape.keep(dy).rows,
            self.gradient_of(self.operation.bias),
        )
        self.gradients.joined[kernel] = lambda rule: _dense.DenseUpdate(x.array, dy.array, db, rule)

    def output_shape(self, x: Tensor) -> tuple[int, ...]:
        return (*x.shape[:-1], self.operation.kernel.shape[-1])

    def make_forward(
        self, kernel: np.ndarray, bias: np.ndarray | None, kind: str, slope: float
    ) -> Callable[[], Any]:
        x, y = self.x.rows, self.y.rows
        return lambda: _dense.DenseForward(
            x.array, kernel, bias, y.array, activation=kind, slope=slope
        )

    def make_backward_kernel(
        self, dy: Tensor, dw: np.ndarray, db: np.ndarray | None
    ) -> Callable[[], Any]:
        x, dy = self.x.rows, dy.rows
        return lambda: _dense.DenseBackwardKernel(x.array, dy.array, dw, db)

    def make_backward_input(self, dy: Tensor, dx: Tensor) -> Callable[[], Any]:
        kernel, dy, dx = self.operation.kernel._live, dy.rows, dx.rows
        fused = self.activation_gradient and self.activation_gradient.at(self.x.rows)
        return lambda: _dense.DenseBackwardInput(
            dy.array, kernel, dx.array, fused and fused.arguments
        )
