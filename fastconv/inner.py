"""Looks into a model: what its layers give for some samples, and how one value depends on another.

    layer_outputs(model, x)                  every layer's output: feature maps
    gradients(model, x, target)              how a class's score changes with every pixel
    gradients(model, x, target, wrt=layer)   ... with every value of a feature map (Grad-CAM)
    Derivative(...)                          the same again and again: activation maximisation

All of it is computed as when the model predicts (no dropout), by the same compiled operations, and
changes nothing in the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arrays import real_array
from fastconv.layers.base import Layer
from fastconv.models import Model
from fastconv.plan import Differential, Plan, nodes
from fastconv.plan.graph import Graph
from fastconv.training.terminals import fit_samples

__all__ = ["Derivative", "Gradients", "gradients", "layer_outputs"]


def layer_outputs(
    model: Model, x: ArrayLike, layers: Sequence[Layer | str] | None = None
) -> dict[str, np.ndarray]:
    """What layers give for samples.

    Args:
        model: a built model with one input.
        x: samples (N, ...).
        layers: which, by name or as objects; None for all.

    Returns:
        {name of the layer: its output (N, ...), float32}, in the order of the layers.

    Raises:
        ValueError: the model is not built or has no such layer, or `x` does not fit.
        TypeError: `x` holds no numbers.

    >>> import numpy as np
    >>> from fastconv import inner, layers, models
    >>> model = models.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3, name="first")])
    >>> inner.layer_outputs(model, np.zeros((1, 8, 8)))["first"].shape
    (1, 6, 6, 4)
    """
    graph, values = _traced(model)
    chosen = list(values) if layers is None else [_name(layer, values, model) for layer in layers]
    x = fit_samples(real_array(x, "`x`"), model.input_shape)
    if len(x) == 0:
        raise ValueError("`x` must hold at least one sample, received none")
    plan = _plan(model, graph, len(x), [values[name] for name in chosen])
    np.copyto(plan.inputs[0], x, casting="unsafe")
    plan.run()
    return {name: array.copy() for name, array in zip(chosen, plan.outputs, strict=True)}


class Gradients(NamedTuple):
    """Of `gradients`: `output` (N, ...), the values that were differentiated; `at` (N, ...), the
    values by which; `gradient`, of the shape of `at`."""

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
    """The gradient of a number that a model computes, with respect to what it is computed from.

    Args:
        model: a built model with one input.
        x: samples (N, ...).
        target: which number of each sample. An integer, or one per sample (N,): that entry of the
            output's last axis, summed over the axes between. An array of the output's shape: the
            sum of its products with the output. None: the sum of all.
        output: the layer whose output it is; None for the last.
        wrt: the layer by whose output it is differentiated; None for the samples.
        logits: if the output is that of a softmax, take what goes into it, as is usual for
            explanations: a probability near 1 hardly changes with anything.

    Raises:
        ValueError: the model is not built or has no such layer; `x` or `target` do not fit; or the
            output does not depend on `wrt`.
        TypeError: `x` or `target` hold no numbers.

    >>> import numpy as np
    >>> from fastconv import inner, layers, models
    >>> model = models.Sequential([layers.Input((3,)), layers.Dense(2, activation="softmax")])
    >>> found = inner.gradients(model, np.ones((1, 3)), target=1)
    >>> bool((found.gradient[0] == model.get_weights()[0][:, 1]).all())
    True
    """
    x = fit_samples(real_array(x, "`x`"), model.input_shape)
    if len(x) == 0:
        raise ValueError("`x` must hold at least one sample, received none")
    return Derivative(model, len(x), output=output, wrt=wrt, logits=logits)(x, target)


class Derivative:
    """`gradients` for many batches of `batch_size` samples; other arguments and errors are its."""

    def __init__(
        self,
        model: Model,
        batch_size: int,
        *,
        output: Layer | str | None = None,
        wrt: Layer | str | None = None,
        logits: bool = True,
    ):
        graph, values = _traced(model)
        self._input_shape, self._batch_size = model.input_shape, batch_size
        if output is None and len(graph.outputs) != 1:
            raise ValueError(f"`output` must be given for {len(graph.outputs)} outputs")
        end = graph.outputs[0] if output is None else values[_name(output, values, model)]
        if logits:
            end = _before_softmax(graph, end)
        start = graph.inputs[0] if wrt is None else values[_name(wrt, values, model)]
        behind, given = _behind(graph, start, end)
        needed = [start, *given]
        self._before = _plan(model, graph, batch_size, needed)
        shapes = [array.shape[1:] for array in self._before.outputs]
        part = Graph(needed, shapes, behind, [end])
        self._differential = Differential(
            part, batch_size, model.parameters, mode="infer", wanted=[start]
        )

    def __call__(self, x: ArrayLike, target: Any = None) -> Gradients:
        """For samples `x` (batch_size, ...); see `gradients`."""
        plan, before = self._differential, self._before
        x = fit_samples(real_array(x, "`x`"), self._input_shape)
        if len(x) != self._batch_size:
            raise ValueError(f"`x` must hold {self._batch_size} samples, received {len(x)}")
        np.copyto(before.inputs[0], x, casting="unsafe")
        before.run()
        for place, values in zip(plan.inputs, before.outputs, strict=True):
            place[...] = values
        _fill(plan.output_gradients[0], target)
        plan.run()
        return Gradients(
            plan.outputs[0].copy(), before.outputs[0].copy(), plan.input_gradients[0].copy()
        )


def _fill(dy: np.ndarray, target: Any) -> None:
    """The gradient of the number that is differentiated, with respect to the output."""
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


def _traced(model: Model) -> tuple[Graph, dict[str, int]]:
    """The model's graph, and the value that each layer makes; the last, if it is called again."""
    network, graph = model.network, Graph()
    if len(network.inputs) != 1:
        raise ValueError(f"`model` must have one input, received {len(network.inputs)}")
    tensors = network.trace(graph, [graph.input(network.inputs[0].shape[1:])])
    graph.outputs = [tensors[tensor] for tensor in network.outputs]
    # A layer inside of a model inside of this one is not among them, nor is the input.
    calls = {layer.name: network.calls_of(layer)[-1] for layer in model.layers}
    return graph, {n: tensors[call.outputs[0]] for n, call in calls.items() if call.inputs}


def _name(layer: Layer | str, values: dict[str, int], model: Model) -> str:
    name = layer if isinstance(layer, str) else getattr(layer, "name", None)
    if name not in values:
        raise ValueError(f"{model.name!r} has no layer {name!r}; there are {list(values)}")
    return name


def _plan(model: Model, graph: Graph, batch_size: int, wanted: list[int]) -> Plan:
    """A plan that gives values of the graph."""
    return Plan(replace(graph, outputs=wanted), batch_size, model.parameters)


def _before_softmax(graph: Graph, value: int) -> int:
    maker = graph.makers().get(value)
    return maker.inputs[0] if maker and maker.node == nodes.Softmax() else value


def _behind(graph: Graph, start: int, end: int) -> tuple[list, list[int]]:
    """The nodes through which `end` depends on `start`, and the other values that these need."""
    reached, forward = {start}, []
    for application in graph.applications:
        if not reached.isdisjoint(application.inputs):
            reached.add(application.output)
            forward.append(application)
    wanted, kept = {end}, []
    for application in reversed(forward):
        if application.output in wanted:
            wanted.update(application.inputs)
            kept.append(application)
    if start not in wanted:
        raise ValueError("`output` must depend on `wrt`, but comes before it or beside it")
    return kept[::-1], sorted(wanted - reached)
