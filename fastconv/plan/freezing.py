"""Graphs whose weights, or some of them, get no gradients."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import fields, replace
from typing import Any

from fastconv.parameters import Variable
from fastconv.plan.graph import Graph
from fastconv.plan.operations import Custom, Operation, variables_of


class _Frozen:
    """A weight without a gradient."""

    trainable = False

    def __init__(self, variable: Variable):
        self._variable = variable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._variable, name)


def frozen(graph: Graph, kept: Set[Variable] = frozenset()) -> Graph:
    """Return the graph with the weights frozen of all operations that have none of `kept`.

    Nothing else changes: a batch normalization that takes the statistics of the batch still does.
    """
    nodes = [
        node
        if not kept.isdisjoint(variables_of(node.operation))
        else replace(node, operation=_frozen_operation(node.operation))
        for node in graph.nodes
    ]
    return replace(graph, nodes=nodes)


def _frozen_operation(operation: Operation) -> Operation:
    if isinstance(operation, Custom):
        return replace(operation, frozen=True)
    values = {field.name: getattr(operation, field.name) for field in fields(operation)}
    weights = {name: value for name, value in values.items() if isinstance(value, Variable)}
    return replace(operation, **{name: _Frozen(variable) for name, variable in weights.items()})
