"""Gradients of a value of a model with respect to its samples or the output of a layer.

All is computed as in prediction (dropout is the identity), by the same compiled operations, and
leaves the model as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arrays import real_array
from fastconv.inspect.tracing import TracedModel, checked_samples
from fastconv.layers.base import Layer
from fastconv.models import Model
from fastconv.plan import Differential, Graph, operations


class Gradients(NamedTuple):
    """The result of `gradients`.

    `output` (N, ...) holds the values that were differentiated, `at` (N, ...) the values with
    respect to which, and `gradient` has the shape of `at`.
    """

    output: np.ndarray
    at: np.ndarray
    gradient: np.ndarray


def gradients(
    model: Model,
    x: ArrayLike,
    target: Any = None,
    *,
    output: Layer | str | None = None,
    wrt: Layer | str | None = None,
    logits: bool = True,
) -> Gradients:
    """The gradient of a value of a model with respect to its samples or the output of a layer.

    Args:
        model: a built model with one input.
        x: samples (N, ...).
        target: the value of each sample that is differentiated. An integer, or one per sample (N,):
            that entry of the output's last axis, summed over the axes between. An array of the
            output's shape: the sum of its products with the output. None: the sum of all.
        output: the layer whose output is differentiated; None for the last.
        wrt: the layer with respect to whose output; None for the samples.
        logits: for the output of a softmax, differentiate the input of the softmax instead, as is
            usual for explanations: a probability near 1 hardly changes with anything.

    Raises:
        ValueError: the model is not built or has no such layer; `x` or `target` do not fit; or the
            output does not depend on `wrt`.
        TypeError: `x` or `target` do not hold numbers.

    >>> import numpy as np
    >>> from fastconv import inspect, layers, models
    >>> model = models.Sequential([layers.Input((3,)), layers.Dense(2, activation="softmax")])
    >>> found = inspect.gradients(model, np.ones((1, 3)), target=1)
    >>> bool((found.gradient[0] == model.get_weights()[0][:, 1]).all())
    True
    """
    x = checked_samples(x, model.input_shape)
    return Derivative(model, len(x), output=output, wrt=wrt, logits=logits)(x, target)


class Derivative:
    """`gradients` for many batches of `batch_size` samples, with the same arguments and errors."""

    def __init__(
        self,
        model: Model,
        batch_size: int,
        *,
        output: Layer | str | None = None,
        wrt: Layer | str | None = None,
        logits: bool = True,
    ):
        traced = TracedModel(model)
        graph = traced.graph
        self._input_shape, self._batch_size = model.input_shape, batch_size
        if output is None and len(graph.outputs) != 1:
            raise ValueError(f"`output` must be given for {len(graph.outputs)} outputs")
        end = graph.outputs[0] if output is None else traced.value_of(output)
        if logits:
            end = _before_softmax(graph, end)
        start = graph.inputs[0] if wrt is None else traced.value_of(wrt)
        between, given = _between(graph, start, end)
        needed = [start, *given]
        self._before = traced.plan(batch_size, needed)
        shapes = [array.shape[1:] for array in self._before.outputs]
        part = Graph(needed, shapes, between, [end])
        self._differential = Differential(
            part, batch_size, model.parameters, mode="infer", wanted=[start]
        )

    def __call__(self, x: ArrayLike, target: Any = None) -> Gradients:
        """The gradients for samples `x` (batch_size, ...); see `gradients`."""
        plan, before = self._differential, self._before
        x = checked_samples(x, self._input_shape, self._batch_size)
        np.copyto(before.inputs[0], x, casting="unsafe")
        before.run()
        for place, values in zip(plan.inputs, before.outputs, strict=True):
            place[...] = values
        _fill(plan.output_gradients[0], target)
        plan.run()
        gradient = plan.input_gradients[0]
        assert gradient is not None, "the layer does not depend on its input"
        return Gradients(plan.outputs[0].copy(), before.outputs[0].copy(), gradient.copy())


def _fill(dy: np.ndarray, target: Any) -> None:
    """Write the gradient of the differentiated value with respect to the output into `dy`."""
    if target is None:
        dy[...] = 1
        return
    wanted = real_array(target, "`target`")
    if wanted.dtype.kind == "f" and wanted.shape == dy.shape:
        dy[...] = wanted
        return
    count = dy.shape[-1]
    if wanted.dtype.kind not in "iu" or wanted.shape not in ((), dy.shape[:1]):
        raise ValueError(
            f"`target` must be an integer, {len(dy)} of them, or float numbers of the output's "
            f"shape {dy.shape}, received {wanted.dtype} of shape {wanted.shape}"
        )
    if wanted.min() < 0 or wanted.max() >= count:
        raise ValueError(f"`target` must be from 0 to {count - 1}, received {target}")
    dy[...] = 0
    for sample, index in zip(dy, np.broadcast_to(wanted, len(dy)), strict=True):
        sample[..., index] = 1


def _before_softmax(graph: Graph, value: int) -> int:
    maker = graph.makers().get(value)
    return maker.inputs[0] if maker and maker.operation == operations.Softmax() else value


def _between(graph: Graph, start: int, end: int) -> tuple[list, list[int]]:
    """The nodes through which `end` depends on `start`, and the other values that they read."""
    reached, forward = {start}, []
    for node in graph.nodes:
        if not reached.isdisjoint(node.inputs):
            reached.add(node.output)
            forward.append(node)
    wanted, kept = {end}, []
    for node in reversed(forward):
        if node.output in wanted:
            wanted.update(node.inputs)
            kept.append(node)
    if start not in wanted:
        raise ValueError("`output` must depend on `wrt`, but comes before it or beside it")
    return kept[::-1], sorted(wanted - reached)
