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

from fastconv.plan import nodes
from fastconv.plan.graph import Application, Graph


def simplify(graph: Graph) -> Graph:
    """Return an equal graph without a transposition or reshape that cancels another one.

    Nodes without consumers remain.

    >>> there, back = nodes.Transpose((0, 2, 3, 1)), nodes.Transpose((0, 3, 1, 2))
    >>> graph = Graph()
    >>> x = graph.input((3, 8, 8))
    >>> graph.outputs = [graph.apply([there, nodes.Softmax(), back, there], x)]
    >>> [type(application.node).__name__ for application in simplify(graph).applications]
    ['Transpose', 'Softmax', 'Transpose']
    """
    same: dict[int, int] = {}  # values that equal others
    made: dict[int, Application] = {}
    fresh = count(1 + max([*graph.inputs, *(a.output for a in graph.applications)], default=0))

    def make(node: nodes.Node, inputs: tuple[int, ...], output: int) -> None:
        made[output] = Application(node, inputs, output)

    for application in graph.applications:
        node, output = application.node, application.output
        inputs = tuple(same.get(value, value) for value in application.inputs)
        makers = [made.get(value) for value in inputs]
        joined = _joined(makers[0], node)
        if joined is not None:
            node, inputs = joined, makers[0].inputs
            if _does_nothing(node):
                same[output] = inputs[0]
                continue
        elif (axes := _common_transposition(makers)) and (moved := _before(node, axes)):
            value = next(fresh)
            make(moved, tuple(maker.inputs[0] for maker in makers), value)
            node, inputs = nodes.Transpose(axes), (value,)
        make(node, inputs, output)
    outputs = [same.get(value, value) for value in graph.outputs]
    return replace(graph, applications=list(made.values()), outputs=outputs)


def _joined(maker: Application | None, node: nodes.Node) -> nodes.Node | None:
    """Return one node equal to `maker` followed by `node`, if both are arrangements."""
    before = None if maker is None else maker.node
    if isinstance(before, nodes.Transpose) and isinstance(node, nodes.Transpose):
        return nodes.Transpose(tuple(before.axes[axis] for axis in node.axes))
    if isinstance(before, nodes.Reshape) and isinstance(node, nodes.Reshape):
        return nodes.Reshape(node.shape, before.source)
    return None


def _does_nothing(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Transpose):
        return node.axes == tuple(range(len(node.axes)))
    return node.source == node.shape


def _common_transposition(makers: Sequence[Application | None]) -> tuple[int, ...] | None:
    """Return the axes of the transpositions that made all of the values, if they are equal."""
    axes = {
        maker.node.axes if maker and isinstance(maker.node, nodes.Transpose) else None
        for maker in makers
    }
    return axes.pop() if len(axes) == 1 else None


def _before(node: nodes.Node, axes: tuple[int, ...]) -> nodes.Node | None:
    """Return the node that, before a transposition, equals `node` after it; None without one."""
    if isinstance(node, nodes.Concatenate):
        return replace(node, axis=axes[node.axis])
    if isinstance(node, (nodes.Activation, nodes.GaussianNoise, nodes.Merge)):
        return node
    if isinstance(node, nodes.Dropout) and node.noise_shape is None:
        return node
    return None
