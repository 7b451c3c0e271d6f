"""Vector-Jacobian products of a network for given output gradients, without loss and update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from fastconv import runtime
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan import lowering
from fastconv.plan.autodiff import Autodiff
from fastconv.plan.fusion import fuse
from fastconv.plan.graph import Graph
from fastconv.plan.operations import Custom, Operation
from fastconv.plan.program import make_program
from fastconv.plan.tape import Tape


class Differential:
    """A graph and its gradients, bound to arrays, for one batch size.

    From `inputs` and `output_gradients`, which the caller fills before each `run`, computes
    `outputs` and `input_gradients` (None for an input that is not in `wanted`, or on which no
    output depends).

    Args:
        graph: the graph to differentiate.
        batch_size: N >= 1.
        parameters: the weights of the graph.
        mode: "train" runs as in training and leaves the gradients of trainable weights in the
            gradient buffer of `parameters`; "infer" runs as in prediction, without dropout and
            without gradients of weights.
        wanted: the inputs whose gradients are computed; by default all.
    """

    def __init__(
        self,
        graph: Graph,
        batch_size: int,
        parameters: AnyParameters,
        *,
        mode: str = "train",
        wanted: Sequence[int] | None = None,
    ):
        tape = Tape()
        network = fuse(graph, mode)
        if mode == "infer":
            network = _frozen(network)
        wanted = network.inputs if wanted is None else wanted
        autodiff = Autodiff(network, tape, parameters, batch_size, True, network.outputs)
        autodiff.forward()
        tensors = autodiff.tensors
        outputs = [tape.keep(tensors[value]) for value in network.outputs]
        dys = [tape.input(tensor.shape) for tensor in outputs]
        ends = list(zip(network.outputs, dys, strict=True))
        dxs = dict(zip(wanted, autodiff.backward(ends, wanted), strict=True))
        for tensor in (*(tensors[value] for value in network.inputs), *filter(None, dxs.values())):
            tape.keep(tensor)
        self._program = make_program(tape.bind()[0])
        self.inputs = [tensors[value].array for value in network.inputs]
        self.outputs = [tensor.array for tensor in outputs]
        self.output_gradients = [tensor.array for tensor in dys]
        dxs = [dxs.get(value) for value in network.inputs]
        self.input_gradients = [tensor and tensor.array for tensor in dxs]
        self._random = [step for step in autodiff.lowerings if isinstance(step, lowering.Random)]

    def run(self, draw: int = 0) -> None:
        """Compute outputs and gradients. `draw` numbers the draws: equal numbers, equal draws."""
        for step in self._random:
            step.set_draw(draw)
        self._program.run(runtime.get_num_threads())


class _Frozen:
    """A weight without a gradient."""

    trainable = False

    def __init__(self, variable: Variable):
        self._variable = variable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._variable, name)


def _frozen(graph: Graph) -> Graph:
    """Return the graph with all its weights frozen."""
    nodes = [replace(node, operation=_frozen_operation(node.operation)) for node in graph.nodes]
    return replace(graph, nodes=nodes)


def _frozen_operation(operation: Operation) -> Operation:
    if isinstance(operation, Custom):
        return replace(operation, frozen=True)
    values = {field.name: getattr(operation, field.name) for field in fields(operation)}
    weights = {name: value for name, value in values.items() if isinstance(value, Variable)}
    return replace(operation, **{name: _Frozen(variable) for name, variable in weights.items()})
