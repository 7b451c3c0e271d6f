"""`explain`: from a model to the facts about it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from fastconv import runtime
from fastconv.common.arguments import normalize_int
from fastconv.inspect.explanation import Explanation
from fastconv.inspect.layer_calls import layer_calls
from fastconv.inspect.measurement import measured
from fastconv.inspect.memory import FLOAT, memory_of
from fastconv.inspect.report import LayerReport, Receptive
from fastconv.inspect.scaling import Link, Scaling, checked_links, checked_ranks
from fastconv.inspect.step_times import measured_step
from fastconv.inspect.steps import Value
from fastconv.layers.base import Layer
from fastconv.models import Model
from fastconv.shapes import sample_sizes


def explain(
    model: Model,
    batch_size: int = 1,
    measure: bool = False,
    ranks: int | Sequence[int] | None = None,
    network: float | Link | Sequence[float | Link] | None = None,
) -> Explanation:
    """The formula behind every number of a network, and its work, memory and time.

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
        ranks: numbers of ranks, such as 2 or (2, 4, 8), for which to predict the time of a training
            step of `batch_size` samples each (`Scaling`, with its formulas), from a step that is
            measured here. The model must be compiled.
        network: with `ranks`, the bandwidth of a rank in Gbit/s, or a `Link`, or several; by
            default 10, 25 and 100.

    Returns:
        an `Explanation`: print it, `show()` it, or take `to_dict()` or `figure()`. With `ranks`,
        `scaling` is a `Scaling`, which prints and draws itself, too.

    Raises:
        TypeError: `model` is not a model, or `batch_size` not an integer.
        ValueError: the model is not built, or `batch_size` is less than 1; with `ranks`, the model
            is not compiled, or a number of ranks or a bandwidth is too small.

    Without `measure` and `ranks` nothing is computed. Weights that are not drawn yet would be;
    under `fastconv.parameters.undrawn_weights()` they are not, and the largest networks cost
    nothing.

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
    inputs = {tensor.name: sample_sizes(tensor.shape) for tensor in model.network.inputs}
    first = _channel_axis(model)
    scaling = None
    if ranks is not None:
        if not model.compiled:
            raise ValueError("`ranks` needs a compiled model: call compile() first")
        numbers, links = checked_ranks(ranks), checked_links(network)
        scaling = Scaling(model.name, batch_size, measured_step(model, batch_size), numbers, links)
    elif network is not None:
        raise ValueError(f"`network` needs `ranks`, received {network!r} without it")
    reports, known = [], set()
    volumes = sum(prod(shape) for shape in inputs.values())
    calls = layer_calls(model)
    for call in calls:
        layer, work = call.layer, call.work
        shared = layer in known
        known.add(layer)
        size = 0 if work.arranges else prod(call.output.shape)
        volumes += size
        reports.append(
            LayerReport(
                name=call.name,
                kind=type(layer).__name__,
                output_shape=call.output.shape,
                output_formulas=tuple(work.sizes),
                parameters=layer.count_params(),
                parameter_formula=_parameter_formula(layer),
                shared=shared and bool(layer.weights),
                multiply_adds=work.multiply_adds,
                multiply_add_formulas=tuple(work.products),
                activation_bytes=FLOAT * batch_size * size,
                receptive=_receptive(call.output, inputs, first),
                windows=tuple(work.windows),
            )
        )
    memory = memory_of(model, batch_size, FLOAT * batch_size * volumes)
    peak = None
    if measure:
        reports, peak = measured(reports, calls, batch_size)
    return Explanation(
        model_name=model.name,
        batch_size=batch_size,
        inputs=inputs,
        layers=tuple(reports),
        memory=memory,
        threads=runtime.get_num_threads(),
        peak_gflops=peak,
        scaling=scaling,
    )


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
