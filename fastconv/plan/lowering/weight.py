"""A weight as a value of the graph."""

from __future__ import annotations

from typing import Any

from fastconv.ops.compiled import Scale
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor


class Weight(Lowering):
    """Copies the values at each run; the gradient of the copy is that of the weight."""

    merges = True
    overwrites_dy = False

    @property
    def trainable(self) -> bool:
        return self.operation.variable.trainable

    def forward(self) -> Tensor:
        variable = self.operation.variable
        y = self.tape.tensor(variable.shape or (1,))
        self.tape.emit(lambda: Scale(variable._live.reshape(y.shape), y.array), y)
        return y.reshape(*variable.shape)

    def backward(self, dy: Tensor, needs: Any) -> Any:
        into = self.gradient_of(self.operation.variable)
        self.tape.emit(lambda: Scale(dy.array.reshape(-1), into.reshape(-1)), dy)
        return []
