"""The calls of a model's layers in order, each followed from its inputs to its output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastconv.inspect.fields import own_field
from fastconv.inspect.steps import Value, Work, follow
from fastconv.layers.base import Layer
from fastconv.layers.function import FunctionLayer
from fastconv.layers.network import Network
from fastconv.models import Model
from fastconv.shapes import sample_sizes


@dataclass
class LayerCall:
    """One call of a layer: its inputs, its output, and the work between them."""

    name: str
    layer: Layer
    input_shape: Any
    inputs: list[Value]
    output: Value
    work: Work


def layer_calls(model: Model) -> list[LayerCall]:
    """The calls of the layers of a built model; every input of the model sees itself."""
    inputs = []
    for number, tensor in enumerate(model.network.inputs):
        shape = sample_sizes(tensor.shape)
        inputs.append(Value(shape, {number: own_field(shape)}))
    return list(_calls(model.network, "", inputs))


def _calls(network: Network, prefix: str, inputs: list[Value]) -> Iterator[LayerCall]:
    """The calls of a network in order, those of a nested model under names with a slash.

    Returns the outputs of the network.
    """
    of = dict(zip(network.inputs, inputs, strict=True))
    for call in network.calls:
        if not call.inputs:
            continue
        name, layer = prefix + call.layer.name, call.layer
        arguments = [of[tensor] for tensor in call.inputs]
        inner = layer.inner_network(call, None)
        if inner is not None:
            results = yield from _calls(inner, f"{name}/", arguments)
        elif isinstance(layer, FunctionLayer):
            # Functions describe no operations of layers: an output may depend on the whole input.
            results = [
                follow([], arguments[:1], sample_sizes(each.shape))[0] for each in call.outputs
            ]
            work = Work(arranges=False)
            yield LayerCall(name, layer, call.input_shape, arguments, results[0], work)
        else:
            chain = layer.all_operations(call.input_shape)
            output, work = follow(chain, arguments, sample_sizes(call.outputs[0].shape))
            yield LayerCall(name, layer, call.input_shape, arguments, output, work)
            results = [output]
        of.update(zip(call.outputs, results, strict=True))
    return [of[tensor] for tensor in network.outputs]
