"""Chains of element-wise functions, in the compiled core."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.ops.compiled import Chain, Merge, RepeatBackward, Scale
from fastconv.parameters import Variable
from fastconv.plan.functions import Slot, live, shape_of
from fastconv.plan.lowering.function_call import OfFunctions
from fastconv.plan.tape import Tensor


class Elementwise(OfFunctions):
    """One op for the forward pass of a chain, and one for all of its gradients.

    The gradient of a broadcast operand is summed afterwards. Where a gradient is dy itself, as in
    sums, the tensor is shared without an op.
    """

    def forward(self, *xs: Tensor) -> Tensor:
        operation = self.operation
        self.xs = xs
        shapes = [x.shape for x in xs] + [shape_of(o) for o in operation.operands]
        shape = np.broadcast_shapes(*shapes)
        in_place = self.may_overwrite and not operation.is_bool and _is_float(xs[0], shape)
        self.y: Tensor = xs[0] if in_place else self.tape.tensor(shape, _dtype(operation.is_bool))
        self._emit(operation.chain.contracted(), operation.operands, [self.y])
        return self.y

    def backward(self, dy: Tensor, needs: Any) -> Any:
        operation = self.operation
        reached = operation.chain.depends()
        wanted = [
            number
            for number, operand in enumerate(operation.operands)
            if number in reached and self._wants(operand, needs)
        ]
        gradient = operation.chain.gradient(wanted).contracted()
        count = len(operation.operands)
        known = {count: dy}  # the gradients that are tensors already
        outputs = {number: self.tape.tensor(self.y.shape) for number in gradient.assigned().written}
        # The gradient reads dy and y after the operands; which ones, its instructions tell.
        operands = [*operation.operands, _Given(dy), _Given(self.y)]
        if outputs:
            self._emit(gradient, operands, list(outputs.values()))
        known.update(outputs)
        dxs: list[Tensor | None] = [None] * len(needs)
        for number, value in zip(wanted, gradient.outputs, strict=True):
            operand, whole = operation.operands[number], known.get(value)
            if whole is None:  # a constant: the operand does not matter
                continue
            if isinstance(operand, Variable):
                self._add_to_weight(operand, whole)
                continue
            dx = self._summed(whole, self.xs[operand.number].shape)
            before = dxs[operand.number]
            dxs[operand.number] = dx if before is None else self._added(before, dx)
        return dxs

    def _wants(self, operand: Any, needs: list[bool]) -> bool:
        if isinstance(operand, Variable):
            return operand.trainable
        is_slot = isinstance(operand, Slot)
        return is_slot and needs[operand.number] and self.xs[operand.number].dtype == np.float32

    def _emit(self, chain: Any, operands: Any, ys: list[Tensor]) -> None:
        assigned = chain.assigned()
        used = {slot for _, _, slots, _, _ in assigned.instructions for slot in slots}
        tensors = [self._tensor(o) if n in used else None for n, o in enumerate(operands)]

        def make():
            inputs = [
                tensor.array if tensor is not None else _constant(operand) if n in used else 0.0
                for n, (tensor, operand) in enumerate(zip(tensors, operands, strict=True))
            ]
            return Chain(
                assigned.instructions,
                [*inputs, *assigned.constants],
                [y.array for y in ys],
                assigned.registers,
                np.float32,
            )

        self.tape.emit(make, *tensors, *ys)

    def _tensor(self, operand: Any) -> Tensor | None:
        if isinstance(operand, _Given):
            return operand.tensor
        return self.xs[operand.number] if isinstance(operand, Slot) else None

    def _summed(self, dy: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Sum the gradient of the result to the shape of an operand."""
        if dy.shape == shape:
            return dy
        dx = self.tape.tensor(_aligned(shape, len(dy.shape)))
        self.tape.emit(lambda: RepeatBackward(dx.array, dy.array), dx, dy)
        return dx.reshape(*shape)

    def _added(self, a: Tensor, b: Tensor) -> Tensor:
        total = self.tape.tensor(a.shape)
        self.tape.emit(lambda: Merge("add", [a.array, b.array], total.array), a, b, total)
        return total

    def _add_to_weight(self, variable: Variable, dy: Tensor) -> None:
        into = self.gradient_of(variable)
        if dy.shape == variable.shape:
            self.tape.emit(lambda: Scale(dy.array, into), dy)
            return
        aligned = into.reshape(_aligned(variable.shape, len(dy.shape)))
        self.tape.emit(lambda: RepeatBackward(aligned, dy.array), dy)


class _Given:
    """An operand that is a tensor."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor


def _dtype(is_bool: bool) -> Any:
    return np.bool_ if is_bool else np.float32


def _is_float(x: Tensor, shape: tuple[int, ...]) -> bool:
    return x.shape == shape and x.dtype == np.float32


def _aligned(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Return `shape` with axes of size 1 in front."""
    return (1,) * (rank - len(shape)) + tuple(shape)


def _constant(operand: Any) -> Any:
    """Return a weight or constant as the compiled core takes it."""
    operand = live(operand)
    if not isinstance(operand, np.ndarray):
        return float(operand)
    return np.ascontiguousarray(operand, np.float32)
