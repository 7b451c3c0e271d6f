"""Fewer arrangements: what one layer does and the next one undoes is left out.

Layers that work on channels-first images turn them round, compute, and turn the result back; layers
over sequences treat them as images of one row. In a network of them the way back and the next way
there follow each other, or have only operations between them that do not mind the order: those on
every element by itself, and those that merge values which have been turned alike. Such operations
are moved before the way back:

    conv -> turn -> relu -> turn back -> conv      conv -> relu -> conv
    add(turn(a), turn(b))                          turn(add(a, b))

So a whole channels-first network turns its images once where they come in, and once more where
somebody sees the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from fastconv.plan import nodes
from fastconv.plan.graph import Application, Graph


def simplify(graph: Graph) -> Graph:
    """An equal graph in which no transposition or reshape takes what another one gives.

    Nodes that nobody needs any more are still there.

    >>> there, back = nodes.Transpose((0, 2, 3, 1)), nodes.Transpose((0, 3, 1, 2))
    >>> graph = Graph()
    >>> x = graph.input((3, 8, 8))
    >>> graph.outputs = [graph.apply([there, nodes.Softmax(), back, there], x)]
    >>> [type(application.node).__name__ for application in simplify(graph).applications]
    ['Transpose', 'Softmax', 'Transpose']
    """
    same: dict[int, int] = {}  # values that are others, too
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
    """The one node that does what `maker` and then `node` do, if both are arrangements."""
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
    """The axes of the transpositions that made all of the values, if they are the same."""
    axes = {
        maker.node.axes if maker and isinstance(maker.node, nodes.Transpose) else None
        for maker in makers
    }
    return axes.pop() if len(axes) == 1 else None


def _before(node: nodes.Node, axes: tuple[int, ...]) -> nodes.Node | None:
    """What does the same before a transposition as `node` after it; None if there is no such."""
    if isinstance(node, nodes.Concatenate):
        return replace(node, axis=axes[node.axis])
    if isinstance(node, (nodes.Activation, nodes.GaussianNoise, nodes.Merge)):
        return node
    if isinstance(node, nodes.Dropout) and node.noise_shape is None:
        return node
    return None
