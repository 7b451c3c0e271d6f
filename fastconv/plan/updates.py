"""The operations that end a training step: an optimizer bound to the flat buffers of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv._ext import _optim
from fastconv.parameters import Parameters
from fastconv.plan.penalties import constraint_operations

if TYPE_CHECKING:
    from fastconv.optimizers import Optimizer


def update_operations(optimizer: Optimizer, parameters: Parameters) -> list[Any]:
    """One operation per trainable part of the buffer; before it the weight decay, if there is any,
    and after all of them the constraints.

    They read the optimizer's hyper-parameters at each run, and all plans of a model have their own
    operations on the same state: so a learning rate set by anyone is seen by all.
    """
    operations = []
    rule = getattr(_optim, optimizer.rule)
    state = optimizer.state_for(parameters)
    for index, run in enumerate(parameters.trainable_runs()):
        weights, gradient = parameters.values[run], parameters.gradient[run]
        if optimizer.weight_decay:
            # w -= lr * decay * w is plain gradient descent on w itself.
            operations.append(_optim.SGD(weights, weights, None, state.decay))
        slots = [slot if slot is None else slot[run] for slot in state.slots]
        operations.append(rule(weights, gradient, *slots, state.hyper_of_run(index)))
    return operations + constraint_operations(parameters)
