"""The graph between some tensors: which calls of which layers lead from inputs to outputs.

Layers stand in Keras's order, on which the layout of its files depends: those far from the outputs
first, and among equally far ones in the order in which a search from the outputs finds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fastconv.layers.base import Layer
from fastconv.layers.input import Input, InputLayer
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.plan import Graph
from fastconv.plan.nodes import of_call
from fastconv.structure import is_several


class Network:
    """The calls between `inputs`, which come from `Input`, and `outputs`.

    `calls` are in an order in which they can be computed, `layers` in Keras's.

    Raises ValueError if an output does not depend on the inputs alone, an input is given twice, or
    two layers have one name.
    """

    def __init__(self, inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]):
        self.inputs, self.outputs = list(inputs), list(outputs)
        if len(set(self.inputs)) != len(self.inputs):
            raise ValueError(f"`inputs` must be different tensors, received {self.inputs}")
        self.calls, found = _calls_between(self.inputs, self.outputs)
        self.layers = _ordered(self.calls, found, [tensor.call for tensor in self.inputs])
        names = Counter(layer.name for layer in self.layers)
        twice = [name for name, times in names.items() if times > 1]
        if twice:
            raise ValueError(f"layer names must be unique within a model, received {twice} twice")

    def calls_of(self, layer: Layer) -> list[Call]:
        """The calls of `layer` that belong to this network, in the order in which they were made.

        Files count calls like this, whatever other models the layer is part of.
        """
        mine = set(self.calls)
        return [call for call in layer.calls if call in mine]

    def trace(
        self, graph: Graph, values: Sequence[int], turn: tuple[int, ...] = ()
    ) -> dict[SymbolicTensor, int]:
        """Apply all layers to `values`, one per input; return which value is which tensor.

        Models among the layers are taken apart: for the plan there is one flat graph. `turn` is
        that of the call of this network, if it is within another.
        """
        of = dict(zip(self.inputs, values, strict=True))
        turns = {call: (*turn, place) for place, call in enumerate(_in_turn(self.calls))}
        for call in self.calls:
            if not call.inputs:
                continue
            arguments = [of[tensor] for tensor in call.inputs]
            network = getattr(call.layer, "network", None)
            if network is not None:
                inner = network.trace(graph, arguments, turns[call])
                results = [inner[tensor] for tensor in network.outputs]
            else:
                number = graph.number_of_call(call.layer)
                chain = [
                    of_call(node, number, turns[call])
                    for node in call.layer.all_nodes(call.input_shape)
                ]
                results = [graph.apply(chain, *arguments)]
            of.update(zip(call.outputs, results, strict=True))
        return of


def from_inputs(
    inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> tuple[list[SymbolicTensor], list[SymbolicTensor]]:
    """(inputs, outputs), where all inputs come from `Input`.

    A tensor from between two layers may be an input as well: then it is replaced by an `Input` of
    its shape, and the layers behind it are called once more.
    """
    if all(isinstance(tensor.call.layer, InputLayer) for tensor in inputs):
        return list(inputs), list(outputs)
    new = {
        tensor: tensor
        if isinstance(tensor.call.layer, InputLayer)
        else Input(tensor.shape[1:], name=f"{tensor.name}CLONE")
        for tensor in inputs
    }
    calls, _ = _calls_between(inputs, outputs)
    for call in calls:
        if call.inputs and not all(tensor in new for tensor in call.outputs):
            arguments = [new[tensor] for tensor in call.inputs]
            call.layer(arguments if is_several(call.argument) else arguments[0])
            again = call.layer.calls[-1]
            for old, tensor in zip(call.outputs, again.outputs, strict=True):
                new.setdefault(old, tensor)
    return [new[tensor] for tensor in inputs], [new[tensor] for tensor in outputs]


def _calls_between(
    inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> tuple[list[Call], dict[Layer, int]]:
    """The calls that outputs depend on, each after those whose results it takes, and the order in
    which their layers were found."""
    given, done = set(inputs), set()
    calls: list[Call] = []
    found: dict[Layer, int] = {}
    # A search to the depth, but not by recursion: networks may be deeper than Python's stack. What
    # is on the stack is a call and what it still needs; a call is done when nothing is left.
    for output in outputs:
        stack: list[tuple[Call, Iterator[SymbolicTensor]]] = []

        def enter(tensor: SymbolicTensor, stack=stack) -> None:
            call = tensor.call
            if call in done or (call.inputs and tensor in given):  # what made it lies outside
                return
            if not call.inputs and tensor not in given:
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


def _depths(calls: list[Call]) -> tuple[dict[Call, int], dict[Layer, int]]:
    """How far from the outputs calls and layers are; a layer that is called several times is as
    far away as the farthest of its calls."""
    belongs = set(calls)
    of_calls: dict[Call, int] = {}
    of_layers: dict[Layer, int] = {}
    for call in reversed(calls):
        depth = max(of_calls.setdefault(call, 0), of_layers.get(call.layer, 0))
        of_calls[call] = of_layers[call.layer] = depth
        for before in (tensor.call for tensor in call.inputs if tensor.call in belongs):
            of_calls[before] = max(of_calls.get(before, 0), depth + 1)
    return of_calls, of_layers


def _in_turn(calls: list[Call]) -> list[Call]:
    """The calls in the order in which Keras runs them: those far from the outputs first."""
    depths, _ = _depths(calls)
    return sorted(depths, key=lambda call: -depths[call])


def _ordered(calls: list[Call], found: dict[Layer, int], inputs: list[Call]) -> list[Layer]:
    """The layers of `calls` in Keras's order; inputs that lead nowhere are among the last."""
    _, layer_depth = _depths(calls)
    for call in inputs:
        if call.layer not in layer_depth and not call.inputs:
            layer_depth[call.layer], found[call.layer] = 0, -1
            calls.append(call)
    return sorted(layer_depth, key=lambda layer: (-layer_depth[layer], found[layer]))
