"""A network as a flat list, for pickling and copying.

Calls lead to tensors, tensors to calls: an object graph as deep as the network, which pickle and
`copy.deepcopy` would follow by recursion. So layers leave their calls out of their own state, and
a model states its network as one list of calls whose tensors are numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastconv.layers.base import Layer, Shape
from fastconv.layers.input import InputLayer
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.models.network import Network
from fastconv.structure import mapped


class FlatCall(NamedTuple):
    """A call; tensors are numbered in the order in which the calls make them."""

    layer: Layer
    argument: Any  # in the form in which it was given
    inputs: list[int]
    shapes: list[Shape]
    names: list[str]


class FlatGraph(NamedTuple):
    """The calls of a network in an order in which they can be made, and for every layer the places
    of its own in the order in which they were made first."""

    calls: list[FlatCall]
    calls_of: list[tuple[Layer, list[int]]]
    inputs: list[int]
    outputs: list[int]


def flattened(network: Network) -> FlatGraph:
    """`network` without references from call to call."""
    numbers: dict[SymbolicTensor, int] = {}
    calls: list[FlatCall] = []
    for call in network.calls:
        calls.append(
            FlatCall(
                call.layer,
                mapped(numbers.__getitem__, call.argument),
                [numbers[tensor] for tensor in call.inputs],
                [tensor.shape for tensor in call.outputs],
                [tensor.name for tensor in call.outputs],
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
    """The network, with new calls of its layers."""
    calls: list[Call] = []
    tensors: list[SymbolicTensor] = []
    for flat in graph.calls:
        if isinstance(flat.layer, InputLayer):  # whose one call belongs to all models
            call = flat.layer.calls[0]
        else:
            inputs = [tensors[number] for number in flat.inputs]
            argument = mapped(tensors.__getitem__, flat.argument)
            call = Call(flat.layer, argument, inputs, flat.shapes)
        for tensor, name in zip(call.outputs, flat.names, strict=True):
            tensor.name = name
        calls.append(call)
        tensors.extend(call.outputs)
    for layer, places in graph.calls_of:
        mine = [calls[place] for place in places]
        layer.calls = [call for call in layer.calls if call not in mine] + mine
    inputs, outputs = (
        [tensors[number] for number in numbers] for numbers in (graph.inputs, graph.outputs)
    )
    return Network(inputs, outputs)
