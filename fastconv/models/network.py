"""The graph between given tensors: the calls of layers that lead from inputs to outputs.

Layers are in Keras's order, on which the layout of its files depends: in descending distance from
the outputs, and at equal distance in the order in which a search from the outputs finds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fastconv.common.tree import is_several
from fastconv.layers.base import Layer
from fastconv.layers.input import Input, InputLayer
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.plan import Graph
from fastconv.plan.operations import of_call


class Network:
    """The calls between `inputs`, which `Input` returned, and `outputs`.

    `calls` are in topological order, `layers` in Keras's order.

    Raises ValueError if an output depends on other inputs, an input is given twice, or two layers
    have the same name.
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
        """Return the calls of `layer` in this network, in the order of their creation.

        Files number calls like this, independently of other models that contain the layer.
        """
        mine = set(self.calls)
        return [call for call in layer.calls if call in mine]

    def trace(
        self, graph: Graph, values: Sequence[int], turn: tuple[int, ...] = ()
    ) -> dict[SymbolicTensor, int]:
        """Apply all layers to `values`, one per input; return the value of each tensor.

        Inner models are flattened: the plan receives one flat graph. `turn` is that of the call of
        this network if it is inside another one.
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
                    of_call(operation, number, turns[call])
                    for operation in call.layer.all_operations(call.input_shape)
                ]
                results = [graph.apply(chain, *arguments)]
            of.update(zip(call.outputs, results, strict=True))
        return of


def from_inputs(
    inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> tuple[list[SymbolicTensor], list[SymbolicTensor]]:
    """Return (inputs, outputs), where all inputs come from `Input`.

    An input may also be a tensor between layers: it is replaced by an `Input` of its shape, and the
    layers after it are called again.
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
    """Return the calls on which outputs depend, in topological order, and the order in which their
    layers were found."""
    given, done = set(inputs), set()
    calls: list[Call] = []
    found: dict[Layer, int] = {}
    # A depth-first search without recursion: networks may be deeper than Python's stack. The stack
    # holds calls and their pending inputs; a call is done when none is pending.
    for output in outputs:
        stack: list[tuple[Call, Iterator[SymbolicTensor]]] = []

        def enter(tensor: SymbolicTensor, stack=stack) -> None:
            call = tensor.call
            if call in done or (call.inputs and tensor in given):  # made outside the network
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
    """Return the distances of calls and layers from the outputs; that of a layer is the largest of
    its calls."""
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
    """Return the calls in the order in which Keras runs them: in descending distance."""
    depths, _ = _depths(calls)
    return sorted(depths, key=lambda call: -depths[call])


def _ordered(calls: list[Call], found: dict[Layer, int], inputs: list[Call]) -> list[Layer]:
    """Return the layers of `calls` in Keras's order; unused inputs are among the last."""
    _, layer_depth = _depths(calls)
    for call in inputs:
        if call.layer not in layer_depth and not call.inputs:
            layer_depth[call.layer], found[call.layer] = 0, -1
            calls.append(call)
    return sorted(layer_depth, key=lambda layer: (-layer_depth[layer], found[layer]))
