"""A model as the graph that predicts, with the value that each of its layers computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.common.arrays import real_array
from fastconv.layers.base import Layer
from fastconv.models import Model
from fastconv.plan import Graph, Plan
from fastconv.shapes import sample_sizes
from fastconv.training.io_spec import fit_samples


class TracedModel:
    """The graph of a built model.

    `values` names the value in the graph that each layer computes, at its last call if there are
    several. Layers inside a nested model are not among them, nor are the inputs.

    `samples`, one array per input, give the sizes that the model leaves open.

    Raises ValueError for a model that is not built, or unknown sizes without samples.
    """

    model: Model
    graph: Graph

    def __init__(self, model: Model, samples: Sequence[np.ndarray] | None = None):
        network, graph = model.network, Graph()
        shapes = [tensor.shape for tensor in network.inputs]
        if samples is not None:
            shapes = [(None, *array.shape[1:]) for array in samples]
        at = model.network_for(shapes)
        inputs = [graph.input(sample_sizes(tensor.shape)) for tensor in at.inputs]
        tensors = at.trace(graph, inputs, training=False)
        graph.outputs = [tensors[tensor] for tensor in at.outputs]
        tensors |= {own: tensors[copy] for own, copy in at.copies.items()}
        calls = {layer.name: network.calls_of(layer)[-1] for layer in model.layers}
        self.model, self.graph = model, graph
        self.values: dict[str, int] = {
            n: tensors[call.outputs[0]] for n, call in calls.items() if call.inputs
        }

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


def checked_samples(model: Model, x: Any, count: int | None = None) -> list[np.ndarray]:
    """The arrays in `x` (N, ...), one per input of `model`; `count` is N if it is given.

    Raises TypeError if they do not hold numbers, ValueError if they do not fit or N is 0.
    """
    if len(model.inputs) > 1:
        found = model.io_spec.samples(x)
    else:
        found = [fit_samples(real_array(x, "`x`"), model.inputs[0].shape)]
    samples = len(found[0])
    if count is not None and samples != count:
        raise ValueError(f"`x` must hold {count} samples, received {samples}")
    if samples == 0:
        raise ValueError("`x` must hold at least one sample, received none")
    return found
