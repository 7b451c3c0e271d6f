"""The nodes and weights of a file that is being written.

A value of a plan's graph has one name per order of axes: that of memory, with the channels last,
and, for images, the one of ONNX, with the channels in front. A writer asks for the order that its
operator takes; a Transpose is written when a value does not have it yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from fastconv.parameters import Variable

# type of an operation -> function (writer, operation, inputs) -> Value
WRITERS: dict[type, Callable[..., Value]] = {}


def writes(operation: type) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Return a decorator that registers the function which writes an operation."""

    def register(function: Callable[..., Value]) -> Callable[..., Value]:
        WRITERS[operation] = function
        return function

    return register


class Value:
    """A value of shape (batch, ...) as in memory; `names` by whether the channels are in front."""

    shape: tuple[int | None, ...]
    dtype: np.dtype

    def __init__(
        self, name: str, shape: Sequence[int | None], dtype: Any = np.float32, first: bool = False
    ):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.names: dict[bool, str] = {first: name}

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_first(self) -> bool:
        """Whether the value exists with the channels in front alone."""
        return False not in self.names


def first_axes(rank: int) -> tuple[int, ...]:
    """Return the axes in memory in the order of ONNX.

    >>> first_axes(4)
    (0, 3, 1, 2)
    """
    return (0, rank - 1, *range(1, rank - 1))


def last_axes(rank: int) -> tuple[int, ...]:
    """Return the axes of ONNX in the order of memory."""
    return (0, *range(2, rank), 1)


class Writer:
    """Collects nodes and initializers; every name occurs once."""

    def __init__(self, opset: int):
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._names: set[str] = set()
        self._constants: dict[Any, str] = {}

    def fresh(self, wanted: str) -> str:
        """Return `wanted`, with a number if it is used already."""
        name, number = wanted, 0
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return its name."""
        name = self.fresh(op.lower())
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"node_{name}", **given))
        return name

    def constant(self, array: Any, wanted: str = "constant") -> str:
        """Return the name of an initializer; equal small ones are one."""
        array = np.asarray(array)
        key = (array.tobytes(), array.shape, array.dtype.str) if array.size <= 16 else None
        if key is not None and key in self._constants:
            return self._constants[key]
        name = self.fresh(wanted)
        self.initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        if key is not None:
            self._constants[key] = name
        return name

    def number(self, value: float) -> str:
        """Return the name of a float32 scalar."""
        return self.constant(np.float32(value), "number")

    def integers(self, values: Sequence[int]) -> str:
        """Return the name of a vector of int64."""
        return self.constant(np.array(values, np.int64), "integers")

    def weight(self, variable: Variable, array: np.ndarray) -> str:
        """Return the name of the values of a weight, arranged as ONNX has them."""
        return self.constant(np.array(array, np.float32), variable.path)

    def plain(self, value: Value) -> str:
        """Return the name of a value in the order of memory."""
        if value.is_first:
            axes = last_axes(value.rank)
            value.names[False] = self.node("Transpose", value.names[True], perm=axes)
        return value.names[False]

    def first(self, value: Value) -> str:
        """Return the name of a value with the channels in front."""
        if value.rank < 3:
            return self.plain(value)
        if True not in value.names:
            axes = first_axes(value.rank)
            value.names[True] = self.node("Transpose", value.names[False], perm=axes)
        return value.names[True]

    def name_in(self, value: Value, first: bool) -> str:
        return self.first(value) if first else self.plain(value)

    def same(self, value: Value, op: str, *others: str, **attributes: Any) -> Value:
        """Add an operator that computes element by element, in an order that the value has."""
        first = value.is_first
        name = self.node(op, value.names[first], *others, **attributes)
        return Value(name, value.shape, value.dtype, first)
