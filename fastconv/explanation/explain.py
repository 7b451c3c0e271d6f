"""`explain`: from a model to what is to be said about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from fastconv import runtime
from fastconv.explanation.fields import own_field
from fastconv.explanation.memory import FLOAT, memory_of
from fastconv.explanation.report import Explanation, LayerReport, Receptive
from fastconv.explanation.steps import Value, follow
from fastconv.layers.base import Layer
from fastconv.models import Model
from fastconv.models.network import Network
from fastconv.shapes import normalize_int


def explain(model: Model, batch_size: int = 1, measure: bool = False) -> Explanation:
    """Where every number of a network comes from, and what the network costs.

    For every layer: how its output size follows from window, stride and padding; how its parameters
    and multiply-adds are counted; how much of the input one of its elements sees (the receptive
    field, over the paths that see most); and which rows and columns a stride leaves over. For the
    whole: the memory that predicting and training take, by the recipe of the lectures and as the
    plan allocates it.

    Args:
        model: a built `Model` or `Sequential`, compiled or not.
        batch_size: samples at a time; bytes are for so many.
        measure: also time the forward and the backward pass of every layer by itself, as GFLOP/s
            and as percent of the machine's multiply-add peak. Winograd's algorithm needs fewer
            multiplications than are counted here, so percentages may exceed 100.

    Returns:
        an `Explanation`: print it, `show()` it, or take `to_dict()` or `figure()`.

    Raises:
        TypeError: `model` is no model, `batch_size` no integer.
        ValueError: the model is not built, or `batch_size` is less than 1.

    Without `measure` nothing is computed. Weights that are not drawn yet would be; under
    `fastconv.parameters.undrawn_weights()` they are not, and the largest networks cost nothing.

    >>> import fastconv
    >>> from fastconv import zoo
    >>> explanation = fastconv.explain(zoo.mnist_cnn())
    >>> explanation["conv2d_2"].output_formulas[0], explanation["conv2d_2"].parameter_formula
    ('floor((13 + 2*0 - 3)/1) + 1 = 11', '3*3*32*64 + 64 = 18,496')
    >>> explanation["conv2d_3"].receptive.formula
    '18x18 = 324 of 784 = 41.3 %'
    """
    if not isinstance(model, Model):
        raise TypeError(f"`model` must be a Model, received {type(model).__name__}")
    model.check_built()
    batch_size = normalize_int(batch_size, "batch_size")
    inputs = {tensor.name: tensor.shape[1:] for tensor in model.network.inputs}
    first = _channel_axis(model)
    reports, known = [], set()
    volumes = sum(prod(shape) for shape in inputs.values())
    uses = list(_uses(model.network, "", _starts(inputs)))
    for use in uses:
        layer, work = use.layer, use.work
        shared = layer in known
        known.add(layer)
        size = 0 if work.arranges else prod(use.output.shape)
        volumes += size
        reports.append(
            LayerReport(
                name=use.name,
                kind=type(layer).__name__,
                output_shape=use.output.shape,
                output_formulas=tuple(work.sizes),
                parameters=layer.count_params(),
                parameter_formula=_parameter_formula(layer),
                shared=shared and bool(layer.weights),
                multiply_adds=work.multiply_adds,
                multiply_add_formulas=tuple(work.products),
                activation_bytes=FLOAT * batch_size * size,
                receptive=_receptive(use.output, inputs, first),
                windows=tuple(work.windows),
            )
        )
    memory = memory_of(model, batch_size, FLOAT * batch_size * volumes)
    peak = None
    if measure:
        from fastconv.explanation.measurement import measured

        reports, peak = measured(reports, uses, batch_size)
    return Explanation(
        model_name=model.name,
        batch_size=batch_size,
        inputs=inputs,
        layers=tuple(reports),
        memory=memory,
        threads=runtime.get_num_threads(),
        peak_gflops=peak,
    )


@dataclass
class Use:
    """One call of a layer: what goes in, what comes out, and what is done."""

    name: str
    layer: Layer
    input_shape: Any
    inputs: list[Value]
    output: Value
    work: Any


def _starts(inputs: dict[str, tuple[int, ...]]) -> list[Value]:
    return [
        Value(shape, {number: own_field(shape)}) for number, shape in enumerate(inputs.values())
    ]


def _uses(network: Network, prefix: str, starts: list[Value]) -> Iterator[Use]:
    """The calls of a network in order, those of models inside of it by names with a slash.

    Returns what comes out of the network.
    """
    of = dict(zip(network.inputs, starts, strict=True))
    for call in network.calls:
        if not call.inputs:
            continue
        name, layer = prefix + call.layer.name, call.layer
        arguments = [of[tensor] for tensor in call.inputs]
        inner = getattr(layer, "network", None)
        if inner is not None:
            results = yield from _uses(inner, f"{name}/", arguments)
        else:
            chain = layer.all_nodes(call.input_shape)
            output, work = follow(chain, arguments, call.outputs[0].shape[1:])
            yield Use(name, layer, call.input_shape, arguments, output, work)
            results = [output]
        of.update(zip(call.outputs, results, strict=True))
    return [of[tensor] for tensor in network.outputs]


def _channel_axis(model: Model) -> int:
    """Where the channels of the model's inputs are: before the axes of space or behind them."""
    first = any(getattr(layer, "channels_first", False) for layer in model.leaf_layers())
    return 0 if first else -1


def _receptive(
    value: Value, inputs: dict[str, tuple[int, ...]], channel_axis: int
) -> Receptive | None:
    """What an element of `value` sees of the input that it sees most of."""
    found = []
    for number, (name, shape) in enumerate(inputs.items()):
        if number not in value.fields:
            continue
        stretches = list(value.fields[number])
        sizes = list(shape)
        if len(shape) > 1:
            del stretches[channel_axis], sizes[channel_axis]
        seen = tuple(stretch.elements for stretch in stretches)
        found.append(Receptive(seen, tuple(sizes), name))
    return max(found, key=lambda receptive: receptive.share, default=None)


def _parameter_formula(layer: Layer) -> str:
    """The sizes of all weights multiplied and summed up."""
    if not layer.weights:
        return "0"
    terms = ["*".join(map(str, variable.shape)) or "1" for variable in layer.weights]
    formula, count = " + ".join(terms), f"{layer.count_params():,}"
    return formula if formula == count else f"{formula} = {count}"
