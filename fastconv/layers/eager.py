"""Calls of layers on arrays: each shape gets a small network, and plans for its batch sizes.

    MaxPooling2D()(images)      calls the layer once on symbolic tensors, then runs its plan

So a layer computes the same bits alone and inside a model, and a second call with the same shape
runs at once. The plans are in a cache, as those of models are; a layer keeps the networks of its
last shapes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.common import randomness
from fastconv.common.arrays import real_array
from fastconv.common.tree import flatten, is_several, pack
from fastconv.layers.arguments import Arguments, divide, fill
from fastconv.layers.network import Network
from fastconv.layers.symbolic import SymbolicTensor, placeholders
from fastconv.parameters import parameters_of
from fastconv.plan import Arena, Plan, PlanCache
from fastconv.plan.operations import variables_of
from fastconv.shapes import sample_sizes

_MOST_NETWORKS = 8  # shapes that a layer remembers


class ArrayCalls:
    """The calls of one layer on arrays."""

    def __init__(self, layer: Any):
        self._layer = layer
        self._networks: OrderedDict[str, _ArrayNetwork] = OrderedDict()
        self._lock = threading.RLock()
        self._draws = 0  # numbers the random draws

    def __call__(self, arguments: Arguments) -> Any:
        """Return the results of the layer for the arrays in `arguments`."""
        first, name = arguments.first, self._layer.name
        if is_several(first) and self._layer.merges:
            first = pack(first, [np.asarray(value) for value in flatten(first)])
        elif not (is_several(first) and divide(first, _is_array)[1]):
            first = np.asarray(first)
        form, values = divide(Arguments(first, arguments.keywords), _is_array)
        arrays = [_batch(value, name) for value in values]
        shapes = [array.shape[1:] for array in arrays]
        key = repr((form, shapes))
        with self._lock:
            network = self._networks.get(key)
            if network is None:
                network = _ArrayNetwork(self._layer, Arguments(*form), shapes)
            self._networks[key] = network
            self._networks.move_to_end(key)
            if len(self._networks) > _MOST_NETWORKS:
                self._networks.popitem(last=False)
            draw = randomness.element_draw()
            if draw is None:
                draw = self._draws
                self._draws += 1
        results, self._layer.penalties_of_call = network.run(arrays, draw)
        return results


class _ArrayNetwork:
    """The network of a call on arrays of certain shapes."""

    def __init__(self, layer: Any, arguments: Arguments, shapes: list[Any]):
        tensors = placeholders([(None, *shape) for shape in shapes])
        filled = arguments.filled(tensors)
        self._form, outputs = divide(layer(filled.first, **filled.keywords), _is_tensor)
        self._network = Network(tensors, outputs)
        self._network.forget()
        nodes = self._network.graph().nodes
        weights = [variable for node in nodes for variable in variables_of(node.operation)]
        self._weights = list(dict.fromkeys(weights))
        self._plans = PlanCache()
        self._parameters: Any = None

    def run(self, arrays: Sequence[np.ndarray], draw: int) -> tuple[Any, list[float]]:
        """Return the results for a batch, with random draws of number `draw`, and its penalties."""
        size = len(arrays[0])
        if any(len(array) != size for array in arrays):
            raise ValueError(
                f"inputs must have one length, received {[len(array) for array in arrays]}"
            )
        if size == 0:
            shapes = [(0, *sample_sizes(tensor.shape)) for tensor in self._network.outputs]
            return fill(self._form, [np.empty(shape, np.float32) for shape in shapes]), []
        if self._parameters is None or self._parameters.abandoned:
            self._plans.clear()  # they point to the old buffer
            self._parameters = parameters_of(self._weights)
        trained = tuple(variable.owner_trains for variable in self._weights)
        with self._plans.lend((size, trained), lambda arena: self._plan(size, arena)) as plan:
            for into, array in zip(plan.inputs, arrays, strict=True):
                into[...] = array
            plan.run(draw)
            return fill(self._form, [output.copy() for output in plan.outputs]), plan.penalties

    def _plan(self, size: int, arena: Arena) -> Plan:
        graph = self._network.graph()  # anew, since arguments of the layer may have changed
        return Plan(graph, size, self._parameters, mode="augment", arena=arena)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, SymbolicTensor)


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and not isinstance(value, np.generic)


def _batch(value: Any, layer: str) -> np.ndarray:
    """Return an input of a layer as an array of numbers with a batch axis."""
    array = np.asarray(value)
    array = array.view(np.uint8) if array.dtype == bool else real_array(array, f"{layer!r}: input")
    if not array.ndim:
        raise ValueError(f"layer {layer!r} must be called on arrays with a batch axis, received ()")
    return array
