"""The graph between given tensors: the calls of layers that lead from inputs to outputs.

The class of layers (`fastconv.layers.base`) uses this module, so layers have no type here.

Layers are in Keras's order, on which the layout of its files depends: in descending distance from
the outputs, and at equal distance in the order in which a search from the outputs finds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from fastconv.layers.symbolic import Call, SymbolicTensor, placeholders
from fastconv.plan import Graph
from fastconv.shapes import Shape, sample_sizes

_OF_SHAPES = ("_input_shape",)  # attributes of layers that a call changes


class Network:
    """The calls between `inputs`, which no layer of the graph makes, and `outputs`.

    `calls` are in topological order, `layers` in Keras's order. In Keras, `fit` and `predict`
    replace the arguments `training` of the calls of a functional model (`overrides`), but not those
    in the `call` of a class.

    Raises ValueError if an output depends on other inputs, an input is given twice, or two layers
    have the same name.
    """

    inputs: list[SymbolicTensor]
    outputs: list[SymbolicTensor]
    calls: list[Call]

    def __init__(
        self,
        inputs: Sequence[SymbolicTensor],
        outputs: Sequence[SymbolicTensor],
        overrides: bool = True,
    ):
        self.overrides = overrides
        self.copies: dict[SymbolicTensor, SymbolicTensor] = {}  # see `at`
        self.inputs, self.outputs = list(inputs), list(outputs)
        if len(set(self.inputs)) != len(self.inputs):
            raise ValueError(f"`inputs` must be different tensors, received {self.inputs}")
        self.calls, found = calls_between(self.inputs, self.outputs)
        self.layers: list[Any] = _ordered(
            self.calls, found, [tensor.call for tensor in self.inputs]
        )
        names = Counter(layer.name for layer in self.layers)
        twice = [name for name, times in names.items() if times > 1]
        if twice and overrides:
            raise ValueError(f"layer names must be unique within a model, received {twice} twice")

    def calls_of(self, layer: Any) -> list[Call]:
        """Return the calls of `layer` in this network, in the order of their creation.

        Files number calls like this, independently of other models that contain the layer.
        """
        mine = set(self.calls)
        return [call for call in layer.calls if call in mine]

    def graph(self, training: bool | None = None) -> Graph:
        """Return the graph for the plan; see `trace`."""
        graph = Graph()
        values = [graph.input(sample_sizes(tensor.shape)) for tensor in self.inputs]
        traced = self.trace(graph, values, training=training)
        graph.outputs = [traced[tensor] for tensor in self.outputs]
        return graph

    def trace(
        self,
        graph: Graph,
        values: Sequence[int],
        turn: tuple[int, ...] = (),
        training: bool | None = None,
    ) -> dict[SymbolicTensor, int]:
        """Apply all layers to `values`, one per input; return the value of each tensor.

        Inner models are flattened: the plan receives one flat graph. `turn` is that of the call of
        this network if it is inside another one. `training` is the argument of all layers, those of
        inner models, too, that are called without one; None leaves it to the mode of the plan. It
        also replaces the arguments of the calls of this network if `overrides`.
        """
        of = dict(zip(self.inputs, values, strict=True))
        turns = {call: (*turn, place) for place, call in enumerate(_in_turn(self.calls))}
        for call in self.calls:
            if call.outputs[0] in of:  # an input of the network
                continue
            arguments = [of[tensor] for tensor in call.inputs]
            given = call.training
            if given is None or (self.overrides and training is not None):
                given = training
            results = call.layer.apply_to(graph, call, arguments, turns[call], given)
            of.update(zip(call.outputs, results, strict=True))
        return of

    def at(self, shapes: Sequence[Shape]) -> Network:
        """Return the network for inputs of these shapes, whose sizes are known: the layers are
        called again, on tensors of these shapes.

        Its `copies` are its tensors by those of this network. Raises ValueError, which names the
        layer, if a layer cannot take what the layers before it give for these shapes.
        """
        tensors = placeholders(shapes)
        copies = dict(zip(self.inputs, tensors, strict=True))
        for call in self.calls:
            if call.outputs[0] in copies:  # an input of the network
                continue
            layer, state = call.layer, dict(vars(call.layer))
            try:
                call.repeat(copies.__getitem__)
            finally:  # what the layer says of itself is about the shapes that it was built for
                vars(layer).update({name: state[name] for name in _OF_SHAPES if name in state})
            copies.update(zip(call.outputs, layer.calls.pop().outputs, strict=True))
        network = Network(tensors, [copies[each] for each in self.outputs], self.overrides)
        network.copies = copies
        return network

    def forget(self) -> None:
        """Remove the calls from their layers, for a network that no model shows."""
        for call in self.calls:
            if call in call.layer.calls:
                call.layer.calls.remove(call)


def calls_between(
    inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> tuple[list[Call], dict[Any, int]]:
    """Return the calls on which outputs depend, in topological order, and the order in which their
    layers were found."""
    given, done = set(inputs), set()
    calls: list[Call] = []
    found: dict[Any, int] = {}
    # A depth-first search without recursion: networks may be deeper than Python's stack. The stack
    # holds calls and their pending inputs; a call is done when none is pending.
    for output in outputs:
        stack: list[tuple[Call, Iterator[SymbolicTensor]]] = []

        def enter(tensor: SymbolicTensor, stack=stack) -> None:
            call = tensor.call
            if call in done or (call.inputs and tensor in given):  # made outside the network
                return
            if not call.inputs and tensor not in given and not call.layer.makes_tensors:
                raise ValueError(
                    f"the outputs depend on the input {tensor.name!r}, which must be among "
                    f"`inputs`, received {[tensor.name for tensor in inputs]}"
                )
            found.setdefault(call.layer, len(found))
            stack.append((call, iter(call.inputs)))

        enter(output)
        while stack:
            call, needs = stack[-1]
            tensor = next(needs, None)
            if tensor is not None:
                enter(tensor)
            else:
                stack.pop()
                done.add(call)
                calls.append(call)
    return calls, found


def _depths(calls: list[Call]) -> tuple[dict[Call, int], dict[Any, int]]:
    """Return the distances of calls and layers from the outputs; that of a layer is the largest of
    its calls."""
    belongs = set(calls)
    of_calls: dict[Call, int] = {}
    of_layers: dict[Any, int] = {}
    for call in reversed(calls):
        depth = max(of_calls.setdefault(call, 0), of_layers.get(call.layer, 0))
        of_calls[call] = of_layers[call.layer] = depth
        for before in (tensor.call for tensor in call.inputs if tensor.call in belongs):
            of_calls[before] = max(of_calls.get(before, 0), depth + 1)
    return of_calls, of_layers


def _in_turn(calls: list[Call]) -> list[Call]:
    """Return the calls in the order in which Keras runs them: in descending distance."""
    depths, _ = _depths(calls)
    return sorted(depths, key=lambda call: -depths[call])


def _ordered(calls: list[Call], found: dict[Any, int], inputs: list[Call]) -> list[Any]:
    """Return the layers of `calls` in Keras's order; unused inputs are among the last."""
    _, layer_depth = _depths(calls)
    for call in inputs:
        if call.layer not in layer_depth and not call.inputs:
            layer_depth[call.layer], found[call.layer] = 0, -1
            calls.append(call)
    return sorted(layer_depth, key=lambda layer: (-layer_depth[layer], found[layer]))
