"""A model as the graph that predicts, with the value that each of its layers computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arrays import real_array
from fastconv.layers.base import Layer
from fastconv.models import Model
from fastconv.plan import Graph, Plan
from fastconv.shapes import sample_sizes
from fastconv.training.io_spec import fit_samples


class TracedModel:
    """The graph of a built model with one input.

    `values` names the value in the graph that each layer computes, at its last call if there are
    several. Layers inside a nested model are not among them, nor is the input.

    Raises ValueError for a model that is not built or has several inputs.
    """

    def __init__(self, model: Model):
        network, graph = model.network, Graph()
        if len(network.inputs) != 1:
            raise ValueError(f"`model` must have one input, received {len(network.inputs)}")
        tensors = network.trace(graph, [graph.input(sample_sizes(network.inputs[0].shape))])
        graph.outputs = [tensors[tensor] for tensor in network.outputs]
        calls = {layer.name: network.calls_of(layer)[-1] for layer in model.layers}
        self.model, self.graph = model, graph
        self.values = {n: tensors[call.outputs[0]] for n, call in calls.items() if call.inputs}

    def name_of(self, layer: Layer | str) -> str:
        """The name of a layer of the model; ValueError if the model does not have it."""
        name = layer if isinstance(layer, str) else getattr(layer, "name", None)
        if name not in self.values:
            raise ValueError(
                f"{self.model.name!r} has no layer {name!r}; there are {list(self.values)}"
            )
        return name

    def value_of(self, layer: Layer | str) -> int:
        """The value that a layer of the model computes."""
        return self.values[self.name_of(layer)]

    def plan(self, batch_size: int, wanted: list[int]) -> Plan:
        """A plan that computes the values `wanted` of the graph."""
        return Plan(replace(self.graph, outputs=wanted), batch_size, self.model.parameters)


def checked_samples(
    x: ArrayLike, input_shape: tuple[int | None, ...], count: int | None = None
) -> np.ndarray:
    """`x` (N, ...) as an array of samples that fit `input_shape`; `count` is N if it is given.

    Raises TypeError if `x` does not hold numbers, ValueError if it does not fit or N is 0.
    """
    samples = fit_samples(real_array(x, "`x`"), input_shape)
    if count is not None and len(samples) != count:
        raise ValueError(f"`x` must hold {count} samples, received {len(samples)}")
    if len(samples) == 0:
        raise ValueError("`x` must hold at least one sample, received none")
    return samples
