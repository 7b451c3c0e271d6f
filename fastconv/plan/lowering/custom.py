"""Layers in NumPy: Python steps between two parts of the program.

Their return values are checked on every call, so that an error names the layer and not a later
kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.common.arrays import read_only
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.program import PythonOp
from fastconv.plan.tape import Tensor


class Custom(Lowering):
    overwrites_dy = False

    saved: Any = None  # passed from forward to backward
    x: Tensor
    y: Tensor

    @property
    def _name(self):
        return f"layer {self.operation.layer.name!r}"

    @property
    def trainable(self) -> bool:
        operation = self.operation
        return not operation.frozen and any(weight.trainable for weight in operation.layer.weights)

    def forward(self, x: Tensor) -> Tensor:
        self.x, self.y = x, self.tape.tensor((x.shape[0], *self.operation.shape))
        self.tape.emit(lambda: PythonOp(self._run_forward, self._name), x, self.y)
        return self.y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        dx = self.tape.tensor(self.x.shape) if need_dx else None
        weights = self.operation.layer.weights
        trained = [weight if self.trainable and weight.trainable else None for weight in weights]
        into = [self.gradient_of(weight) for weight in trained]
        # `saved` may hold views of x and y, so both are live until here.
        self.tape.emit(
            lambda: PythonOp(lambda: self._run_backward(dy, dx, into), self._name),
            dy,
            dx,
            self.x,
            self.y,
        )
        return dx

    def _run_forward(self):
        y, saved = self._pair(
            "forward", self.operation.layer.forward(read_only(self.x.array), self.training)
        )
        self._copy(y, self.y.array, "forward() must return (y, saved) with y")
        self.saved = saved if self.training else None

    def _run_backward(self, dy, dx, into):
        returned = self.operation.layer.backward(read_only(dy.array), self.saved)
        self.saved = None
        gradient, weight_gradients = self._pair("backward", returned)
        if dx is not None:
            self._copy(gradient, dx.array, "backward() must return (dx, weight_gradients) with dx")
        weight_gradients = list(weight_gradients)
        if len(weight_gradients) != len(into):
            raise ValueError(
                f"layer {self.operation.layer.name!r}: backward() must return {len(into)} "
                f"gradients of weights, received {len(weight_gradients)}"
            )
        for index, (value, target) in enumerate(zip(weight_gradients, into, strict=True)):
            if target is not None:
                self._copy(value, target, f"backward() must return weight_gradients[{index}]")

    def _pair(self, method: str, returned: Any) -> tuple[Any, Any]:
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise TypeError(
                f"layer {self.operation.layer.name!r}: {method}() must return a pair, "
                f"received {type(returned).__name__}"
            )
        return returned

    def _copy(self, value: Any, target: np.ndarray, rule: str) -> None:
        array = np.asarray(value)
        if array.shape != target.shape or array.dtype.kind not in "fiu":
            raise ValueError(
                f"layer {self.operation.layer.name!r}: {rule} of numbers of shape {target.shape}, "
                f"received {array.dtype} of shape {array.shape}"
            )
        np.copyto(target, array, casting="unsafe")
