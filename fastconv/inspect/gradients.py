"""Gradients with respect to the samples of a model, or to the output of one of its layers.

The basis of Grad-CAM, saliency, activation maximisation and style transfer. Runs the model as in
prediction (dropout is the identity), by the same compiled operations, and leaves the model as it
is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.common.arrays import read_only, real_array
from fastconv.inspect.tracing import TracedModel, checked_samples
from fastconv.layers.base import Layer
from fastconv.models import Model
from fastconv.plan import Differential, Graph, operations

Layers = Layer | str | Sequence[Layer | str] | None


class Gradients(NamedTuple):
    """The result of `gradients`.

    `output` (N, ...) holds the values that were differentiated, `at` (N, ...) the values with
    respect to which, and `gradient` has the shape of `at`. Each is an array, or a list of arrays if
    several outputs, layers or inputs were given.
    """

    output: Any
    at: Any
    gradient: Any


def gradients(
    model: Model,
    x: Any,
    target: Any = None,
    *,
    output: Layers = None,
    wrt: Layers = None,
    logits: bool = True,
) -> Gradients:
    """The gradient of a value of a model with respect to its samples or the output of a layer.

    Args:
        model: a built model.
        x: samples (N, ...); for several inputs a list or dict of arrays.
        target: what is differentiated. None: the sum of the output. An integer, or one per sample
            (N,): that entry of the output's last axis, summed over the axes between. Float numbers
            of the output's shape: the sum of their products with the output, that is, they are the
            gradient of a loss with respect to the output. A function: it gets the output, and
            returns that gradient. For several outputs a list of these, or one function, which gets
            all of them and returns a list.
        output: the layer whose output is differentiated, or a list of layers; None for the outputs
            of the model.
        wrt: the layer with respect to whose output, or a list of layers; None for the samples.
        logits: for the output of a softmax, differentiate the input of the softmax instead, as is
            usual for explanations: a probability near 1 hardly changes with anything.

    Raises:
        ValueError: the model is not built or has no such layer; `x` or `target` do not fit; or an
            output does not depend on `wrt`.
        TypeError: `x` or `target` do not hold numbers.

    >>> import numpy as np
    >>> from fastconv import inspect, layers, models
    >>> model = models.Sequential([layers.Input((3,)), layers.Dense(2, activation="softmax")])
    >>> found = inspect.gradients(model, np.ones((1, 3)), target=1)
    >>> bool((found.gradient[0] == model.get_weights()[0][:, 1]).all())
    True

    The gradient of the loss sum (y - 1)^2, which is 2 (y - 1) with respect to y:

    >>> found = inspect.gradients(model, np.ones((1, 3)), lambda y: 2 * (y - 1))
    >>> found.gradient.shape
    (1, 3)
    """
    samples = checked_samples(model, x)
    derivative = Derivative._on(model, samples, output=output, wrt=wrt, logits=logits)
    return derivative(x, target)


class Derivative:
    """`gradients` for many batches of `batch_size` samples, with the same arguments and errors."""

    def __init__(
        self,
        model: Model,
        batch_size: int,
        *,
        output: Layers = None,
        wrt: Layers = None,
        logits: bool = True,
    ):
        self._prepare(TracedModel(model), batch_size, output, wrt, logits)

    @classmethod
    def _on(
        cls, model: Model, samples: Sequence[np.ndarray], output: Layers, wrt: Layers, logits: bool
    ) -> Derivative:
        """Return one for batches like `samples`, whose sizes the model may leave open."""
        self = cls.__new__(cls)
        self._prepare(TracedModel(model, samples), len(samples[0]), output, wrt, logits)
        return self

    def _prepare(
        self, traced: TracedModel, batch_size: int, output: Layers, wrt: Layers, logits: bool
    ) -> None:
        model, graph = traced.model, traced.graph
        self._model, self._batch_size = model, batch_size
        ends = graph.outputs if output is None else [traced.value_of(x) for x in _listed(output)]
        if logits:
            ends = [_before_softmax(graph, end) for end in ends]
        starts = graph.inputs if wrt is None else [traced.value_of(layer) for layer in _listed(wrt)]
        self._several_ends = len(ends) > 1 if output is None else _is_list(output)
        self._several_starts = len(starts) > 1 if wrt is None else _is_list(wrt)
        between, given = _between(graph, starts, ends)
        needed = [*starts, *given]
        self._before = traced.plan(batch_size, needed)
        shapes = [array.shape[1:] for array in self._before.outputs]
        part = Graph(needed, shapes, between, ends)
        self._differential = Differential(
            part, batch_size, model.parameters, mode="infer", wanted=starts, fill=self._fill
        )
        self._starts = len(starts)
        self._target: Any = None

    def __call__(self, x: Any, target: Any = None) -> Gradients:
        """The gradients for samples `x` (batch_size, ...); see `gradients`."""
        plan, before = self._differential, self._before
        samples = checked_samples(self._model, x, self._batch_size)
        for into, array in zip(before.inputs, samples, strict=True):
            np.copyto(into, array, casting="unsafe")
        before.run()
        for place, values in zip(plan.inputs, before.outputs, strict=True):
            place[...] = values
        self._target = target
        plan.run()
        outputs = [array.copy() for array in plan.outputs]
        at = [array.copy() for array in before.outputs[: self._starts]]
        slopes = plan.input_gradients[: self._starts]
        found = [slope.copy() for slope in slopes if slope is not None]
        return Gradients(
            outputs if self._several_ends else outputs[0],
            *((at, found) if self._several_starts else (at[0], found[0])),
        )

    def _fill(self) -> None:
        """Write the gradients of the differentiated value with respect to the outputs."""
        plan, target = self._differential, self._target
        dys = plan.output_gradients
        if callable(target):
            outputs = [read_only(array) for array in plan.outputs]
            returned: Any = target(outputs if self._several_ends else outputs[0])
            received = returned if self._several_ends else [returned]
            target = [np.asarray(each, np.float32) for each in received]
        elif target is None:
            target = [None] * len(dys)
        elif not self._several_ends:
            target = [target]
        if not isinstance(target, (list, tuple)) or len(target) != len(dys):
            raise ValueError(
                f"`target` must be a list with one entry per output, {len(dys)}, received {target}"
            )
        for dy, each in zip(dys, target, strict=True):
            _fill(dy, each)


def _is_list(layers: Layers) -> bool:
    return isinstance(layers, (list, tuple))


def _listed(layers: Any) -> list[Any]:
    return list(layers) if _is_list(layers) else [layers]


def _fill(dy: np.ndarray, target: Any) -> None:
    """Write the gradient of the differentiated value with respect to one output into `dy`."""
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


def _between(graph: Graph, starts: list[int], ends: list[int]) -> tuple[list, list[int]]:
    """The nodes through which `ends` depend on `starts`, and the other values that they read."""
    reached, forward = set(starts), []
    for node in graph.nodes:
        if not reached.isdisjoint(node.inputs):
            if node.output in starts:
                raise ValueError(
                    "the layers of `wrt` must not depend on one another; call gradients() for each"
                )
            reached.add(node.output)
            forward.append(node)
    wanted, kept = set(ends), []
    for node in reversed(forward):
        if node.output in wanted:
            wanted.update(node.inputs)
            kept.append(node)
    if not wanted.issuperset(starts) or not reached.issuperset(ends):
        raise ValueError("`output` must depend on `wrt`, but comes before it or beside it")
    return kept[::-1], sorted(wanted - reached)
