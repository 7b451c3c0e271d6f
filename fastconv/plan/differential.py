"""Vector-Jacobian products of a network for given output gradients, without loss and update."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastconv import runtime
from fastconv.parameters import AnyParameters
from fastconv.plan import lowering
from fastconv.plan.autodiff import Autodiff
from fastconv.plan.freezing import frozen
from fastconv.plan.fusion import fuse
from fastconv.plan.graph import Graph
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
        fill: called in every run after the forward pass, to fill `output_gradients`, which may
            depend on `outputs`.
    """

    def __init__(
        self,
        graph: Graph,
        batch_size: int,
        parameters: AnyParameters,
        *,
        mode: str = "train",
        wanted: Sequence[int] | None = None,
        fill: Callable[[], None] | None = None,
    ):
        tape = Tape()
        network = fuse(graph, mode)
        if mode == "infer":
            network = frozen(network)
        wanted = network.inputs if wanted is None else wanted
        autodiff = Autodiff(network, tape, parameters, batch_size, True, network.outputs)
        autodiff.forward()
        tensors = autodiff.tensors
        outputs = [tape.keep(tensors[value]) for value in network.outputs]
        dys = [tape.input(tensor.shape) for tensor in outputs]
        if fill is not None:
            tape.emit(lambda: _Fill(fill), *outputs, *dys)
        ends = list(zip(network.outputs, dys, strict=True))
        dxs = dict(zip(wanted, autodiff.backward(ends, wanted), strict=True))
        for tensor in (*(tensors[value] for value in network.inputs), *filter(None, dxs.values())):
            tape.keep(tensor)
        self._program = make_program(tape.bind()[0])
        self.inputs: list[np.ndarray] = [tensors[value].array for value in network.inputs]
        self.outputs: list[np.ndarray] = [tensor.array for tensor in outputs]
        self.output_gradients: list[np.ndarray] = [tensor.array for tensor in dys]
        dxs = [dxs.get(value) for value in network.inputs]
        self.input_gradients: list[np.ndarray | None] = [tensor and tensor.array for tensor in dxs]
        self._random = [step for step in autodiff.lowerings if isinstance(step, lowering.Random)]

    def run(self, draw: int = 0) -> None:
        """Compute outputs and gradients. `draw` numbers the draws: equal numbers, equal draws."""
        for step in self._random:
            step.set_draw(draw)
        self._program.run(runtime.get_num_threads())


class _Fill:
    """A Python op (`plan.program`)."""

    def __init__(self, fill: Callable[[], None]):
        self.run_python = fill
