"""Removes arrangements that cancel each other.

Layers on channels-first images transpose them, compute, and transpose the result back; layers on
sequences treat them as images of one row. In a network of such layers, a transposition and its
inverse are adjacent, or separated only by operations that commute with them: elementwise ones, and
merges of values that have the same transposition. Such operations are moved before the inverse
transposition:

    conv -> transpose -> relu -> inverse -> conv      conv -> relu -> conv
    add(transpose(a), transpose(b))                   transpose(add(a, b))

So a channels-first network transposes its input once and each of its outputs once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from fastconv.plan import operations
from fastconv.plan.graph import Graph, Node
from fastconv.plan.operations import Operation
from fastconv.resampling import AxisMap


def simplify(graph: Graph) -> Graph:
    """Return an equal graph without a transposition or reshape that cancels another one.

    Nodes without consumers remain.

    >>> there, back = operations.Transpose((0, 2, 3, 1)), operations.Transpose((0, 3, 1, 2))
    >>> graph = Graph()
    >>> x = graph.input((3, 8, 8))
    >>> graph.outputs = [graph.apply([there, operations.Softmax(), back, there], x)]
    >>> [type(node.operation).__name__ for node in simplify(graph).nodes]
    ['Transpose', 'Softmax', 'Transpose']
    """
    same: dict[int, int] = {}  # values that equal others
    made: dict[int, Node] = {}
    fresh = count(1 + max([*graph.inputs, *(node.output for node in graph.nodes)], default=0))

    def make(operation: Operation, inputs: tuple[int, ...], output: int) -> None:
        made[output] = Node(operation, inputs, output)

    for node in graph.nodes:
        operation, output = node.operation, node.output
        inputs = tuple(same.get(value, value) for value in node.inputs)
        makers = [made.get(value) for value in inputs]
        joined = makers[0] and _joined(makers[0].operation, operation) if makers else None
        if joined is not None and makers[0] is not None:
            operation, inputs = joined, makers[0].inputs
            if _does_nothing(operation):
                same[output] = inputs[0]
                continue
        elif (axes := _common_transposition(makers)) and (moved := _before(operation, axes)):
            value = next(fresh)
            make(moved, tuple(maker.inputs[0] for maker in makers if maker is not None), value)
            operation, inputs = operations.Transpose(axes), (value,)
        make(operation, inputs, output)
    outputs = [same.get(value, value) for value in graph.outputs]
    return replace(graph, nodes=list(made.values()), outputs=outputs)


def _joined(before: Operation, operation: Operation) -> Operation | None:
    """Return one operation equal to `before` followed by `operation`, if both are arrangements."""
    if isinstance(before, operations.Transpose) and isinstance(operation, operations.Transpose):
        return operations.Transpose(tuple(before.axes[axis] for axis in operation.axes))
    if isinstance(before, operations.Reshape) and isinstance(operation, operations.Reshape):
        return operations.Reshape(operation.shape, before.source)
    if isinstance(before, operations.AxisMaps) and isinstance(operation, operations.AxisMaps):
        pairs = list(zip(before.maps, operation.maps, strict=True))
        if all(first is second is None or _are_inverse(first, second) for first, second in pairs):
            return operations.AxisMaps((None,) * len(pairs))
    return None


def _are_inverse(first: AxisMap | None, second: AxisMap | None) -> bool:
    """Whether two maps that reorder an axis make the axis as it was."""
    if first is None or second is None or first.weight is not None or second.weight is not None:
        return False
    size = first.input_size
    one_each = all(np.array_equal(m.begin, np.arange(size + 1)) for m in (first, second))
    return one_each and np.array_equal(first.index[second.index], np.arange(size))


def _does_nothing(operation: Operation) -> bool:
    if isinstance(operation, operations.AxisMaps):
        return not any(operation.maps)
    if isinstance(operation, operations.Transpose):
        return operation.axes == tuple(range(len(operation.axes)))
    return isinstance(operation, operations.Reshape) and operation.source == operation.shape


def _common_transposition(makers: Sequence[Node | None]) -> tuple[int, ...] | None:
    """Return the axes of the transpositions that made all of the values, if they are equal."""
    axes = {
        maker.operation.axes
        if maker and isinstance(maker.operation, operations.Transpose)
        else None
        for maker in makers
    }
    return axes.pop() if len(axes) == 1 else None


def _before(operation: Operation, axes: tuple[int, ...]) -> Operation | None:
    """Return the operation that before a transposition equals `operation` after it; or None."""
    if isinstance(operation, operations.Concatenate):
        return replace(operation, axis=axes[operation.axis])
    if isinstance(operation, (operations.Activation, operations.GaussianNoise, operations.Merge)):
        return operation
    if isinstance(operation, operations.Dropout) and operation.noise_shape is None:
        return operation
    return None
