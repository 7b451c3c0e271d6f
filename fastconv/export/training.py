"""A training step as data: forward, loss, backward and the update of the weights.

The program begins with a record that computes the numbers of the optimizer's next step from its
*settings*, as `fastconv.optimizers` does between two steps, and ends with the sum of losses and
penalties. Its inputs are the samples, then the labels of every output that has a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastconv.common.arrays import aligned_zeros
from fastconv.export.program import Listing, Program, Record, inference, lay_out, records_of
from fastconv.ops import compiled
from fastconv.optimizers.adam import Nadam
from fastconv.optimizers.slots import State
from fastconv.plan import Plan

if TYPE_CHECKING:
    from fastconv.models import Model
    from fastconv.optimizers import Optimizer

# The attributes that the compiled rules read, in the order in which they read them.
_MOMENTS = ("beta_1", "beta_2", "epsilon")
_CONSTANTS = {
    "sgd": ("momentum", "nesterov"),
    "rmsprop": ("rho", "momentum", "epsilon"),
    "adam": _MOMENTS,
    "nadam": _MOMENTS,
    "adamax": _MOMENTS,
    "adagrad": ("epsilon",),
    "adadelta": ("rho", "epsilon"),
    "lion": ("beta_1", "beta_2"),
    "ftrl": (
        "learning_rate_power",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ),
}


class TrainedPrograms(NamedTuple):
    """A network that can be trained: both programs share `weights` and `state`."""

    inference: Program
    training: Program


def make_trained_programs(model: Model, batch_size: int, train_batch_size: int) -> TrainedPrograms:
    """Return inference on `batch_size` samples, and a training step on `train_batch_size`.

    Raises:
        RuntimeError: before `compile`.
        ValueError: for what only Python computes, a learning rate that follows a schedule, or a
            model without a loss.
    """
    training, state = _training(model, train_batch_size)
    return TrainedPrograms(*lay_out([inference(model, batch_size), training], state))


def _training(model: Model, batch_size: int) -> tuple[Listing, list[np.ndarray]]:
    """Return the operations of a step of `fit`, and the arrays that it changes and keeps."""
    optimizer = _optimizer_of(model)
    if optimizer.scheduled:
        raise ValueError(
            "the learning rate must be a number, because C programs have no schedules (they can "
            "set it before each step), received a schedule"
        )
    plan: Plan = model._make_plan(batch_size, "train", False)
    state = optimizer.state_for(model.parameters)
    settings = _settings(optimizer, state, model._draws)
    step = Record(
        "step",
        (settings, state.hyper, state.decay, state.averaging),
        (0, 1, 2, 3),
        (compiled.RULES[optimizer.rule],) if optimizer.rule in compiled.RULES else (),
        (),
    )
    weights = model._compile_config.loss_weights(model.io_spec.output_names)
    total, record = _total_loss(plan, weights)
    records = [step, *records_of(plan), record]
    listing = Listing(batch_size, records, [*plan.inputs, *_labels(plan)], [total], trains=True)
    return listing, [model.parameters.values, *state.buffers.values(), settings]


def _labels(plan: Plan) -> list[np.ndarray]:
    """Return the arrays for the labels, in the shapes of the outputs, without classes for int64."""
    return [
        target.reshape(y.shape if target.ndim > 1 else y.shape[:-1])
        for target, y in zip(plan.targets, plan.outputs, strict=True)
        if isinstance(target, np.ndarray)
    ]


def _optimizer_of(model: Model) -> Optimizer:
    if model.optimizer is None:
        raise RuntimeError("call compile() before the export of a training step")
    if model._owns("train"):
        raise ValueError(
            f"{type(model).__name__} defines train_step(), so there is no training step to export"
        )
    if not model._compile_config.has_loss:
        raise ValueError("the export of a training step needs a loss; give `loss` to compile()")
    return model.optimizer


def _settings(optimizer: Optimizer, state: State, draws: int) -> np.ndarray:
    """Return the numbers FC_SETTING_* of `_ext/network/network.h`."""
    settings = np.zeros(compiled.SETTINGS)
    names = _CONSTANTS.get(optimizer.rule, ())
    constants = [float(getattr(optimizer, name)) for name in names]
    if optimizer.rule == "ftrl":
        constants[0] = -constants[0]
    product = optimizer._product_at(optimizer.steps) if isinstance(optimizer, Nadam) else 1.0
    numbers = [
        optimizer.steps,
        optimizer.learning_rate,
        draws,
        optimizer.weight_decay or 0.0,
        optimizer.ema_momentum,
        optimizer.ema_overwrite_frequency or 0,
        product,
        *constants,
    ]
    settings[: len(numbers)] = numbers
    return settings


def _total_loss(plan: Plan, weights: list[float]) -> tuple[np.ndarray, Record]:
    """Return the array of the loss that training minimizes, and the record that computes it."""
    total = aligned_zeros(8).view(np.float64)[:1]
    pairs = [
        (losses, weight)
        for losses, weight in zip(plan.losses, weights, strict=True)
        if losses is not None
    ]
    arrays: list[Any] = [*plan.penalty_arrays, *(losses for losses, _ in pairs), total]
    integers = len(plan.penalty_arrays), *(len(losses) for losses, _ in pairs)
    record = Record(
        "total_loss",
        tuple(arrays),
        (len(arrays) - 1,),
        integers,
        tuple(weight for _, weight in pairs),
    )
    return total, record
