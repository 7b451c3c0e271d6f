"""Activity penalty: leaves the value unchanged and adds to its gradient."""

from __future__ import annotations

import numpy as np

from fastconv.plan.lowering.base import Lowering
from fastconv.plan.penalties import penalty_op


class ActivityPenalty(Lowering):
    starts_gradients = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.penalty: np.ndarray = np.zeros(1)

    def forward(self, x):
        self.x = x
        self.tape.emit(lambda: self._op(None), x)
        return x

    def backward(self, dy, need_dx):
        if not need_dx:
            return None
        self.tape.emit(lambda: self._op(dy.array), self.x, dy)
        return dy

    def _op(self, gradient):
        scale = 1.0 / self.x.shape[0]  # mean over the batch, so that the batch size does not matter
        return penalty_op(self.operation.penalty, self.x.array, gradient, self.penalty, scale)
