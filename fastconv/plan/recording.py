"""The forward and the backward pass of a graph, recorded on a tape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

from fastconv._ext import _merge
from fastconv.parameters import Parameters, Variable
from fastconv.plan.gradients import Undo, ValueGradients, WeightGradients
from fastconv.plan.graph import Graph
from fastconv.plan.lowering import LOWERINGS, Reshape
from fastconv.plan.tape import Tape, Tensor


class Recording:
    """One lowering per node, and the tensor of every value.

    Args:
        graph: fused (`fastconv.plan.fusion`).
        tape: the tape to record on.
        parameters: the weights.
        batch_size: the first size of every value.
        training: whether `backward` follows `forward`.
        watched: values with readers outside the graph, such as losses; one entry per read.
        joinable: weights whose update may consume their gradient as it is computed.
    """

    def __init__(
        self,
        graph: Graph,
        tape: Tape,
        parameters: Parameters,
        batch_size: int,
        training: bool,
        watched: Sequence[int] = (),
        joinable: Set[Variable] = frozenset(),
    ):
        self._graph, self._tape, self._training = graph, tape, training
        self.weights = WeightGradients(parameters, tape, joinable)
        self._uses = graph.uses() + Counter(watched)
        self.steps = [
            LOWERINGS[type(application.node)](application.node, tape, self.weights, training)
            for application in graph.applications
        ]
        self._makers = {
            application.output: step
            for application, step in zip(graph.applications, self.steps, strict=True)
        }
        self.tensors: dict[int, Tensor] = {}
        self._readers: Counter = Counter()  # remaining reads of the memory of each tensor
        for value, shape in zip(graph.inputs, graph.input_shapes, strict=True):
            self._made(value, tape.input((batch_size, *shape)))

    def forward(self) -> None:
        """Record the forward pass of every node."""
        for application, step in zip(self._graph.applications, self.steps, strict=True):
            xs = [self.tensors[value] for value in application.inputs]
            # The backward pass may read the inputs, even if the forward pass no longer does.
            step.may_overwrite = not self._training and self._readers[xs[0].storage] == 1
            self._made(application.output, step.forward(*xs))
            for x in xs:
                self._readers[x.storage] -= 1

    def _made(self, value: int, tensor: Tensor) -> None:
        self.tensors[value] = tensor
        self._readers[tensor.storage] += self._uses[value]

    def backward(
        self, ends: Sequence[tuple[int, Tensor]], wanted: Sequence[int] = ()
    ) -> list[Tensor | None]:
        """Record the backward pass from `ends`: (value, its gradient) for every loss.

        Records only gradients that lead to a trainable weight or to a value in `wanted`, inputs of
        the graph, whose gradients are returned (None where no loss depends on one).
        """
        undone = self._undone_by_consumers()
        needed = self._needed(wanted)
        gradients = ValueGradients(self._tape)
        for value, gradient in ends:
            if value in needed:
                gradients.add(value, gradient)
        pairs = zip(self._graph.applications, self.steps, strict=True)
        for application, step in reversed(list(pairs)):
            value = application.output
            if value not in needed:
                continue
            step.ending_undone = value in undone
            if step.ending is None or step.undoes_ending or step.ending_undone:
                dy = gradients.take(value)
            else:
                dy = gradients.take(value, Undo(step.ending, self.tensors[value]))
            if dy is None:
                if not step.starts_gradients:
                    continue
                dy = self._zeros_like(self.tensors[value])
            if step.overwrites_dy:
                dy = gradients.own(dy)
            needs = [value in needed for value in application.inputs]
            dxs = step.backward(dy, needs) if step.merges else [step.backward(dy, needs[0])]
            self.weights.end_of_node()
            if step.keeps_dy:
                gradients.hold(dy)
            for input_value, dx, need in zip(application.inputs, dxs, needs, strict=True):
                if need:
                    gradients.add(input_value, dx)
        return [gradients.take(value) for value in wanted]

    def _undone_by_consumers(self) -> set[int]:
        """Let the consumer of an activation's output apply its gradient, if it is the only one and
        can; return these outputs. Reshapes in between do not matter."""
        undone: set[int] = set()
        same: dict[int, int] = {}  # values that are another node's output in another shape
        for application, step in zip(self._graph.applications, self.steps, strict=True):
            x = application.inputs[0]
            if self._uses[x] != 1:
                continue
            value = same.get(x, x)
            maker = self._makers.get(value)
            if isinstance(step, Reshape):
                same[application.output] = value
            elif maker is not None and maker.ending is not None and step.can_undo(maker):
                step.undo = Undo(maker.ending, self.tensors[x])
                undone.add(value)
        return undone

    def _needed(self, wanted: Sequence[int]) -> set[int]:
        """Return the values that depend on a trainable weight or on a value in `wanted`."""
        needed = set(wanted)
        for application, step in zip(self._graph.applications, self.steps, strict=True):
            if step.trainable or not needed.isdisjoint(application.inputs):
                needed.add(application.output)
        return needed

    def _zeros_like(self, tensor: Tensor) -> Tensor:
        zeros = self._tape.tensor(tensor.shape)
        self._tape.emit(lambda: _merge.Scale(tensor.array, zeros.array, 0.0), tensor, zeros)
        return zeros
