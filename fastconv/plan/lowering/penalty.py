"""Terms of the loss inside the network: they leave a value unchanged, and add gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.ops.compiled import Repeat
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.penalties import penalty_op
from fastconv.plan.program import PythonOp
from fastconv.plan.tape import Tensor


class ActivityPenalty(Lowering):
    starts_gradients = True

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.penalty: np.ndarray = np.zeros(1)

    def forward(self, x: Tensor) -> Tensor:
        self.x: Tensor = x
        self.tape.emit(lambda: self._op(None), x)
        return x

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if not need_dx:
            return None
        self.tape.emit(lambda: self._op(dy.array), self.x, dy)
        return dy

    def _op(self, gradient):
        scale = self.share / self.x.shape[0]  # mean over the batch: its size does not matter
        return penalty_op(self.operation.penalty, self.x.array, gradient, self.penalty, scale)


class AddedLoss(Lowering):
    """The sums of values that a layer has computed."""

    merges = starts_gradients = True
    overwrites_dy = False

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.penalty = self._total = np.zeros(1)

    def forward(self, x: Tensor, *losses: Tensor) -> Tensor:
        self.losses = losses
        self.tape.emit(lambda: PythonOp(self._add, "add_loss"), *losses)
        return x

    def _add(self):
        total = sum(float(loss.array.sum(dtype=np.float64)) for loss in self.losses)
        self._total[0] = self.share * total

    def backward(self, dy: Tensor, needs: Any) -> Any:
        return [dy, *(self._ones(loss) if need else None for loss, need in self._needs(needs))]

    def _needs(self, needs):
        return zip(self.losses, needs[1:], strict=True)

    def _ones(self, loss):
        ones = self.tape.tensor(loss.shape or (1,))
        one = np.full((1,) * len(ones.shape), self.share, np.float32)
        self.tape.emit(lambda: Repeat(one, ones.array), ones)
        return ones.reshape(*loss.shape)
