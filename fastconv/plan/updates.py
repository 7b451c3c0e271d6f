"""The ops at the end of a training step: an optimizer bound to the buffers of a model.

    clip the gradients | w -= lr * decay * w | the rule | average of the weights | constraints

They read the optimizer's hyper-parameters at each run. Each plan of a model has its own ops,
but all share one state, so a change of the learning rate applies to all.

The rule updates all weights in one pass after the gradients are complete. The gradient of a large
dense layer, however, is as large as the layer and is never needed as a whole. There the rule
*joins* the computation of the gradient, which then takes no memory and avoids one store and load.
Both run at the end of the program, so that an interrupted run leaves all weights unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from fastconv import runtime
from fastconv._ext._chain import Chain
from fastconv._ext._merge import Merge, Repeat
from fastconv._ext._optim import Rule, Update
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan import operations
from fastconv.plan.graph import Graph
from fastconv.plan.program import make_program
from fastconv.plan.projections import weight_projections
from fastconv.plan.rules import Accumulation, UpdateRule, WeightDecay

# Minimum size of a joined gradient: a smaller one is still in cache when the update reads it.
_JOINED_BYTES = 4 * 2**20


class Updater(Protocol):
    """An optimizer, which describes its update of the weights to the plan."""

    @property
    def needs_stored_gradients(self) -> bool:
        """Whether gradients are changed or read between the backward pass and the update."""
        ...

    def for_plan(self, parameters: AnyParameters) -> UpdateRule:
        """Return the update of the weights in `parameters`."""
        ...


class _Clipping:
    """Clips the gradients."""

    name = "the clipping of gradients"

    def __init__(self, clip: Callable[[], None]):
        self.run_python = clip


class _NumPyUpdate:
    """Updates one weight in NumPy."""

    def __init__(self, step: Callable[..., None], variable: Variable, parameters: AnyParameters):
        self._step, self._variable = step, variable
        self.name = f"the update of {variable.path}"
        self._w = parameters.view(parameters.values, variable)
        self._gradient = parameters.view(parameters.gradient, variable)

    def run_python(self) -> None:
        self._step(self._variable, self._w, self._gradient)


class _AccumulatedUpdate:
    """Accumulates gradients, and runs the update with their mean every few batches."""

    name = "the accumulation of gradients"

    def __init__(self, accumulation: Accumulation, parameters: AnyParameters, update: list[Any]):
        self._is_due, total = accumulation.is_due, accumulation.total
        parts = [(total[p], parameters.gradient[p]) for p in parameters.trainable_slices()]
        self._add = make_program([Merge("add", [sums, part], sums) for sums, part in parts])
        # The gradient becomes (total + gradient) / steps: slots 0 to 2 are total, gradient and
        # steps, 3 is the result, 4 the sum.
        mean = [("add", 4, (0, 1), "", ()), ("divide", 3, (4, 2), "", ())]
        steps = float(accumulation.steps)
        self._update = make_program(
            [
                *(Chain(mean, (sums, part, steps), (part,), 1) for sums, part in parts),
                *update,
                Repeat(np.zeros(1, np.float32), total),
            ]
        )

    def run_python(self) -> None:
        program = self._update if self._is_due() else self._add
        program.run(runtime.get_num_threads())


def joinable_weights(graph: Graph, optimizer: Updater) -> set[Variable]:
    """Return the weights whose update by `optimizer` may join the computation of their gradient:
    large dense kernels, used once, whose gradient is not changed or read in between."""
    if optimizer.needs_stored_gradients:
        return set()
    uses = Counter(v for node in graph.nodes for v in operations.variables_of(node.operation))
    kernels = [n.operation.kernel for n in graph.nodes if isinstance(n.operation, operations.Dense)]
    return {
        kernel
        for kernel in kernels
        if uses[kernel] == 1
        and kernel.trainable
        and kernel.regularizer is None
        and 4 * kernel.size >= _JOINED_BYTES
    }


def gradient_bytes(graph: Graph, optimizer: Updater, parameters: AnyParameters) -> int:
    """Return the memory of the gradients of a training step by `optimizer`, in bytes: the flat
    buffer without its unused parts."""
    joinable = joinable_weights(graph, optimizer)
    return parameters.values.nbytes - sum(4 * variable.size for variable in joinable)


class UpdateStep:
    """The update of the weights in `parameters` by `gradients`, one array per weight, which the
    caller fills before each `run`."""

    def __init__(self, parameters: AnyParameters, ops: Sequence[Any]):
        self.gradients: list[np.ndarray | Any] = [
            parameters.view(parameters.gradient, variable) for variable in parameters.variables
        ]
        self._program = make_program(ops)

    def run(self) -> None:
        self._program.run(runtime.get_num_threads())


class Updates:
    """The updates of the weights in `parameters` at the end of a training step."""

    def __init__(self, optimizer: Updater, parameters: AnyParameters):
        self._optimizer, self._parameters = optimizer, parameters

    def joinable(self, graph: Graph) -> set[Variable]:
        """`joinable_weights` for this optimizer."""
        return joinable_weights(graph, self._optimizer)

    def ops(
        self, joined: Mapping[Variable, Callable[[Rule], Any]] = MappingProxyType({})
    ) -> list[Any]:
        """Return all ops in order, one per trainable part of the buffer.

        For some weights, `joined` makes an op that computes the gradient and passes it to the rule.
        """
        parameters, values = self._parameters, self._parameters.values
        update = self._optimizer.for_plan(parameters)
        ops: list[Any] = [_Clipping(update.clip)] if update.clip else []
        if update.decay:
            ops += self._decay_ops(update.decay)
        ops += self._rule_ops(update, joined)
        if update.accumulation:
            ops = [_AccumulatedUpdate(update.accumulation, parameters, ops)]
        if update.average:
            average, numbers = update.average.average, update.average.numbers
            averaged = {v for v in update.average.variables or parameters.variables if v.trainable}
            for part in parameters.slices_of(averaged):
                ops.append(Update("average", values[part], None, [average[part]], numbers))
        return ops + weight_projections(parameters)

    def step(self) -> UpdateStep:
        """Return an object that updates the weights by given gradients."""
        return UpdateStep(self._parameters, self.ops())

    def _decay_ops(self, decay: WeightDecay) -> list[Any]:
        """w -= rate * w is plain gradient descent on w itself."""
        parameters, values = self._parameters, self._parameters.values
        if decay.variables is None:
            parts = [values[part] for part in parameters.trainable_slices()]
        else:
            chosen = [variable for variable in decay.variables if variable.trainable]
            parts = [parameters.view(values, variable) for variable in chosen]
        return [Update("sgd", part, part, [], decay.rate) for part in parts]

    def _rule_ops(
        self, update: UpdateRule, joined: Mapping[Variable, Callable[[Rule], Any]]
    ) -> list[Any]:
        parameters, values = self._parameters, self._parameters.values
        if update.step is not None:
            trained = [variable for variable in parameters.variables if variable.trainable]
            return [_NumPyUpdate(update.step, variable, parameters) for variable in trained]
        ops = []
        for variable, make in joined.items():
            w = parameters.view(values, variable)
            slots = [
                None if slot is None else parameters.view(slot, variable) for slot in update.slots
            ]
            ops.append(make(Rule(update.rule, w, slots, update.hyper)))
        for part in parameters.trainable_slices(without=joined.keys()):
            slots = [None if slot is None else slot[part] for slot in update.slots]
            gradient = parameters.gradient[part]
            ops.append(Update(update.rule, values[part], gradient, slots, update.hyper))
        return ops
