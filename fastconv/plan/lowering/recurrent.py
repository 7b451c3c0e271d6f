"""LSTM and GRU: one product of all inputs, then the steps; the gradients of both kernels are
products over all steps again."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._ext import _dense, _recurrent
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor


class Recurrent(Lowering):
    """Training keeps the gates, h before every step, and the cells (LSTM) or the recurrent part of
    n (GRU)."""

    overwrites_dy = False
    x: Tensor
    gates: Tensor
    cells: Tensor | None = None
    before: Tensor | None = None
    part: Tensor | None = None

    @property
    def trainable(self) -> bool:
        return self.operation.kernel.trainable

    @property
    def is_lstm(self) -> bool:
        units, width = self.operation.recurrent_kernel.shape
        return width == 4 * units

    def forward(self, x: Tensor) -> Tensor:
        operation = self.operation
        units, width = operation.recurrent_kernel.shape
        shape = (*x.shape[:2], units)
        self.x, gates, y = x, self.tape.tensor((*shape[:2], width)), self.tape.tensor(shape)
        self.gates = gates
        if self.training:
            self.before, kept = self.tape.tensor(shape), self.tape.tensor(shape)
            self.cells, self.part = (kept, None) if self.is_lstm else (None, kept)
        kernel, recurrent_kernel = operation.kernel._live, operation.recurrent_kernel._live
        bias = None if operation.bias is None else operation.bias._live
        bias, recurrent_bias = self._halves(bias)
        rows, sums = x.rows, gates.rows
        self.tape.emit(lambda: _dense.DenseForward(rows.array, kernel, bias, sums.array), x, gates)
        self.tape.emit(
            lambda: _recurrent.RecurrentForward(
                gates.array, recurrent_kernel, None, None, recurrent_bias, y.array,
                *self._kept(), reverse=operation.reverse,
            ),
            gates, y, self.cells, self.before, self.part,
        )  # fmt: skip
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        operation, gates = self.operation, self.gates
        inner = None if self.is_lstm else self.tape.tensor(gates.shape)
        recurrent_kernel = operation.recurrent_kernel._live
        self.tape.emit(
            lambda: _recurrent.RecurrentBackward(
                gates.array, recurrent_kernel, None, None, dy.array, None, *self._kept(),
                inner=inner and inner.array, reverse=operation.reverse,
            ),
            gates, dy, inner, self.cells, self.before, self.part,
        )  # fmt: skip
        if self.trainable:
            db, drb = self._halves(self.gradient_of(operation.bias))
            self._emit_kernel_gradient(self.before, inner or gates, operation.recurrent_kernel, drb)
            self._emit_kernel_gradient(self.x, gates, operation.kernel, db)
        if not need_dx:
            return None
        dx, d, kernel = self.tape.tensor(self.x.shape), gates.rows, operation.kernel._live
        rows = dx.rows
        self.tape.emit(lambda: _dense.DenseBackwardInput(d.array, kernel, rows.array), gates, dx)
        return dx

    def _emit_kernel_gradient(self, x: Any, dy: Tensor, kernel: Any, db: np.ndarray | None) -> None:
        x, dy, dw = x.rows, dy.rows, self.gradient_of(kernel)
        self.tape.emit(lambda: _dense.DenseBackwardKernel(x.array, dy.array, dw, db), x, dy)

    def _kept(self) -> list[np.ndarray | None]:
        return [kept and kept.array for kept in (self.cells, self.before, self.part)]

    def _halves(self, bias: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return the bias of x w, and that of h r, or their gradients."""
        if bias is None:
            return None, None
        rows = bias.reshape(-1, self.operation.recurrent_kernel.shape[1])
        return rows[0], rows[1] if len(rows) == 2 else None
