"""A network as a flat list, for pickling and copying.

Calls refer to tensors and tensors to calls: an object graph as deep as the network, in which pickle
and `copy.deepcopy` would recurse. Layers therefore omit their calls from their state, and a model
stores its network as one list of calls with numbered tensors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastconv.common.tree import mapped
from fastconv.layers.base import Layer
from fastconv.layers.input import InputLayer
from fastconv.layers.network import Network
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.shapes import Shape


class FlatCall(NamedTuple):
    """A call; tensors are numbered in the order of their creation by the calls."""

    layer: Layer
    argument: Any  # in its original structure
    keywords: dict[str, Any]
    inputs: list[int]
    shapes: list[Shape]
    names: list[str]
    dtypes: list[str]


class _Number(int):
    """Stands for a tensor in the arguments of a call."""


class FlatGraph(NamedTuple):
    """The calls of a network in topological order, and for every layer the positions of its calls
    in the order of their creation."""

    calls: list[FlatCall]
    calls_of: list[tuple[Layer, list[int]]]
    inputs: list[int]
    outputs: list[int]


def flattened(network: Network) -> FlatGraph:
    """Return `network` without references between calls."""
    numbers: dict[SymbolicTensor, int] = {}
    calls: list[FlatCall] = []

    def numbered(value: Any) -> Any:
        def number(each: Any) -> Any:
            return _Number(numbers[each]) if isinstance(each, SymbolicTensor) else each

        return mapped(number, value)

    for call in network.calls:
        calls.append(
            FlatCall(
                call.layer,
                numbered(call.argument),
                numbered(call.keywords),
                [numbers[tensor] for tensor in call.inputs],
                [tensor.shape for tensor in call.outputs],
                [tensor.name for tensor in call.outputs],
                [tensor.dtype for tensor in call.outputs],
            )
        )
        for tensor in call.outputs:
            numbers[tensor] = len(numbers)
    places = {call: place for place, call in enumerate(network.calls)}
    calls_of = [
        (layer, [places[call] for call in network.calls_of(layer)]) for layer in network.layers
    ]
    inputs, outputs = (
        [numbers[tensor] for tensor in tensors] for tensors in (network.inputs, network.outputs)
    )
    return FlatGraph(calls, calls_of, inputs, outputs)


def rebuilt(graph: FlatGraph) -> Network:
    """Return the network, with new calls of its layers."""
    calls: list[Call] = []
    tensors: list[SymbolicTensor] = []

    def tensor(each: Any) -> Any:
        return tensors[each] if isinstance(each, _Number) else each

    for flat in graph.calls:
        if isinstance(flat.layer, InputLayer):  # its one call belongs to all models
            call = flat.layer.calls[0]
        else:
            inputs = [tensors[number] for number in flat.inputs]
            argument, keywords = (mapped(tensor, v) for v in (flat.argument, flat.keywords))
            call = Call(
                flat.layer, argument, inputs, flat.shapes, keywords=keywords, dtypes=flat.dtypes
            )
        for output, name in zip(call.outputs, flat.names, strict=True):
            output.name = name
        calls.append(call)
        tensors.extend(call.outputs)
    for layer, places in graph.calls_of:
        mine = [calls[place] for place in places]
        layer.calls = [call for call in layer.calls if call not in mine] + mine
    inputs, outputs = (
        [tensors[number] for number in numbers] for numbers in (graph.inputs, graph.outputs)
    )
    return Network(inputs, outputs)
