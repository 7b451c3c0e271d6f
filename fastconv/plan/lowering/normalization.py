"""Normalization by statistics of the batch, of groups, of rows or of neighbouring channels; and
PReLU, whose gradient uses the same reductions."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np

from fastconv._ext import _normalization, _optim
from fastconv.parameters import Variable
from fastconv.plan import nodes
from fastconv.plan.lowering.base import Lowering


def flat(variable: Variable | None) -> np.ndarray | None:
    """Return the values of a weight as one row."""
    return None if variable is None else variable._live.reshape(-1)


class _Scaled(Lowering):
    """Base class of normalizations with gamma and beta; both may be absent."""

    @property
    def trainable(self):
        return any(v is not None and v.trainable for v in (self.node.gamma, self.node.beta))

    def weight_gradients(self) -> list[np.ndarray | None]:
        """Return the arrays for dgamma and dbeta, as rows."""
        wanted = [
            variable if variable is not None and variable.trainable else None
            for variable in (self.node.gamma, self.node.beta)
        ]
        gradients = [self.gradient_of(variable) for variable in wanted]
        return [None if gradient is None else gradient.reshape(-1) for gradient in gradients]


class _ChannelNormalization(_Scaled):
    """Statistics over rows and groups of channels: x as (segments, rows, channels).

    The backward pass recomputes y from x, so that its activation takes no memory.
    """

    undoes_ending = True

    @abstractmethod
    def statistics_shape(self, x) -> tuple[int, int]:
        """(segments, groups)"""

    def activation(self) -> tuple[str, float]:
        activation = self.node.activation
        return (activation.kind, activation.slope) if activation else ("linear", 0.0)

    def segments(self, tensor):
        return tensor.reshape(self.mean.shape[0], -1, tensor.shape[-1])

    def forward(self, x):
        node, tape = self.node, self.tape
        self.x, y = x, tape.tensor(x.shape)
        shape = self.statistics_shape(x)
        mean, variance = self.mean, self.variance = tape.tensor(shape), tape.tensor(shape)
        kind, slope = self.activation()
        tape.emit(
            lambda: _normalization.ChannelNormForward(
                self.segments(x).array, flat(node.gamma), flat(node.beta), self.segments(y).array,
                mean.array, variance.array, node.epsilon, kind, slope,
            ),
            x, y, mean, variance,
        )  # fmt: skip
        return y

    def backward(self, dy, need_dx):
        node, x, mean, variance = self.node, self.x, self.mean, self.variance
        dgamma, dbeta = self.weight_gradients()
        kind, slope = ("linear", 0.0) if self.ending_undone else self.activation()
        self.tape.emit(
            lambda: _normalization.ChannelNormBackward(
                self.segments(x).array, self.segments(dy).array, flat(node.gamma), flat(node.beta),
                mean.array, variance.array, self.segments(dy).array if need_dx else None, dgamma,
                dbeta, node.epsilon, kind, slope,
            ),
            x, dy, mean, variance,
        )  # fmt: skip
        return dy if need_dx else None


class BatchNormalization(_ChannelNormalization):
    """Normalizes by batch statistics in training, unless frozen; otherwise by the moving ones."""

    @property
    def by_batch(self) -> bool:
        return self.training and not self.node.frozen

    @property
    def undoes_ending(self):
        return self.by_batch

    @property
    def trainable(self):
        return self.by_batch and super().trainable

    def statistics_shape(self, x):
        return 1, x.shape[-1]

    def forward(self, x):
        if self.by_batch:
            y = super().forward(x)
            self.tape.keep(self.mean)
            self.tape.keep(self.variance)
            return y
        node = self.node
        y = x if self.may_overwrite else self.tape.tensor(x.shape)
        kind, slope = self.activation()
        self.tape.emit(
            lambda: _normalization.FrozenNormForward(
                x.array, flat(node.gamma), flat(node.beta), node.moving_mean._live,
                node.moving_variance._live, y.array, node.epsilon, kind, slope,
            ),
            x, y,
        )  # fmt: skip
        return y

    def backward(self, dy, need_dx):
        if self.by_batch:
            return super().backward(dy, need_dx)
        if not need_dx:
            return None
        node = self.node
        self.tape.emit(
            lambda: _normalization.FrozenNormBackward(
                dy.array, flat(node.gamma), node.moving_mean._live, node.moving_variance._live,
                dy.array, node.epsilon,
            ),
            dy,
        )  # fmt: skip
        return dy

    def updates(self):
        if not self.by_batch:
            return []
        node = self.node
        momentum = np.array([node.momentum, 0.0])  # 0: leave the batch statistics unchanged
        pairs = ((node.moving_mean, self.mean), (node.moving_variance, self.variance))
        return [
            _optim.Update("average", new.array.reshape(-1), None, (average._live,), momentum)
            for average, new in pairs
        ]


def fold(
    node: nodes.BatchNormalization,
    kernel: np.ndarray,
    folded: np.ndarray,
    bias: np.ndarray | None,
    folded_bias: np.ndarray,
) -> _normalization.FoldNorm:
    """Return the operation that folds normalization by the moving statistics into the weights."""
    return _normalization.FoldNorm(
        kernel, bias, flat(node.gamma), flat(node.beta), node.moving_mean._live,
        node.moving_variance._live, folded, folded_bias, node.epsilon,
    )  # fmt: skip


class GroupNormalization(_ChannelNormalization):
    """One segment per sample."""

    def statistics_shape(self, x):
        return x.shape[0], self.node.groups


class RowNormalization(_Scaled):
    """Layer and unit normalization over the last axes of a sample."""

    def rows(self, tensor):
        return tensor.reshape(-1, math.prod(tensor.shape[-self.node.axes :]))

    def forward(self, x):
        node = self.node
        self.x, y = x, x if self.may_overwrite else self.tape.tensor(x.shape)
        statistics = self.statistics = self.tape.tensor((self.rows(x).shape[0], 2))
        self.tape.emit(
            lambda: _normalization.RowNormForward(
                self.rows(x).array, flat(node.gamma), flat(node.beta), self.rows(y).array,
                statistics.array, node.epsilon, node.unit,
            ),
            x, y, statistics,
        )  # fmt: skip
        return y

    def backward(self, dy, need_dx):
        node, x, statistics = self.node, self.x, self.statistics
        dgamma, dbeta = self.weight_gradients()
        self.tape.emit(
            lambda: _normalization.RowNormBackward(
                self.rows(x).array, self.rows(dy).array, flat(node.gamma), statistics.array,
                self.rows(dy).array if need_dx else None, dgamma, dbeta, node.epsilon, node.unit,
            ),
            x, dy, statistics,
        )  # fmt: skip
        return dy if need_dx else None


class ResponseNormalization(Lowering):
    def settings(self):
        node = self.node
        return node.depth_radius, node.bias, node.alpha, node.beta

    def forward(self, x):
        self.x, y = x, x if self.may_overwrite else self.tape.tensor(x.shape)
        self.tape.emit(
            lambda: _normalization.ResponseNormForward(
                x.rows.array, y.rows.array, *self.settings()
            ),
            x,
            y,
        )
        return y

    def backward(self, dy, need_dx):
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
    @property
    def trainable(self):
        return self.node.alpha.trainable

    def slopes(self, tensor):
        """(rows, slopes, elements per slope)"""
        return tensor.reshape(-1, self.node.alpha.size, self.node.inner)

    def forward(self, x):
        self.x, y = x, x if self.may_overwrite else self.tape.tensor(x.shape)
        self.tape.emit(
            lambda: _normalization.PReLUForward(
                self.slopes(x).array, flat(self.node.alpha), self.slopes(y).array
            ),
            x,
            y,
        )
        return y

    def backward(self, dy, need_dx):
        x = self.x
        dalpha = self.gradient_of(self.node.alpha).reshape(-1) if self.trainable else None
        self.tape.emit(
            lambda: _normalization.PReLUBackward(
                self.slopes(x).array, self.slopes(dy).array, flat(self.node.alpha),
                self.slopes(dy).array if need_dx else None, dalpha,
            ),
            x, dy,
        )  # fmt: skip
        return dy if need_dx else None
