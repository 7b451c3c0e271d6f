"""What a network does to gradients that somebody else has: no loss, no update."""

from __future__ import annotations

from fastconv import runtime
from fastconv.parameters import Parameters
from fastconv.plan import lowering
from fastconv.plan.fusion import fuse
from fastconv.plan.graph import Graph
from fastconv.plan.program import make_program
from fastconv.plan.recording import Recording
from fastconv.plan.tape import Tape


class Differential:
    """A graph and its gradients, bound to arrays, for one batch size, as it is in training.

    For `inputs` and `output_gradients`, which are to be filled before each `run`, it computes
    `outputs` and `input_gradients` (None for an input that no output depends on); the gradients of
    trainable weights are then in the gradient buffer of `parameters`.
    """

    def __init__(self, graph: Graph, batch_size: int, parameters: Parameters):
        tape = Tape()
        network = fuse(graph, "train")
        recording = Recording(network, tape, parameters, batch_size, True, network.outputs)
        recording.forward()
        tensors = recording.tensors
        outputs = [tape.keep(tensors[value]) for value in network.outputs]
        dys = [tape.input(tensor.shape) for tensor in outputs]
        ends = list(zip(network.outputs, dys, strict=True))
        dxs = recording.backward(ends, network.inputs)
        for tensor in (*(tensors[value] for value in network.inputs), *filter(None, dxs)):
            tape.keep(tensor)
        self._program = make_program(tape.bind()[0])
        self.inputs = [tensors[value].array for value in network.inputs]
        self.outputs = [tensor.array for tensor in outputs]
        self.output_gradients = [tensor.array for tensor in dys]
        self.input_gradients = [tensor and tensor.array for tensor in dxs]
        self._random = [step for step in recording.steps if isinstance(step, lowering.Random)]

    def run(self, draw: int = 0) -> None:
        """Compute everything once. `draw` numbers what is random: equal numbers, equal draws."""
        for step in self._random:
            step.set_draw(draw)
        self._program.run(runtime.get_num_threads())
