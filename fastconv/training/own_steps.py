"""Models whose class defines `train_step`, `test_step`, `predict_step` or `compute_loss`.

    class Distiller(Model):
        def train_step(self, data):
            x, y = data
            ...                                  eager, on the arrays of one batch
            return {"loss": loss}

A step is called with the arrays of a batch, as the data give them, and returns the logs. Its
metrics are those of `self.metrics`, which are reset before every epoch. `compute_loss` is traced
into the plan instead: see `fastconv.training.computed_loss`.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.naming import is_builtin
from fastconv.common.overriding import definer
from fastconv.common.tree import Names, flatten, is_several, pack
from fastconv.layers.arguments import parameters
from fastconv.losses import Loss
from fastconv.metrics import Metric
from fastconv.training.data import ArraySource, Source, unpack_batch
from fastconv.training.io_spec import IOSpec, sample_array


class OwnSteps:
    """The steps of `fit`, `evaluate` and `predict`, which a class may define anew."""

    if TYPE_CHECKING:
        name: str
        _compile_config: Any
        _tracker: Any
        _computed_loss: Any

        def __call__(self, *args: Any, **keywords: Any) -> Any: ...
        def _prepare_for_plan(self, source: Source) -> Any: ...
        def _plan_step(self, *arguments: Any) -> None: ...
        def _trained_parts(self) -> tuple[bool, ...]: ...

    @classmethod
    def _defines(cls, name: str) -> bool:
        """Return whether the method `name` is a user's."""
        return not is_builtin(definer(cls, name))

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train on one batch, `data` as `fit` takes it; return the logs.

        A class that defines it may change weights by `value_and_gradients` and the optimizer.
        """
        return self._step_of_plan("train", data)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Compute loss and metrics of one batch, as `evaluate` does; return the logs."""
        return self._step_of_plan("test", data)

    def predict_step(self, data: Any) -> Any:
        """Return the outputs for one batch."""
        return self(unpack_batch(data)[0], training=False)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss that `compile` was given, for labels and predictions: arrays, or symbolic
        tensors in a class that defines it.

        Such a class computes it in functions of `fastconv.ops`. If `compile` was given neither loss
        nor metrics, the method receives all arguments, with the outputs in the structure of the
        model, and may update metrics; otherwise those of the only output, without `x`.

        Raises ValueError without a loss, and for several outputs.
        """
        loss = self._compile_config.given_loss()
        return loss(y, y_pred, sample_weight=sample_weight)

    def _step_of_plan(self, mode: str, data: Any) -> dict[str, Any]:
        if self._computed_loss is not None:
            return self._computed_loss.step(mode, data)
        source = ArraySource(*unpack_batch(data))
        tracker = self._prepare_for_plan(source)
        self._plan_step(mode, source, slice(0, source.count), tracker, self._trained_parts())
        return tracker.logs()

    def own_metrics(self) -> list[Metric]:
        """Return the metrics in the attributes of the model, also in lists, each once."""
        listed = (v if isinstance(v, (list, tuple)) else [v] for v in vars(self).values())
        return list(dict.fromkeys(m for values in listed for m in values if isinstance(m, Metric)))


class LossOfOutput(Loss):
    """`compute_loss` of a model as the loss of its only output."""

    def __init__(self, model: Any):
        super().__init__(name="compute_loss")
        self._model = model

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return loss_of_model(self._model, y=y_true, y_pred=y_pred, training=True)


def loss_of_model(model: Any, *, training: bool, **arguments: Any) -> Any:
    """Return `model.compute_loss(**arguments)`, with `training` unless its class, as in older
    programs, does not take it."""
    given = {"x": None, "sample_weight": None, **arguments}
    kinds = parameters(model.compute_loss)
    if "training" in kinds or inspect.Parameter.VAR_KEYWORD in kinds.values():
        given["training"] = training
    return model.compute_loss(**given)


class RawSpec(IOSpec):
    """The data of a step of the class: any arrays."""

    takes_any_data = True
    fixed: bool
    plan_shapes: None

    def __init__(self) -> None:
        self.output_names: Names = Names(["y"])
        self.fixed, self.plan_shapes = True, None
        self._x: Any = None  # the structures of samples and labels, None for one array
        self._y: Any = None

    @property
    def has_losses(self) -> bool:
        return True

    def at(self, xs: Sequence[np.ndarray]) -> RawSpec:
        return self

    def samples(self, x: Any) -> list[np.ndarray]:
        self._x = x if _is_structure(x) else None
        return [sample_array(each) for each in (flatten(x) if _is_structure(x) else [x])]

    def targets(self, y: Any, count: int) -> list[Any]:
        self._y = y if _is_structure(y) else None
        parts = flatten(y) if _is_structure(y) else [y]
        return [None if part is None else np.asarray(part) for part in parts]

    def weights(self, sample_weight: Any, count: int) -> list[Any]:
        return [None if sample_weight is None else np.asarray(sample_weight)]

    def batch(self, xs: Sequence[Any], ys: Sequence[Any], weights: Sequence[Any]) -> Any:
        """Return a batch in the form in which `fit` was given the data."""
        x = xs[0] if self._x is None else pack(self._x, xs)
        y = ys[0] if self._y is None else pack(self._y, ys)
        if weights[0] is not None:
            return x, y, weights[0]
        return x if y is None else (x, y)


class StepLogs:
    """The logs of the last step, in place of a `MetricsTracker`."""

    def __init__(self, model: Any):
        self._model, self._logs = model, {}

    @property
    def metrics(self) -> dict[str, Metric]:
        return {metric.name: metric for metric in self._model.metrics}

    def take(self, logs: Any, step: str) -> None:
        """Note what a step has returned; TypeError unless it is a dict of numbers."""
        if not isinstance(logs, dict):
            raise TypeError(f"{step}() must return a dict of logs, received {type(logs).__name__}")
        self._logs = {
            str(name): value.result() if isinstance(value, Metric) else value
            for name, value in logs.items()
        }
        for name, value in self._logs.items():
            array = np.asarray(value)
            self._logs[name] = float(array) if array.shape == () else array

    def reset(self) -> None:
        for metric in self._model.metrics:
            metric.reset_state()
        self._logs = {}

    def logs(self) -> dict[str, Any]:
        return {name: self._logs[name] for name in sorted(self._logs)}

    def values(self) -> Any:
        values = list(self._logs.values())
        return values[0] if len(values) == 1 else values

    def state(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "class": type(metric).__name__, "state": metric.state()}
            for name, metric in self.metrics.items()
        ]

    def check_state(self, state: Any) -> None:
        names = [each.get("name") for each in state]
        if names != list(self.metrics):
            raise ValueError(
                f"the state must be that of a model with the metrics {list(self.metrics)}, "
                f"received {names}"
            )
        for each, metric in zip(state, self.metrics.values(), strict=True):
            metric.check_state(each["state"])

    def restore(self, state: Any) -> None:
        for each, metric in zip(state, self.metrics.values(), strict=True):
            metric.restore(each["state"])


def batch_of(source: Source, item: Any) -> Any:
    """Return the batch `item` of a source that was prepared for a `RawSpec`."""
    spec: Any = source.spec
    return spec.batch(*source.arrays(item))


def _is_structure(value: Any) -> bool:
    return is_several(value) and any(hasattr(each, "__array__") for each in flatten(value))
