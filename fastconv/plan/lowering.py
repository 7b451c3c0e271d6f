"""From a node to operations of the compiled core: one class per kind of node.

    forward(x) -> y                 records the forward step, remembers what backward needs
    backward(dy, need_dx) -> dx     records the gradients: into the gradient buffer for trainable
                                    weights, into a new tensor for the input if anybody needs it

Both record on a tape (`plan.tape`); x, y, dy, dx are tensors without memory as yet. A `dy` belongs
to the one node that it is handed to, which may overwrite it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv._ext import _conv, _dense, _elementwise, _pool
from fastconv.parameters import Parameters, Variable
from fastconv.plan import nodes
from fastconv.plan.tape import Tape, Tensor
from fastconv.shapes import conv2d_geometry, pool2d_geometry

# Largest window whose positions are stored in one byte each.
_BYTE_WINDOW = 256


class Lowering(ABC):
    """Base: a node, the tape to record on, the weights, and whether a backward pass follows."""

    def __init__(self, node: Any, tape: Tape, parameters: Parameters, training: bool):
        self.node, self.tape, self.parameters, self.training = node, tape, parameters, training

    @property
    def trainable(self) -> bool:
        """Whether the backward pass has a weight gradient to compute here."""
        return False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Record the forward step on `x`; return its output."""

    @abstractmethod
    def backward(self, dy: Tensor, need_dx: bool) -> Tensor | None:
        """Record the gradients for the output's gradient `dy`; return the input's if needed."""

    def gradient_of(self, variable: Variable | None) -> np.ndarray | None:
        """The part of the flat gradient buffer that belongs to `variable`."""
        if variable is None:
            return None
        return self.parameters.view(self.parameters.gradient, variable)


class _Weighted(Lowering):
    """y = activation(x * kernel + bias): what convolutions and products have in common.

    The activation is part of the forward operation. A ReLU whose output goes into a max-pooling is
    undone there (`mask_in_pool`): the maximum of a window is zero exactly if its gradient is.
    """

    mask_in_pool = False

    @property
    def trainable(self):
        return self.node.kernel.trainable

    def forward(self, x):
        self.x = x
        self.y = self.tape.tensor(self.output_shape(x))
        bias = None if self.node.bias is None else self.node.bias.value
        kernel, activation = self.node.kernel.value, self.node.activation
        kind, slope = (activation.kind, activation.slope) if activation else ("linear", 0.0)
        self.tape.emit(self.make_forward(kernel, bias, kind, slope), self.x, self.y)
        return self.y

    def backward(self, dy, need_dx):
        node, y = self.node, self.y
        if node.activation and not self.mask_in_pool:
            kind, slope = node.activation.kind, node.activation.slope
            self.tape.emit(
                lambda: _elementwise.ActivationBackward(kind, y.array, dy.array, dy.array, slope),
                y,
                dy,
            )
        if self.trainable:
            dw, db = self.gradient_of(node.kernel), self.gradient_of(node.bias)
            self.tape.emit(self.make_backward_kernel(dy, dw, db), self.x, dy)
        if not need_dx:
            return None
        dx = self.tape.tensor(self.x.shape)
        self.tape.emit(self.make_backward_input(dy, dx), dy, dx)
        return dx

    @abstractmethod
    def output_shape(self, x: Tensor) -> tuple[int, ...]:
        """The shape of y."""

    @abstractmethod
    def make_forward(self, kernel, bias, kind, slope) -> Callable[[], Any]:
        """A function that makes the forward operation."""

    @abstractmethod
    def make_backward_kernel(self, dy, dw, db) -> Callable[[], Any]:
        """A function that makes the operation for the weights' gradients."""

    @abstractmethod
    def make_backward_input(self, dy, dx) -> Callable[[], Any]:
        """A function that makes the operation for the input's gradient."""


class Convolution(_Weighted):
    def output_shape(self, x):
        self.geometry = conv2d_geometry(
            x.shape,
            self.node.kernel.shape,
            strides=self.node.strides,
            padding=self.node.padding,
            dilation_rate=self.node.dilation_rate,
            groups=self.node.groups,
        )
        return self.geometry.output_shape

    def make_forward(self, kernel, bias, kind, slope):
        x, y = self.x, self.y
        return lambda: _conv.Conv2DForward(
            self.geometry, x.array, kernel, bias, y.array, activation=kind, slope=slope
        )

    def make_backward_kernel(self, dy, dw, db):
        return lambda: _conv.Conv2DBackwardKernel(self.geometry, self.x.array, dy.array, dw, db)

    def make_backward_input(self, dy, dx):
        kernel = self.node.kernel.value
        return lambda: _conv.Conv2DBackwardInput(self.geometry, dy.array, kernel, dx.array)


class Product(_Weighted):
    """Acts on the last axis; all others are rows."""

    def output_shape(self, x):
        return (*x.shape[:-1], self.node.kernel.shape[-1])

    def make_forward(self, kernel, bias, kind, slope):
        x, y = self.x.rows, self.y.rows
        return lambda: _dense.DenseForward(
            x.array, kernel, bias, y.array, activation=kind, slope=slope
        )

    def make_backward_kernel(self, dy, dw, db):
        x, dy = self.x.rows, dy.rows
        return lambda: _dense.DenseBackwardKernel(x.array, dy.array, dw, db)

    def make_backward_input(self, dy, dx):
        kernel, dy, dx = self.node.kernel.value, dy.rows, dx.rows
        return lambda: _dense.DenseBackwardInput(dy.array, kernel, dx.array)


class Pooling(Lowering):
    mask_relu = False  # the input is the output of a ReLU that leaves its backward pass to us
    argmax: Tensor | None = None

    def forward(self, x):
        node = self.node
        geometry = pool2d_geometry(
            x.shape, pool_size=node.pool_size, strides=node.strides, padding=node.padding
        )
        self.geometry, self.x_shape = geometry, x.shape
        y = self.y = self.tape.tensor(geometry.output_shape)
        if node.kind == "average":
            self.tape.emit(lambda: _pool.AveragePoolForward(geometry, x.array, y.array), x, y)
            return y
        if self.training:
            small = geometry.pool_h * geometry.pool_w <= _BYTE_WINDOW
            self.argmax = self.tape.tensor(y.shape, np.uint8 if small else np.int32)
        argmax = self.argmax
        self.tape.emit(
            lambda: _pool.MaxPoolForward(geometry, x.array, y.array, argmax and argmax.array),
            x,
            y,
            argmax,
        )
        return y

    def backward(self, dy, need_dx):
        if not need_dx:
            return None
        geometry, argmax = self.geometry, self.argmax
        dx = self.tape.tensor(self.x_shape)
        if self.node.kind == "average":
            self.tape.emit(lambda: _pool.AveragePoolBackward(geometry, dy.array, dx.array), dy, dx)
            return dx
        y = self.y if self.mask_relu else None
        self.tape.emit(
            lambda: _pool.MaxPoolBackward(
                geometry, dy.array, argmax.array, dx.array, relu_output=y and y.array
            ),
            dy,
            argmax,
            dx,
            y,
        )
        return dx


class Activation(Lowering):
    """An activation that could not join the operation before it."""

    def forward(self, x):
        kind, slope = self.node.kind, self.node.slope
        # In place, unless the backward pass of the operation before may want its output.
        y = self.y = self.tape.tensor(x.shape) if self.training else x
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
        y = self.y = self.tape.tensor(x.shape) if self.training else x
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


class Dropout(Lowering):
    """Only in training plans; `operation` is there once the tape is bound."""

    operation: Any = None

    def forward(self, x):
        y = self.tape.tensor(x.shape)

        def make():
            self.operation = _elementwise.Dropout(x.array, y.array, self.node.rate, self.node.seed)
            return self.operation

        self.tape.emit(make, x, y)
        return y

    def backward(self, dy, need_dx):
        if not need_dx:
            return None
        self.tape.emit(lambda: _elementwise.DropoutBackward(self.operation, dy.array, dy.array), dy)
        return dy


class Reshape(Lowering):
    def forward(self, x):
        self.x_shape = x.shape
        return x.reshape(x.shape[0], *self.node.shape)

    def backward(self, dy, need_dx):
        return dy.reshape(*self.x_shape) if need_dx else None


LOWERINGS: dict[type, type[Lowering]] = {
    nodes.Activation: Activation,
    nodes.Convolution: Convolution,
    nodes.Dropout: Dropout,
    nodes.Pooling: Pooling,
    nodes.Product: Product,
    nodes.Reshape: Reshape,
    nodes.Softmax: Softmax,
}


def lower_loss(
    loss: nodes.Loss,
    tape: Tape,
    prediction: Tensor,
    probabilities: Tensor | None,
    weighted: bool,
    training: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Record the loss of `prediction`; return (targets, loss, sample_weight, dprediction).

    `probabilities` receives the softmax of the prediction, for the two-in-one of softmax and
    cross-entropy. The loss is per row, not weighted; the gradient is that of the weighted sum
    divided by the number of rows.
    """
    rows = prediction.rows
    targets = tape.input(rows.shape[:1], np.int64) if loss.sparse else tape.input(rows.shape)
    values = tape.keep(tape.tensor(rows.shape[:1], np.float64))
    weight = tape.keep(tape.input(rows.shape[:1])) if weighted else None
    gradient = tape.tensor(prediction.shape) if training else None

    def make():
        arguments = (
            rows.array,
            targets.array,
            gradient and gradient.rows.array,
            values.array,
            weight and weight.array,
        )
        if loss.kind == "mean_squared_error":
            return _elementwise.MeanSquaredError(*arguments)
        if loss.kind == "cross_entropy":
            return _elementwise.CrossEntropy(*arguments)
        return _elementwise.SoftmaxCrossEntropy(
            *arguments, probabilities and probabilities.rows.array
        )

    tape.emit(make, prediction, targets, gradient, values, weight, probabilities)
    return targets, values, weight, gradient
