"""The operations that end a training step: an optimizer bound to the flat buffers of a model.

    clip the gradients | w -= lr * decay * w | the rule | average of the weights | constraints

They read the optimizer's hyper-parameters at each run, and all plans of a model have their own
operations on the same state: so a learning rate set by anyone is seen by all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv import runtime
from fastconv._ext._optim import Update
from fastconv.parameters import Parameters
from fastconv.plan.penalties import constraint_operations
from fastconv.plan.program import make_program

if TYPE_CHECKING:
    from fastconv.optimizers import Optimizer


class _Clipping:
    """Gradients within the optimizer's limits."""

    def __init__(self, optimizer: Optimizer, parameters: Parameters):
        self._optimizer, self._parameters = optimizer, parameters

    def run_python(self) -> None:
        self._optimizer.clip(self._parameters)


class _Accumulation:
    """Gathers gradients, and runs the update with their mean after every so many batches."""

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


def update_operations(optimizer: Optimizer, parameters: Parameters) -> list[Any]:
    """What a plan runs behind the backward pass, one operation per trainable part of the buffer."""
    state, values = optimizer.state_for(parameters), parameters.values
    runs = parameters.trainable_runs()
    update: list[Any] = [_Clipping(optimizer, parameters)] if optimizer.clips else []
    if optimizer.weight_decay:
        # w -= lr * decay * w is plain gradient descent on w itself.
        parts = [values[run] for run in runs]
        if not optimizer.decays_all:
            chosen = [v for v in parameters.variables if v.trainable and optimizer.decays(v)]
            parts = [parameters.view(values, variable) for variable in chosen]
        update += [Update("sgd", part, part, [], state.decay) for part in parts]
    for run in runs:
        slots = [None if slot is None else slot[run] for slot in state.rule_buffers()]
        update.append(
            Update(optimizer.rule, values[run], parameters.gradient[run], slots, state.hyper)
        )
    if optimizer.gradient_accumulation_steps:
        update = [_Accumulation(optimizer, parameters, update)]
    if optimizer.use_ema:
        average = state.buffers["average"]
        update += [Update("average", values[r], None, [average[r]], state.averaging) for r in runs]
    return update + constraint_operations(parameters)
