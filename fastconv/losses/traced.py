"""Losses whose `call` is written in `fastconv.ops`: a class, or a function of (y_true, y_pred).

>>> import numpy as np
>>> from fastconv import losses, ops
>>> class Quartic(losses.Loss):
...     def call(self, y_true, y_pred):
...         return ops.mean((y_pred - y_true) ** 4, axis=-1)
>>> Quartic()([[0.0, 0.0]], [[1.0, 2.0]])
8.5

`call` is traced once per shape into a small network, whose gradient starts the backward pass of the
model. The loss of a batch is the mean (or sum) of all values that `call` returns.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.layers.arguments import Arguments, Slot
from fastconv.layers.symbolic import placeholders
from fastconv.layers.tracing import Trace, inside
from fastconv.losses.base import Loss, fitting_rank, target_array
from fastconv.parameters import Parameters
from fastconv.plan import Differential, operations
from fastconv.plan.operations import variables_of

_MOST_NETWORKS = 8  # shapes that a loss remembers


class LossOfCall(Loss):
    """The `call` of another loss, as the plan of a model takes it."""

    def __init__(self, loss: Loss):
        super().__init__(loss.reduction, loss.name)
        self._loss = loss
        self._networks: OrderedDict[Any, _LossNetwork] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return LossOfCall, (self._loss,)

    def check_axis(self, rank: int) -> None:
        pass

    def check_targets(self, y: Any, output_shape: tuple[int | None, ...]) -> np.ndarray:
        return target_array(y).astype(np.float32, copy=False)

    def rows(self, y: np.ndarray, out: Any) -> None:
        out.value = y

    def rows_shape(self, count: int, output_shape: tuple[int | None, ...]) -> tuple[int, ...]:
        return (count,)

    def mean_weights(self, weight: np.ndarray, targets: np.ndarray) -> np.ndarray:
        if self.reduction != "mean_with_sample_weight":
            return weight
        total = weight.sum(dtype=np.float64)
        return weight * np.float32(len(weight) / total if total else 0)

    def _operation(self, after_softmax, summed):
        return operations.Loss("traced", summed=summed, custom=self)

    def run(
        self,
        y_true: np.ndarray,
        y_pred: np.ndarray,
        weights: np.ndarray | None,
        summed: bool,
        values: np.ndarray,
        gradient: np.ndarray | None,
    ) -> None:
        """Write the loss of each sample to `values`, and that of `y_pred` to `gradient`."""
        key = y_true.shape, y_pred.shape
        with self._lock:
            network = self._networks.get(key)
            if network is None:
                network = self._networks[key] = _LossNetwork(self._loss, *key)
            self._networks.move_to_end(key)
            if len(self._networks) > _MOST_NETWORKS:
                self._networks.popitem(last=False)
            network.run(y_true, y_pred, weights, summed, values, gradient)


class _LossNetwork:
    """The values of a loss and their gradient, for fixed shapes."""

    def __init__(self, loss: Loss, true_shape: tuple[int, ...], shape: tuple[int, ...]):
        inputs = placeholders([(None, *true_shape[1:]), (None, *shape[1:])])
        with inside(loss.name, traced=True):
            trace = Trace(
                lambda y_true, y_pred: loss.call(y_true, y_pred),
                Arguments(Slot(0), {"y_pred": Slot(1)}),
                inputs,
                f"`call` of the loss {loss.name!r}",
            )
        graph = trace.network.graph()
        weights = [v.path for node in graph.nodes for v in variables_of(node.operation)]
        if weights:
            raise TypeError(f"the loss {loss.name!r} must not compute with weights: {weights}")
        self._by_sample = trace.network.outputs[0].shape[:1] == (None,)
        self._plan = Differential(graph, shape[0], Parameters([]), mode="infer")

    def run(self, y_true, y_pred, weights, summed, values, gradient) -> None:
        plan, count = self._plan, len(y_pred)
        (result,), (dy,) = plan.outputs, plan.output_gradients
        if weights is not None and not self._by_sample:
            raise ValueError(
                f"a loss with one value per batch, {result.shape}, cannot have sample weights"
            )
        scale = 1.0 if summed else 1.0 / max(1, result.size)
        dy[...] = scale
        if weights is not None:
            dy *= weights.reshape(-1, *(1,) * (dy.ndim - 1))
        plan.inputs[0][...], plan.inputs[1][...] = y_true, y_pred
        plan.run()
        result = result.astype(np.float64)
        total = result.reshape(count, -1).sum(axis=1) if self._by_sample else result.sum() / count
        values[...] = total * (scale * count)
        if gradient is not None:
            dx = plan.input_gradients[1]
            gradient[...] = 0 if dx is None else dx


class FunctionLoss(Loss):
    """A function of (y_true, y_pred) as a loss: its values, one per sample or more."""

    def __init__(self, function: Callable[[Any, Any], Any]):
        super().__init__(name=getattr(function, "__name__", None))
        self.wrapped_function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        rank = len(y_pred.shape)
        return self.wrapped_function(fitting_rank(y_true, rank), y_pred)
