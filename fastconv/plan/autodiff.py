"""The forward and the backward pass of a graph, recorded on a tape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

from fastconv._ext import _merge
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan.gradients import ActivationGradient, ValueGradients, WeightGradients
from fastconv.plan.graph import Graph
from fastconv.plan.lowering import LOWERINGS, Lowering, Reshape
from fastconv.plan.tape import Tape, Tensor


class Autodiff:
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
        parameters: AnyParameters,
        batch_size: int,
        training: bool,
        watched: Sequence[int] = (),
        joinable: Set[Variable] = frozenset(),
    ):
        self._graph, self._tape, self._training = graph, tape, training
        self.weights: WeightGradients = WeightGradients(parameters, tape, joinable)
        self._uses = graph.uses() + Counter(watched)
        self.lowerings: list[Lowering] = [
            LOWERINGS[type(node.operation)](node.operation, tape, self.weights, training)
            for node in graph.nodes
        ]
        self._makers = {
            node.output: lowering
            for node, lowering in zip(graph.nodes, self.lowerings, strict=True)
        }
        self.tensors: dict[int, Tensor] = {}
        self._readers: Counter = Counter()  # remaining reads of the memory of each tensor
        for value, shape in zip(graph.inputs, graph.input_shapes, strict=True):
            self._made(value, tape.input((batch_size, *shape)))

    def forward(self) -> None:
        """Record the forward pass of every node."""
        for node, lowering in zip(self._graph.nodes, self.lowerings, strict=True):
            xs = [self.tensors[value] for value in node.inputs]
            # The backward pass may read the inputs, even if the forward pass no longer does.
            alone = bool(xs) and self._readers[xs[0].storage] == 1
            lowering.may_overwrite = alone and not self._training
            self._made(node.output, lowering.forward(*xs))
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
        fused = self._fuse_activation_gradients()
        needed = self._needed(wanted)
        gradients = ValueGradients(self._tape)
        for value, gradient in ends:
            if value in needed:
                gradients.add(value, gradient)
        pairs = zip(self._graph.nodes, self.lowerings, strict=True)
        for node, lowering in reversed(list(pairs)):
            value = node.output
            if value not in needed:
                continue
            lowering.epilogue_differentiated = value in fused
            dy = self._output_gradient(gradients, lowering, value)
            if dy is None:
                continue
            needs = [value in needed for value in node.inputs]
            if lowering.merges:
                dxs = lowering.backward(dy, needs)
            else:
                dxs = [lowering.backward(dy, needs[0])]
            self.weights.end_of_node()
            if lowering.keeps_dy:
                gradients.hold(dy)
            for input_value, dx, need in zip(node.inputs, dxs, needs, strict=True):
                if need and dx is not None:
                    gradients.add(input_value, dx)
        return [gradients.take(value) for value in wanted]

    def _output_gradient(
        self, gradients: ValueGradients, lowering: Lowering, value: int
    ) -> Tensor | None:
        """Return dy for `lowering`, which makes `value`; None if no loss depends on it."""
        derivative = None
        if not (lowering.differentiates_epilogue or lowering.epilogue_differentiated):
            derivative = self._derivative_of(lowering, value)
        dy = gradients.take(value, derivative)
        if dy is None and lowering.starts_gradients:
            dy = self._zeros_like(self.tensors[value])
        return gradients.own(dy) if dy is not None and lowering.overwrites_dy else dy

    def _fuse_activation_gradients(self) -> set[int]:
        """Let the consumer of an activation's output apply its gradient, if it is the only one and
        can; return these outputs. Reshapes in between do not matter."""
        fused: set[int] = set()
        same: dict[int, int] = {}  # values that are another node's output in another shape
        for node, lowering in zip(self._graph.nodes, self.lowerings, strict=True):
            if not node.inputs or self._uses[node.inputs[0]] != 1:
                continue
            x = node.inputs[0]
            value = same.get(x, x)
            maker = self._makers.get(value)
            if isinstance(lowering, Reshape):
                same[node.output] = value
            elif maker and maker.epilogue and lowering.can_fuse_gradient_of(maker):
                lowering.activation_gradient = self._derivative_of(maker, x)
                fused.add(value)
        return fused

    def _derivative_of(self, lowering: Lowering, value: int) -> ActivationGradient | None:
        """Return the gradient of the epilogue of `lowering` at its output `value`, or None."""
        epilogue = lowering.epilogue
        return epilogue and ActivationGradient(epilogue, self.tensors[value])

    def _needed(self, wanted: Sequence[int]) -> set[int]:
        """Return the values that depend on a trainable weight or on a value in `wanted`."""
        needed = set(wanted)
        for node, lowering in zip(self._graph.nodes, self.lowerings, strict=True):
            if lowering.trainable or not needed.isdisjoint(node.inputs):
                needed.add(node.output)
        return needed

    def _zeros_like(self, tensor: Tensor) -> Tensor:
        zeros = self._tape.tensor(tensor.shape)
        self._tape.emit(lambda: _merge.Scale(tensor.array, zeros.array, 0.0), tensor, zeros)
        return zeros
