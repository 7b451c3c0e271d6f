"""Functions on arrays in NumPy: Python steps between two parts of the program."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.common.arrays import read_only
from fastconv.ops._function import Spec, infer
from fastconv.parameters import Variable
from fastconv.plan.functions import Slot, live
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.program import PythonOp
from fastconv.plan.tape import Tensor


class OfFunctions(Lowering):
    """Base class of operations with a list of operands, some of which may be weights."""

    merges = True
    overwrites_dy = False

    @property
    def trainable(self) -> bool:
        return any(variable.trainable for variable in self.operation.variables)


class FunctionCall(OfFunctions):
    """A step in Python: the definition of the function, and its gradient."""

    def forward(self, *xs: Tensor) -> Tensor:
        operation = self.operation
        self.xs = xs
        specs = infer(operation.function, self._arguments(lambda x: Spec(x.shape, x.dtype)))
        spec = specs if operation.index is None else specs[operation.index]
        self.y: Tensor = self.tape.tensor(spec.shape, spec.dtype)
        name = f"ops.{operation.function.name}"
        self.tape.emit(lambda: PythonOp(self._run_forward, name), *xs, self.y)
        return self.y

    def backward(self, dy: Tensor, needs: Any) -> Any:
        function = self.operation.function
        if function.gradient is None:
            return [None] * len(needs)
        dxs = [
            self.tape.tensor(x.shape) if need and x.dtype == np.float32 else None
            for need, x in zip(needs, self.xs, strict=True)
        ]
        weights = dict.fromkeys(v for v in self.operation.variables if v.trainable)
        into = {variable: self.gradient_of(variable) for variable in weights}
        name = f"the gradient of ops.{function.name}"
        self.tape.emit(
            lambda: PythonOp(lambda: self._run_backward(dy, dxs, into), name),
            dy,
            self.y,
            *self.xs,
            *dxs,
        )
        return dxs

    def _arguments(self, of_tensor: Any) -> dict[str, Any]:
        def convert(operand: Any) -> Any:
            if isinstance(operand, Slot):
                return of_tensor(self.xs[operand.number])
            return live(operand)

        return self.operation.function.mapped(convert, self.operation.arguments)

    def _arrays(self) -> dict[str, Any]:
        return self._arguments(lambda x: read_only(x.array))

    def _run_forward(self) -> None:
        result = self.operation.function.on_arrays(self._arrays())
        index = self.operation.index
        np.copyto(self.y.array, result if index is None else result[index])

    def _run_backward(self, dy, dxs, into) -> None:
        operation = self.operation
        arguments = operation.function.promote(self._arrays())
        with np.errstate(all="ignore"):
            y, gradient = read_only(self.y.array), read_only(dy.array)
            if operation.index is not None:
                y = operation.function.call(arguments)
                gradient = [np.zeros_like(part) for part in y]
                gradient[operation.index] = dy.array
            parts = vector_jacobian(operation.function, gradient, y, arguments)
        for target in (*(dx for dx in dxs if dx is not None), *into.values()):
            (target.array if isinstance(target, Tensor) else target)[...] = 0
        for operand, part in zip(operation.leaves(), parts, strict=True):
            target = dxs[operand.number] if isinstance(operand, Slot) else None
            target = into.get(operand) if isinstance(operand, Variable) else target
            if part is not None and target is not None:
                array = target.array if isinstance(target, Tensor) else target
                array += part


def vector_jacobian(
    function: Any, dy: Any, y: Any, arguments: dict[str, Any]
) -> list[np.ndarray | None]:
    """Return the gradient with respect to each operand, those in lists one by one, for promoted
    arguments; None for an operand without one."""
    parts = function.gradient(dy, y, **arguments)
    parts = parts if isinstance(parts, tuple) else (parts,)
    parts += (None,) * (len(function.operands) - len(parts))
    found: list[np.ndarray | None] = []
    for name, part in zip(function.operands, parts, strict=True):
        if name in function.lists:
            found += part
        elif arguments[name] is not None:
            found.append(part)
    return found
