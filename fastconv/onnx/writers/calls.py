"""Calls of functions of `fastconv.ops` that computed in NumPy: the registry of their writers.

A writer has the name of its function and makes the name of the result from a `Call`:

    @writes_function("tril", "triu")
    def _triangle(call: Call) -> str: ...
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from fastconv.onnx.writing import Value, Writer, writes
from fastconv.ops._function import Spec, common_dtype, infer
from fastconv.parameters import Variable
from fastconv.plan.functions import FunctionCall, Slot, live

# name of a function -> function (call) -> name of the result
FUNCTIONS: dict[str, Callable[[Call], str]] = {}


class Call:
    """One call of a function while it is written: `self[name]` is an argument.

    Attributes:
        result: shape and dtype of the result.
        common: the dtype of the operands, to which the function promotes them; None if it does not.
    """

    writer: Writer
    operation: FunctionCall
    values: tuple[Value, ...]
    result: Any
    common: np.dtype | None

    def __init__(self, writer: Writer, operation: FunctionCall, values: tuple[Value, ...]):
        self.writer, self.operation, self.values = writer, operation, values

        def spec(operand: Any) -> Any:
            if isinstance(operand, Slot):
                x = values[operand.number]
                return Spec(x.shape, x.dtype)
            return live(operand)

        function = operation.function
        arguments = function.mapped(spec, operation.arguments)
        specs = infer(function, arguments)
        self.result = specs if operation.index is None else specs[operation.index]
        self.common = common_dtype(function.leaves(arguments, function.promoted), function.real)

    def __getitem__(self, name: str) -> Any:
        return self.operation.arguments[name]

    @property
    def function(self) -> str:
        """The name of the function."""
        return self.operation.function.name

    def refuse(self, reason: str) -> ValueError:
        """Return the error for a call that ONNX cannot express."""
        return ValueError(f"`ops.{self.function}` cannot be written: {reason}")

    def shape(self, name: str) -> tuple[int | None, ...]:
        """Return the shape of an operand."""
        operand = self[name]
        if isinstance(operand, Slot):
            return self.values[operand.number].shape
        return np.shape(live(operand))

    def dtype(self, operand: Any) -> np.dtype:
        """Return the dtype of an operand; of floats, float32."""
        if isinstance(operand, Slot):
            return self.values[operand.number].dtype
        dtype = np.asarray(live(operand)).dtype
        return np.dtype(np.float32) if dtype.kind == "f" else dtype

    def name(self, operand: Any, dtype: Any = None) -> str:
        """Return the name of an operand in the order of memory, as `dtype` or its own."""
        wanted = self.dtype(operand) if dtype is None else np.dtype(dtype)
        if isinstance(operand, Slot):
            name = self.writer.plain(self.values[operand.number])
            return name if wanted == self.dtype(operand) else self.cast(name, wanted)
        array = np.asarray(live(operand)).astype(wanted)
        if isinstance(operand, Variable):
            return self.writer.weight(operand, array)
        return self.writer.constant(array)

    def constant(self, argument: str) -> np.ndarray:
        """Return an operand that must be an array or a weight; ValueError for any other."""
        operand = self[argument]
        if isinstance(operand, Slot):
            raise self.refuse(f"`{argument}` must be a constant")
        return np.asarray(live(operand))

    @property
    def x(self) -> str:
        """The name of the first operand, promoted."""
        return self.name(self[self.operation.function.operands[0]], self.common)

    def flat(self) -> str:
        """Return the name of all elements of the first operand in one axis."""
        return self.node("Reshape", self.x, self.writer.integers([-1]))

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        return self.writer.node(op, *inputs, **attributes)

    def cast(self, name: str, dtype: Any) -> str:
        return self.node("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def as_result(self, name: str, dtype: Any) -> str:
        """Cast a value of `dtype` to the dtype of the result."""
        return name if self.result.dtype == dtype else self.cast(name, self.result.dtype)

    def reshaped(self, name: str) -> str:
        """Give a value the shape of the result, of which one size may be open."""
        sizes = [-1 if n is None else n for n in self.result.shape]
        if sizes.count(-1) > 1:
            raise self.refuse(f"it has open sizes {self.result.shape}")
        return self.node("Reshape", name, self.writer.integers(sizes))

    def ordered(self, name: str, axis: int, count: str, largest: bool = True) -> tuple[str, str]:
        """Write the `count` first elements of a value in order; return (elements, indices)."""
        names = self.writer.fresh("values"), self.writer.fresh("indices")
        self.writer.nodes.append(
            helper.make_node(
                "TopK", [name, count], names, f"node_{names[0]}", axis=axis, largest=int(largest)
            )
        )
        return names

    def axes(self, name: str = "x", argument: str = "axis") -> list[int]:
        """Return the axes of an argument, all for None."""
        axis, rank = self[argument], len(self.shape(name))
        axes = range(rank) if axis is None else axis if isinstance(axis, (tuple, list)) else [axis]
        return [one % rank for one in axes]

    def along(self, name: str = "x") -> tuple[str, int, int | None]:
        """Return (x, axis, its size) of a function along one axis; of None, along all elements."""
        if self["axis"] is None:
            sizes = self.shape(name)
            known = [n for n in sizes if n is not None]
            return self.flat(), 0, math.prod(known) if len(known) == len(sizes) else None
        (axis,) = self.axes(name)
        return self.x, axis, self.shape(name)[axis]


def writes_function(*names: str) -> Callable[[Callable[[Call], str]], Callable[[Call], str]]:
    """Return a decorator that registers the function which writes these functions."""

    def register(function: Callable[[Call], str]) -> Callable[[Call], str]:
        for name in names:
            FUNCTIONS[name] = function
        return function

    return register


@writes(FunctionCall)
def function_call(writer: Writer, operation: FunctionCall, *values: Value) -> Value:
    call = Call(writer, operation, values)
    if call.function not in FUNCTIONS:
        raise call.refuse("ONNX has no operator for it")
    return Value(FUNCTIONS[call.function](call), call.result.shape, call.result.dtype)
