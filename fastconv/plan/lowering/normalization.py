"""Normalization by statistics of the batch, of groups, of rows or of neighbouring channels; and
PReLU, whose gradient uses the same reductions."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, overload

import numpy as np

from fastconv._ext import _normalization, _optim
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor


@overload
def flat(variable: Variable) -> np.ndarray: ...


@overload
def flat(variable: None) -> None: ...


def flat(variable: Variable | None) -> np.ndarray | None:
    """Return the values of a weight as one row."""
    return None if variable is None else variable._live.reshape(-1)


class _Scaled(Lowering):
    """Base class of normalizations with gamma and beta; both may be absent."""

    @property
    def trainable(self) -> bool:
        return any(
            v is not None and v.trainable for v in (self.operation.gamma, self.operation.beta)
        )

    def weight_gradients(self) -> list[np.ndarray | None]:
        """Return the arrays for dgamma and dbeta, as rows."""
        wanted = [
            variable if variable is not None and variable.trainable else None
            for variable in (self.operation.gamma, self.operation.beta)
        ]
        gradients = [self.gradient_of(variable) for variable in wanted]
        return [None if gradient is None else gradient.reshape(-1) for gradient in gradients]


class _ChannelNormalization(_Scaled):
    """Statistics over rows and groups of channels: x as (segments, rows, channels).

    The backward pass recomputes y from x, so that its activation takes no memory.
    """

    differentiates_epilogue = True
    x: Tensor
    mean: Tensor
    variance: Tensor

    @abstractmethod
    def statistics_shape(self, x: Tensor) -> tuple[int, int]:
        """(segments, groups)"""

    def activation(self) -> tuple[str, float]:
        activation = self.operation.activation
        return (activation.kind, activation.slope) if activation else ("linear", 0.0)

    def segments(self, tensor: Any) -> Any:
        return tensor.reshape(self.mean.shape[0], -1, tensor.shape[-1])

    def forward(self, x: Tensor) -> Tensor:
        operation, tape = self.operation, self.tape
        self.x, y = x, tape.tensor(x.shape)
        shape = self.statistics_shape(x)
        mean, variance = self.mean, self.variance = tape.tensor(shape), tape.tensor(shape)
        kind, slope = self.activation()
        tape.emit(
            lambda: _normalization.ChannelNormForward(
                self.segments(x).array, flat(operation.gamma), flat(operation.beta),
                self.segments(y).array, mean.array, variance.array, operation.epsilon, kind, slope,
            ),
            x, y, mean, variance,
        )  # fmt: skip
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        operation, x, mean, variance = self.operation, self.x, self.mean, self.variance
        dgamma, dbeta = self.weight_gradients()
        kind, slope = ("linear", 0.0) if self.epilogue_differentiated else self.activation()
        self.tape.emit(
            lambda: _normalization.ChannelNormBackward(
                self.segments(x).array, self.segments(dy).array, flat(operation.gamma),
                flat(operation.beta), mean.array, variance.array,
                self.segments(dy).array if need_dx else None, dgamma, dbeta, operation.epsilon,
                kind, slope,
            ),
            x, dy, mean, variance,
        )  # fmt: skip
        return dy if need_dx else None


class BatchNormalization(_ChannelNormalization):
    """Normalizes by batch statistics in training, unless frozen; otherwise by the moving ones."""

    @property
    def differentiates_epilogue(self) -> bool:
        return self.operation.by_batch

    def statistics_shape(self, x: Tensor) -> tuple[int, int]:
        return 1, x.shape[-1]

    def forward(self, x: Tensor) -> Tensor:
        if self.operation.by_batch:
            y = super().forward(x)
            self.tape.keep(self.mean)
            self.tape.keep(self.variance)
            return y
        operation = self.operation
        self.x, y = x, x if self.may_overwrite else self.tape.tensor(x.shape)
        kind, slope = self.activation()
        self.tape.emit(
            lambda: _normalization.FrozenNormForward(
                x.array, flat(operation.gamma), flat(operation.beta), operation.moving_mean._live,
                operation.moving_variance._live, y.array, operation.epsilon, kind, slope,
            ),
            x, y,
        )  # fmt: skip
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if self.operation.by_batch:
            return super().backward(dy, need_dx)
        if self.trainable:
            self._record_weight_gradients(dy)
        if not need_dx:
            return None
        operation = self.operation
        self.tape.emit(
            lambda: _normalization.FrozenNormBackward(
                dy.array, flat(operation.gamma), operation.moving_mean._live,
                operation.moving_variance._live, dy.array, operation.epsilon,
            ),
            dy,
        )  # fmt: skip
        return dy

    def _record_weight_gradients(self, dy):
        """Record dgamma and dbeta for the moving statistics, which do not depend on x."""
        operation, x = self.operation, self.x
        dgamma, dbeta = self.weight_gradients()
        mean = operation.moving_mean._live.reshape(1, -1)
        variance = operation.moving_variance._live.reshape(1, -1)
        self.tape.emit(
            lambda: _normalization.ChannelNormBackward(
                x.rows.array[None], dy.rows.array[None], flat(operation.gamma),
                flat(operation.beta), mean, variance, None, dgamma, dbeta, operation.epsilon,
                "linear", 0.0,
            ),
            x, dy,
        )  # fmt: skip

    def moving_averages(self) -> list[tuple[Variable, Tensor, float]]:
        if not self.operation.by_batch:
            return []
        operation = self.operation
        return [
            (operation.moving_mean, self.mean, operation.momentum),
            (operation.moving_variance, self.variance, operation.momentum),
        ]

    def updates(self) -> list[Any]:
        return [
            averaging(new.array, average._live, momentum)
            for average, new, momentum in self.moving_averages()
        ]


def averaging(new: np.ndarray, average: np.ndarray, momentum: float) -> _optim.Update:
    """average = momentum * average + (1 - momentum) * new"""
    numbers = np.array([momentum, 0.0])  # 0: leave `new` unchanged
    return _optim.Update("average", new.reshape(-1), None, (average,), numbers)


def fold(
    operation: operations.BatchNormalization,
    kernel: np.ndarray,
    folded: np.ndarray,
    bias: np.ndarray | None,
    folded_bias: np.ndarray,
) -> _normalization.FoldNorm:
    """Return the op that folds normalization by the moving statistics into the weights."""
    return _normalization.FoldNorm(
        kernel, bias, flat(operation.gamma), flat(operation.beta), operation.moving_mean._live,
        operation.moving_variance._live, folded, folded_bias, operation.epsilon,
    )  # fmt: skip


def scale_and_bias(
    operation: operations.BatchNormalization, bias: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 factors and summands of the channels: normalization by the moving statistics
    of sums to which `bias` is added."""
    scale = 1 / np.sqrt(operation.moving_variance._live.astype(np.float64) + operation.epsilon)
    if operation.gamma is not None:
        scale *= operation.gamma._live
    shift = np.zeros(scale.shape) if bias is None else bias.astype(np.float64)
    shift = (shift - operation.moving_mean._live) * scale
    if operation.beta is not None:
        shift += operation.beta._live
    return scale, shift


class GroupNormalization(_ChannelNormalization):
    """One segment per sample."""

    def statistics_shape(self, x: Tensor) -> tuple[int, int]:
        return x.shape[0], self.operation.groups


class LayerNormalization(_Scaled):
    """Layer and unit normalization over the last axes of a sample."""

    x: Tensor
    statistics: Tensor

    def rows(self, tensor: Any) -> Any:
        return tensor.reshape(-1, math.prod(tensor.shape[-self.operation.axes :]))

    def forward(self, x: Tensor) -> Tensor:
        operation = self.operation
        self.x, y = x, x if self.may_overwrite else self.tape.tensor(x.shape)
        statistics = self.statistics = self.tape.tensor((self.rows(x).shape[0], 2))
        self.tape.emit(
            lambda: _normalization.RowNormForward(
                self.rows(x).array, flat(operation.gamma), flat(operation.beta), self.rows(y).array,
                statistics.array, operation.epsilon, operation.unit,
            ),
            x, y, statistics,
        )  # fmt: skip
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        operation, x, statistics = self.operation, self.x, self.statistics
        dgamma, dbeta = self.weight_gradients()
        self.tape.emit(
            lambda: _normalization.RowNormBackward(
                self.rows(x).array, self.rows(dy).array, flat(operation.gamma), statistics.array,
                self.rows(dy).array if need_dx else None, dgamma, dbeta, operation.epsilon,
                operation.unit,
            ),
            x, dy, statistics,
        )  # fmt: skip
        return dy if need_dx else None


class ResponseNormalization(Lowering):
    x: Tensor

    def settings(self) -> Any:
        operation = self.operation
        return operation.depth_radius, operation.bias, operation.alpha, operation.beta

    def forward(self, x: Tensor) -> Tensor:
        self.x, y = x, x if self.may_overwrite else self.tape.tensor(x.shape)
        self.tape.emit(
            lambda: _normalization.ResponseNormForward(
                x.rows.array, y.rows.array, *self.settings()
            ),
            x,
            y,
        )
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if not need_dx:
            return None
        x = self.x
        self.tape.emit(
            lambda: _normalization.ResponseNormBackward(
                x.rows.array, dy.rows.array, dy.rows.array, *self.settings()
            ),
            x,
            dy,
        )
        return dy


class PReLU(Lowering):
    x: Tensor

    @property
    def trainable(self) -> bool:
        return self.operation.alpha.trainable

    def slopes(self, tensor: Any) -> Any:
        """(rows, slopes, elements per slope)"""
        return tensor.reshape(-1, self.operation.alpha.size, self.operation.inner)

    def forward(self, x: Tensor) -> Tensor:
        self.x, y = x, x if self.may_overwrite else self.tape.tensor(x.shape)
        self.tape.emit(
            lambda: _normalization.PReLUForward(
                self.slopes(x).array, flat(self.operation.alpha), self.slopes(y).array
            ),
            x,
            y,
        )
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        x = self.x
        dalpha = self.gradient_of(self.operation.alpha).reshape(-1) if self.trainable else None
        self.tape.emit(
            lambda: _normalization.PReLUBackward(
                self.slopes(x).array, self.slopes(dy).array, flat(self.operation.alpha),
                self.slopes(dy).array if need_dx else None, dalpha,
            ),
            x, dy,
        )  # fmt: skip
        return dy if need_dx else None
