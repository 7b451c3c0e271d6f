"""Steps of models whose class defines `compute_loss` and to which `compile` gave no loss.

    class VAE(Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            mean, log_variance = y_pred
            ...
            self.distance_tracker.update_state(distance)
            return distance + divergence

The arrays of a batch are the inputs of one graph, which a plan trains:

    x -> the model -> y_pred -+
    x, y, sample_weight ------+-> compute_loss -> the loss, values for metrics

`compute_loss` is traced on symbolic tensors. There the metrics in the attributes of the model only
record their updates; after each run of the plan they are updated with the values of that batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.layers.arguments import Arguments, divide, fill
from fastconv.layers.symbolic import SymbolicTensor, placeholders
from fastconv.layers.tracing import Trace, inside
from fastconv.losses import CustomLoss
from fastconv.metrics import Mean, Metric
from fastconv.plan import Arena, Plan, Updates
from fastconv.shapes import sample_sizes
from fastconv.training.data import unpack_batch
from fastconv.training.own_steps import loss_of_model

_MOST_TRACES = 32  # structures and shapes of batches that a model remembers


class _ValueItself(CustomLoss):
    """Rows that are losses."""

    def row_values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        return y_pred[:, 0]

    def row_gradients(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        return np.ones_like(y_pred)


class ComputedLoss:
    """The loss of a model as its class computes it, and the steps that minimize it.

    `mean` is the mean of the loss since the last reset.
    """

    def __init__(self, model: Any):
        self._model = model
        self._traces: dict[Any, _TracedLoss] = {}
        self.mean = Mean(name="loss")

    def __reduce__(self):
        return ComputedLoss, (self._model,)  # a copy traces again

    def trace(self, mode: str, data: Any) -> tuple[str, _TracedLoss, list[np.ndarray]]:
        """Trace `compute_loss` for batches like `data`, unless it is; return the key of the trace,
        the trace and the arrays in `data`.

        Layers that `compute_loss` calls are built here. Raises TypeError if it does not return a
        tensor that it computes from its arguments.
        """
        form, arrays = divide(unpack_batch(data), lambda value: value is not None)
        arrays = [np.asarray(array, np.float32) for array in arrays]
        shapes = tuple(array.shape[1:] for array in arrays)
        key = repr((mode, form, shapes))
        if key not in self._traces:
            if len(self._traces) >= _MOST_TRACES:
                self._traces.pop(next(iter(self._traces)))
            self._traces[key] = _TracedLoss(self._model, mode == "train", form, shapes)
            self._model.take_in_weights()
        return key, self._traces[key], arrays

    def step(self, mode: str, data: Any) -> dict[str, Any]:
        """Run one batch, `data` as `fit` takes it, in "train" or "test" mode; return the logs.

        Raises the errors of `trace`.
        """
        model = self._model
        key, traced, arrays = self.trace(mode, data)
        count = len(arrays[0])
        model.renew_parameters()  # drops the plans if the weights have moved
        lent = (count, f"computed {key}", model._trained_parts())
        with model._plans.lend(lent, lambda arena: traced.plan(count, mode, arena)) as plan:
            for into, array in zip(plan.inputs, arrays, strict=True):
                into[...] = array
            plan.run(model._draws)
            if mode == "train":
                model._draws += 1
                model.optimizer.count_step()
            loss = float(plan.losses[0].mean()) + plan.penalty
            values = [output.copy() for output in plan.outputs[1:]]
        traced.update_metrics(values)
        self.mean.update_state(loss, sample_weight=count)
        return {metric.name: metric.result() for metric in model.metrics}


class _TracedLoss:
    """`compute_loss` for batches of one structure: a network of the loss, for every sample, and of
    the values for metrics."""

    def __init__(self, model: Any, training: bool, form: Any, shapes: Sequence[tuple[int, ...]]):
        self._model = model
        self._metrics: list[Metric] = []
        self._arguments: Any = []  # of the updates of metrics, with slots for values

        def computed(data: Any) -> list[SymbolicTensor]:
            x, y, weight = data
            y_pred = model(x, training=training)
            with _recorded(model.own_metrics()) as updates:
                loss = loss_of_model(
                    model, x=x, y=y, y_pred=y_pred, sample_weight=weight, training=training
                )
            if not isinstance(loss, SymbolicTensor):
                raise TypeError(
                    f"{what} must return a tensor that it computes from its arguments, received "
                    f"{type(loss).__name__}"
                )
            self._metrics = [metric for metric, _ in updates]
            self._arguments, values = divide([given for _, given in updates], _is_tensor)
            _, tensors = divide(data, _is_tensor)
            return [_for_every_sample(loss, tensors[0]), *values]

        what = f"model {model.name!r}: `compute_loss`"
        inputs = placeholders([(None, *shape) for shape in shapes])
        with inside(model.name, traced=True):
            self._network = Trace(computed, Arguments(form, {}), inputs, what).network

    def plan(self, count: int, mode: str, arena: Arena) -> Plan:
        model, graph = self._model, self._network.graph()
        losses = [_ValueItself().operation(False), *[None] * (len(graph.outputs) - 1)]
        updates = Updates(model.optimizer, model.parameters) if mode == "train" else None
        return Plan(
            graph, count, model.parameters, mode=mode, losses=losses, updates=updates, arena=arena
        )

    def update_metrics(self, values: Sequence[np.ndarray]) -> None:
        """Update the metrics with the values that a run has computed."""
        filled = fill(self._arguments, values)
        for metric, (arguments, keywords) in zip(self._metrics, filled, strict=True):
            metric.update_state(*arguments, **keywords)


@contextmanager
def _recorded(metrics: Sequence[Metric]) -> Iterator[list[tuple[Metric, Any]]]:
    """In the block, `update_state` of these metrics records its arguments and does nothing else."""
    updates: list[tuple[Metric, Any]] = []

    def record(metric: Metric, *arguments: Any, **keywords: Any) -> None:
        updates.append((metric, (arguments, keywords)))

    for metric in metrics:
        vars(metric)["update_state"] = partial(record, metric)
    try:
        yield updates
    finally:
        for metric in metrics:
            del vars(metric)["update_state"]


def _for_every_sample(loss: SymbolicTensor, x: SymbolicTensor) -> Any:
    """Return the loss of a batch, or its mean, as the loss (N, 1) of every sample of `x`."""
    first = ops.reshape(x, (-1, math.prod(sample_sizes(x.shape))))[:, :1]
    return ops.zeros_like(first) + ops.mean(loss)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, SymbolicTensor)
