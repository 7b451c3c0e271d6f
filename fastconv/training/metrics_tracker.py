"""`MetricsTracker`: loss and metrics of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.common.tree import Names
from fastconv.metrics import Mean, Metric, resolve
from fastconv.parameters import Variable
from fastconv.plan import Plan
from fastconv.state import list_of, plain, record_of, text
from fastconv.training.compile_config import CompileConfig


class MetricsTracker:
    """Accumulates loss and metrics of a model with the given outputs, batch by batch.

    The names are Keras's. One output: "loss", then the metrics by name. Several: "loss", then
    "<output>_loss" (without its weight) if there are several losses, then "<output>_<metric>".
    `y_shapes` are the shapes of the labels, None for an output without.
    """

    def __init__(
        self,
        config: CompileConfig,
        outputs: Names,
        y_shapes: Sequence[tuple[int, ...] | None],
        output_shapes: Sequence[tuple[int | None, ...]],
    ):
        self._loss_weights = config.loss_weights(outputs)
        self._loss = Mean("loss")
        self._named: dict[str, Metric] = {"loss": self._loss}
        self._columns: dict[str, int | None] = {}  # length of the predictions that a metric gets
        losses = config.losses(outputs)
        self._losses: list[Mean | None] = [None] * len(outputs)
        if sum(loss is not None for loss in losses) > 1:
            for index, (name, loss) in enumerate(zip(outputs, losses, strict=True)):
                if loss is not None:
                    mean = self._losses[index] = Mean("loss")
                    self._add(mean, [name])
        # Of every output: its metrics, and whether each takes sample weights.
        self._metrics: list[list[tuple[Metric, bool]]] = [[] for _ in outputs]
        for weighted in (False, True):
            for index, chosen in enumerate(config.metrics(outputs, weighted)):
                shape = output_shapes[index]
                prefix = [outputs[index]] if len(outputs) > 1 else []
                for each in chosen:
                    metric = resolve(each, y_shapes[index] or shape, shape)
                    name = self._add(metric, prefix, "weighted" if weighted else None)
                    self._columns[name] = shape[-1]
                    self._metrics[index].append((metric, weighted))

    def _add(self, metric: Metric, prefix: list[str], otherwise: str | None = None) -> str:
        """Add `metric` under a name that is unique by the prefix `otherwise` or a numeric suffix;
        return the name."""
        name = "_".join([*prefix, metric.name])
        if name in self._named and otherwise:
            name = "_".join([*prefix, otherwise, metric.name])
        number, free = 0, name
        while free in self._named:
            number += 1
            free = f"{name}_{number}"
        self._named[free] = metric
        return free

    @property
    def metrics(self) -> dict[str, metrics.Metric]:
        """Loss and metrics by name, in the order of the values that `evaluate` returns."""
        return dict(self._named)

    @property
    def reads_outputs(self) -> bool:
        """Whether a metric reads the outputs of the model."""
        return any(self._metrics)

    def reset(self) -> None:
        for metric in self._named.values():
            metric.reset_state()

    def state(self) -> list[dict[str, Any]]:
        """Return the states of loss and metrics: see `fastconv.state`."""
        return [
            {"name": name, "class": type(metric).__name__, "state": metric.state()}
            for name, metric in self._named.items()
        ]

    def check_state(self, state: Any) -> None:
        """Raise ValueError unless `state` belongs to a tracker of the same metrics."""
        kinds = {"name": text, "class": text, "state": plain}
        list_of(record_of(kinds))(state, "the state of the metrics")
        wanted = [f"{name} ({type(metric).__name__})" for name, metric in self._named.items()]
        received = [f"{each['name']} ({each['class']})" for each in state]
        if wanted != received:
            raise ValueError(
                f"the state must be that of a model with the metrics {wanted}, received {received}"
            )
        for each, (name, metric) in zip(state, self._named.items(), strict=True):
            metric.check_state(each["state"])
            if metric.outputs_axis is not None:
                self._check_outputs(name, metric.outputs_axis, each["state"])

    def _check_outputs(self, name: str, axis: int, state: dict[str, Any]) -> None:
        """Raise ValueError unless the sums per output match the number of outputs."""
        for key, value in state.items():
            outputs = np.shape(value)[axis : axis + 1]
            if outputs and outputs[0] != self._columns[name]:
                raise ValueError(
                    f"the state of {name}: `{key}` must have {self._columns[name]} entries along "
                    f"axis {axis}, received shape {np.shape(value)}"
                )

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Restore the checked state of an equal tracker."""
        for metric, each in zip(self._named.values(), state, strict=True):
            metric.restore(each["state"])

    def update(
        self,
        plan: Plan,
        ys: Sequence[np.ndarray | None],
        weights: Sequence[np.ndarray | None],
    ) -> None:
        """Accumulate the results of a plan for a batch with these labels and sample weights."""
        count = len(plan.outputs[0])
        losses = batch_losses(plan, weights)
        for loss, part in zip(losses, self._losses, strict=True):
            if loss is not None and part is not None:
                part.add(loss * count, count)
        self._loss.add(total_loss(plan, losses, self._loss_weights) * count, count)
        for output, y, weight, chosen in zip(plan.outputs, ys, weights, self._metrics, strict=True):
            for metric, weighted in chosen:
                metric.update_state(y, output, *([weight] if weighted else []))

    def values(self) -> Any:
        """Return the values so far in the order of `metrics`, or only the loss without metrics."""
        values = [_result(metric) for metric in self._named.values()]
        return values if len(values) > 1 else values[0]

    def logs(self) -> dict[str, Any]:
        """Return the values so far by name, in alphabetical order: floats, and arrays for metrics
        with one number per class or threshold."""
        return {name: _result(self._named[name]) for name in sorted(self._named)}


def _result(metric: Metric) -> Any:
    """Return the value of `metric`; that of a user's class may be an array of one number."""
    value = metric.result()
    is_number = isinstance(value, (np.ndarray, np.generic, Variable)) and value.shape == ()
    return float(value) if is_number else value


def batch_losses(plan: Plan, weights: Sequence[np.ndarray | None]) -> list[float | None]:
    """Return the mean loss of every output after a run with these sample weights; None without."""
    losses: list[float | None] = []
    for values, of_plan, weight in zip(plan.losses, plan.sample_weights, weights, strict=True):
        if values is None:
            losses.append(None)
            continue
        losses.append(float(values.sum() if weight is None else values @ of_plan) / len(values))
    return losses


def total_loss(plan: Plan, losses: Sequence[float | None], loss_weights: Sequence[float]) -> float:
    """Return the loss that training minimizes: the sum of `batch_losses`, and all penalties."""
    total = plan.penalty
    for loss, weight in zip(losses, loss_weights, strict=True):
        if loss is not None:
            total += loss * weight
    return total
