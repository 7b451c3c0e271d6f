"""The ops at the end of a training step: an optimizer bound to the buffers of a model.

    clip the gradients | w -= lr * decay * w | the rule | average of the weights | constraints

They read the optimizer's hyper-parameters at each run. Each plan of a model has its own ops,
but all share one state, so a change of the learning rate applies to all.

The rule updates all weights in one pass after the gradients are complete. The gradient of a large
dense layer, however, is as large as the layer and is never needed as a whole. There the rule
*joins* the computation of the gradient, which then takes no memory and avoids one store and load.
Both run at the end of the program in any case: the weights change in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv import runtime
from fastconv._ext._optim import Rule, Update
from fastconv.parameters import Parameters, Variable
from fastconv.plan import operations
from fastconv.plan.graph import Graph
from fastconv.plan.penalties import constraint_ops
from fastconv.plan.program import make_program

if TYPE_CHECKING:
    from fastconv.optimizers import Optimizer


# Minimum size of a joined gradient: a smaller one is still in cache when the update reads it.
_JOINED_BYTES = 4 * 2**20


class _Clipping:
    """Clips the gradients to the optimizer's limits."""

    def __init__(self, optimizer: Optimizer, parameters: Parameters):
        self._optimizer, self._parameters = optimizer, parameters

    def run_python(self) -> None:
        self._optimizer.clip(self._parameters)


class _Accumulation:
    """Accumulates gradients, and runs the update with their mean every few batches."""

    def __init__(self, optimizer: Optimizer, parameters: Parameters, update: list[Any]):
        self._optimizer, self._parameters = optimizer, parameters
        self._sum = optimizer.state_for(parameters).buffers["gradient_accumulator"]
        self._update = make_program(update)

    def run_python(self) -> None:
        gradient = self._parameters.gradient
        if not self._optimizer.next_batch_updates:
            np.add(self._sum, gradient, out=self._sum)
            return
        np.add(self._sum, gradient, out=gradient)
        gradient /= np.float32(self._optimizer.gradient_accumulation_steps)
        self._update.run(runtime.get_num_threads())
        self._sum[:] = 0


def joinable_weights(graph: Graph, optimizer: Optimizer) -> set[Variable]:
    """Return the weights whose update by `optimizer` may join the computation of their gradient:
    large kernels of products, used once, whose gradient is not changed or read in between."""
    if optimizer.clips or optimizer.weight_decay or optimizer.gradient_accumulation_steps:
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


def gradient_bytes(graph: Graph, optimizer: Optimizer, parameters: Parameters) -> int:
    """Return the memory of the gradients of a training step by `optimizer`, in bytes: the flat
    buffer without its unused parts."""
    joinable = joinable_weights(graph, optimizer)
    return parameters.values.nbytes - sum(4 * variable.size for variable in joinable)


class Updates:
    """The updates of the weights in `parameters` at the end of a training step."""

    def __init__(self, optimizer: Optimizer, parameters: Parameters):
        self._optimizer, self._parameters = optimizer, parameters

    def joinable(self, graph: Graph) -> set[Variable]:
        """`joinable_weights` for this optimizer."""
        return joinable_weights(graph, self._optimizer)

    def ops(
        self, joined: Mapping[Variable, Callable[[Rule], Any]] = MappingProxyType({})
    ) -> list[Any]:
        """Return all ops in order, one per trainable part of the buffer.

        For some weights, `joined` makes an op that computes the gradient and passes it to
        the rule.
        """
        optimizer, parameters = self._optimizer, self._parameters
        state, values = optimizer.state_for(parameters), parameters.values
        update: list[Any] = [_Clipping(optimizer, parameters)] if optimizer.clips else []
        if optimizer.weight_decay:
            # w -= lr * decay * w is plain gradient descent on w itself.
            parts = [values[run] for run in parameters.trainable_runs()]
            if not optimizer.decays_all:
                chosen = [v for v in parameters.variables if v.trainable and optimizer.decays(v)]
                parts = [parameters.view(values, variable) for variable in chosen]
            update += [Update("sgd", part, part, [], state.decay) for part in parts]
        for variable, make in joined.items():
            w, *slots = (
                None if buffer is None else parameters.view(buffer, variable)
                for buffer in (values, *state.rule_buffers())
            )
            update.append(make(Rule(optimizer.rule, w, slots, state.hyper)))
        for run in parameters.trainable_runs(without=joined.keys()):
            slots = [None if slot is None else slot[run] for slot in state.rule_buffers()]
            gradient = parameters.gradient[run]
            update.append(Update(optimizer.rule, values[run], gradient, slots, state.hyper))
        if optimizer.gradient_accumulation_steps:
            update = [_Accumulation(optimizer, parameters, update)]
        if optimizer.use_ema:
            average = state.buffers["average"]
            for run in parameters.trainable_runs():
                update.append(Update("average", values[run], None, [average[run]], state.averaging))
        return update + constraint_ops(parameters)
