"""Models whose class defines `call`: their graph is one call of the model itself.

class Net(Model):
    def call(self, x, training=None):
        return self.head(self.base(x, training=training))

network of the model      input -> Net -> outputs      made when shapes are known
inner network             what `call` does             traced: `fastconv.layers.tracing`
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastconv.common.tree import flatten, is_several, pack
from fastconv.layers.network import Network
from fastconv.layers.symbolic import placeholders


class Ends(NamedTuple):
    """The graph of a model, and the structures of its inputs and outputs."""

    network: Network
    inputs: Any
    outputs: Any


def traced(model: Any, input_shape: Any) -> Ends:
    """Return the graph of `model` for inputs of `input_shape`: (None, ...), or a list or dict of
    shapes."""
    shapes = flatten(input_shape) if _is_structure(input_shape) else [input_shape]
    tensors = placeholders([(None, *shape[1:]) for shape in shapes])
    for number, tensor in enumerate(tensors):
        tensor.name = f"input_{number}" if number else "input"
    argument = pack(input_shape, tensors) if _is_structure(input_shape) else tensors[0]
    outputs = model.apply_call(argument)
    network = Network(tensors, flatten(outputs))
    network.forget()
    return Ends(network, argument, outputs)


def _is_structure(shape: Any) -> bool:
    return isinstance(shape, dict) or any(is_several(each) for each in shape)
