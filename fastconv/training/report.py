"""Loss and metrics of an epoch: accumulation, names, order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import metrics
from fastconv.common.tree import Names
from fastconv.plan import Plan
from fastconv.state import list_of, plain, record_of, text
from fastconv.training.compilation import Compilation
from fastconv.training.renaming import renamings


class Report:
    """The reported values of a model with the given outputs.

    The names are Keras's. One output: "loss", then the metrics by name. Several: "loss", then
    "<output>_loss" (without its weight) if there are several losses, then "<output>_<metric>".
    """

    def __init__(
        self,
        compilation: Compilation,
        outputs: Names,
        y_shapes: Sequence[tuple[int, ...] | None],
        output_shapes: Sequence[tuple[int | None, ...]],
    ):
        self._weights = compilation.loss_weights(outputs)
        self._loss = metrics.Mean("loss")
        self._names = {"loss": self._loss}
        self._columns: dict[str, int | None] = {}
        losses = compilation.losses(outputs)
        self._parts: list[metrics.Mean | None] = [None] * len(outputs)
        if sum(loss is not None for loss in losses) > 1:
            for index, (name, loss) in enumerate(zip(outputs, losses, strict=True)):
                if loss is not None:
                    self._parts[index] = self._named(metrics.Mean("loss"), [name])
        self._plain, self._weighted = (
            [
                [
                    self._named(
                        metrics.resolve(metric, y_shape or output_shape, output_shape),
                        [name] if len(outputs) > 1 else [],
                        "weighted" if weighted else None,
                        output_shape[-1],
                    )
                    for metric in chosen
                ]
                for chosen, name, y_shape, output_shape in zip(
                    compilation.metrics(outputs, weighted),
                    outputs,
                    y_shapes,
                    output_shapes,
                    strict=True,
                )
            ]
            for weighted in (False, True)
        )

    def _named(
        self,
        metric: metrics.Metric,
        prefix: list[str],
        otherwise: str | None = None,
        columns: int | None = None,
    ) -> metrics.Metric:
        """Return `metric` under a unique name: with prefix `otherwise` or a numeric suffix. It
        receives predictions whose last axis has `columns` entries."""
        name = "_".join([*prefix, metric.name])
        if name in self._names and otherwise:
            name = "_".join([*prefix, otherwise, metric.name])
        number, free = 0, name
        while free in self._names:
            number += 1
            free = f"{name}_{number}"
        self._names[free] = metric
        self._columns[free] = columns
        return metric

    @property
    def metrics(self) -> dict[str, metrics.Metric]:
        """Loss and metrics by name, in the order of the values that `evaluate` returns."""
        return dict(self._names)

    def reset(self) -> None:
        for metric in self._names.values():
            metric.reset_state()

    def state(self) -> list[dict[str, Any]]:
        """Return the states of loss and metrics: see `fastconv.state`."""
        return [
            {"name": name, "class": type(metric).__name__, "state": metric.state()}
            for name, metric in self._names.items()
        ]

    def new_names(self, state: Any) -> dict[str, str]:
        """Return the current names of metrics in `state`, if output names have counted up since."""
        if not isinstance(state, list) or not all(isinstance(each, dict) for each in state):
            return {}
        return renamings([each.get("name") for each in state], list(self._names))

    def check_state(self, state: Any) -> None:
        """Raise ValueError unless `state` belongs to a report with the same metrics."""
        kinds = {"name": text, "class": text, "state": plain}
        list_of(record_of(kinds))(state, "the state of the metrics")
        wanted = [f"{name} ({type(metric).__name__})" for name, metric in self._names.items()]
        received = [f"{each['name']} ({each['class']})" for each in state]
        if wanted != received:
            raise ValueError(
                f"the state must be that of a model with the metrics {wanted}, received {received}"
            )
        for each, (name, metric) in zip(state, self._names.items(), strict=True):
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
        """Restore the checked state of an equal report."""
        for metric, each in zip(self._names.values(), state, strict=True):
            metric.restore(each["state"])

    def add(
        self,
        plan: Plan,
        ys: Sequence[np.ndarray | None],
        weights: Sequence[np.ndarray | None],
    ) -> None:
        """Accumulate the results of a plan for a batch with these labels and sample weights."""
        count = len(plan.outputs[0])
        total = plan.penalty
        for index, values in enumerate(plan.losses):
            if values is None:
                continue
            weighted = weights[index] is not None
            loss = float(values @ plan.sample_weights[index] if weighted else values.sum())
            loss /= len(values)
            total += loss * self._weights[index]
            if self._parts[index] is not None:
                self._parts[index].add(loss * count, count)
        self._loss.add(total * count, count)
        for output, y, weight, unweighted, weighted in zip(
            plan.outputs, ys, weights, self._plain, self._weighted, strict=True
        ):
            for metric in unweighted:
                metric.update_state(y, output)
            for metric in weighted:
                metric.update_state(y, output, weight)

    def values(self) -> Any:
        """Return the values so far in the order of `metrics`, or only the loss without metrics."""
        values = [metric.result() for metric in self._names.values()]
        return values if len(values) > 1 else values[0]

    def logs(self) -> dict[str, Any]:
        """Return the values so far by name, in alphabetical order: floats, and arrays for metrics
        with one number per class or threshold."""
        return {name: self._names[name].result() for name in sorted(self._names)}
