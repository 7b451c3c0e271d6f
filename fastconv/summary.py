"""The table that `model.summary()` prints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, Protocol

from fastconv.common import html
from fastconv.layers.base import Layer
from fastconv.layers.symbolic import Call
from fastconv.parameters import Variable
from fastconv.serialization import class_name

# A column: header, alignment, end as a fraction of the line.
Head = tuple[str, Literal["left", "right", "center"], float]
_CHAIN: tuple[Head, ...] = (
    ("Layer (type)", "left", 0.45),
    ("Output Shape", "left", 0.80),
    ("Param #", "right", 1.0),
)
_GRAPH: tuple[Head, ...] = (
    ("Layer (type)", "left", 0.30),
    ("Output Shape", "left", 0.56),
    ("Param #", "right", 0.74),
    ("Connected to", "left", 1.0),
)
_CHAIN_LENGTH, _GRAPH_LENGTH = 88, 108
_NONE, _NUMBER, _TYPE = "color(45)", "color(34)", "color(33)"


class Network(Protocol):
    """The graph of a model."""

    @property
    def calls(self) -> list[Call]: ...

    def calls_of(self, layer: Layer) -> list[Call]: ...


class Summarized(Protocol):
    """The part of a model that the summary reads; inner models have it too."""

    @property
    def name(self) -> str: ...

    @property
    def built(self) -> bool: ...

    @property
    def all_layers(self) -> list[Layer]: ...

    @property
    def network(self) -> Network: ...

    @property
    def optimizer(self) -> Any: ...

    @property
    def weights(self) -> list[Variable]: ...

    @property
    def trainable_weights(self) -> list[Variable]: ...

    @property
    def non_trainable_weights(self) -> list[Variable]: ...


def print_summary(
    model: Summarized,
    line_length: int | None = None,
    positions: tuple[float, ...] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print layers, output shapes and parameters of `model`, as Keras does.

    If the layers are not a chain, another column lists the inputs of each layer as
    layer[number of the call][number of the output].

    Args:
        line_length: width of the table in characters; by default that of the terminal, at most 88
            (108 for graphs).
        positions: ends of the columns, as fractions of the line.
        print_fn: called once with the whole text instead of printing it.
        expand_nested: also show the layers of inner models.
        show_trainable: add a column, Y or N for layers with weights.
        layer_range: first and last layer to show, as two regular expressions that match the start
            of their names; the totals are those of all layers.

    Raises ValueError if a column is narrower than 4 characters, or no layer matches `layer_range`.
    """
    from rich.console import Console
    from rich.markup import escape

    table = _table(model, line_length, positions, expand_nested, show_trainable, layer_range)
    console = Console(highlight=False)
    if print_fn:  # the text is wanted; in a notebook the console would display it as well
        console = Console(
            highlight=False, force_terminal=False, force_jupyter=False, color_system=None
        )
    if print_fn:
        console.begin_capture()
    console.print(f'[bold]Model: "{escape(model.name)}"[/]')
    console.print(table)
    for line in _totals(model):
        console.print(line)
    if print_fn:
        print_fn(console.end_capture())


def html_summary(model: Summarized) -> str:
    """Return the summary of `model` as HTML, for notebooks."""
    from rich.markup import escape, render

    table = _table(model, _GRAPH_LENGTH)
    table.title = f'[bold]Model: "{escape(model.name)}"[/]'
    return html.of_table(table) + "<br>".join(render(line).plain for line in _totals(model))


def _table(
    model: Summarized,
    line_length: int | None = None,
    positions: tuple[float, ...] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> Any:
    """Return the table of layers."""
    from rich.markup import escape
    from rich.table import Column, Table

    graph = model.network if model.built and not _is_chain(model.network) else None
    columns, widest = (_GRAPH, _GRAPH_LENGTH) if graph else (_CHAIN, _CHAIN_LENGTH)
    ends = list(positions or (end for _, _, end in columns))
    header: list[tuple[str, Literal["left", "right", "center"]]]
    header = [(name, justify) for name, justify, _ in columns]
    if show_trainable:
        header, widest = [*header, ("Trainable", "center")], widest + 12
        ends = [*(0.9 * end for end in ends), 1.0]
    line_length = line_length or min(widest, shutil.get_terminal_size().columns - 4)
    edges = [0, *(int(end * line_length) for end in ends)]
    widths = [right - left for left, right in pairwise(edges)]
    if min(widths) < 4:
        raise ValueError(f"`line_length` {line_length} leaves columns of {widths}, 4 is the least")
    table = Table(
        *(
            Column(name, justify=justify, width=width)
            for (name, justify), width in zip(header, widths, strict=True)
        ),
        width=line_length,
        show_lines=True,
    )

    # Layers that are models have `layers` and `network`.
    def add_rows(layers: Sequence[Any], network: Network | None, prefix: str) -> None:
        for layer in layers:
            shape, count = "?", f"{_color(0)} (unbuilt)"
            if layer.built:
                shape = _shape(layer.output_shape)
                count = _color(f"{layer.count_params():,}")
            name = f"{prefix}{escape(layer.name)} ([{_TYPE}]{class_name(layer)}[/])"
            row = [name, shape, count]
            if graph:
                row.append(_connections(layer, network) if network else "-")
            if show_trainable:
                row.append(("Y" if layer.trainable else "N") if layer.weights else "-")
            table.add_row(*row)
            if expand_nested and hasattr(layer, "layers"):
                inner = layer.network if layer.built else None
                add_rows(layer.all_layers, inner, f"   {prefix.replace('└ ', '')}└ ")

    add_rows(_in_range(model.all_layers, layer_range), graph, "")

    return table


def _totals(model: Summarized) -> list[str]:
    """Return the lines below the table, in rich's markup."""
    optimizer = model.optimizer
    slots = 0
    if optimizer is not None and optimizer.built:
        slots = sum(array.size for _, array in optimizer._live_variables())
    totals = {
        "Total": _count(model.weights) + slots,
        "Trainable": _count(model.trainable_weights),
        "Non-trainable": _count(model.non_trainable_weights),
    }
    if slots:
        totals["Optimizer"] = slots
    lines = [
        f"[bold] {what} params: [/]{_color(f'{total:,}')} ({_memory(4 * total)})"
        for what, total in totals.items()
    ]
    quantization = getattr(model, "quantization", None)
    if quantization is not None:
        lines.append(f"[bold] Quantized to int8: [/]{len(quantization)} kernels")
    computes = getattr(model, "compute_dtype", "float32")
    if computes != "float32":
        lines.append(f"[bold] Computes in: [/]{computes}")
    return lines


def _in_range(layers: list[Layer], layer_range: Sequence[str] | None) -> list[Layer]:
    """Return the layers between two that the patterns in `layer_range` match, with both."""
    if layer_range is None:
        return layers
    ends = layer_range if isinstance(layer_range, (list, tuple)) else ()
    if len(ends) != 2 or not all(isinstance(end, str) for end in ends):
        raise ValueError(f"`layer_range` must be two names, received {layer_range!r}")
    places = [
        [place for place, layer in enumerate(layers) if re.match(end, layer.name)] for end in ends
    ]
    if not all(places):
        raise ValueError(
            f"`layer_range` must match names of layers, {[layer.name for layer in layers][:20]}, "
            f"received {layer_range!r}"
        )
    (first, *_), (*_, last) = places
    if first > last:
        (*_, last), (first, *_) = places
    return layers[first : last + 1]


def _is_chain(network: Network) -> bool:
    """Return whether the input of each call is the output of the preceding one, and no layer is
    called twice."""
    layers = [call.layer for call in network.calls]
    return len(set(layers)) == len(layers) and all(
        len(call.inputs) == 1 and call.inputs[0].call is before
        for before, call in pairwise(network.calls)
    )


def _connections(layer: Layer, network: Network) -> str:
    """Return the sources of the inputs of all calls of `layer`."""
    sources = []
    for call in network.calls_of(layer):
        for tensor in call.inputs:
            source = tensor.call.layer
            number = network.calls_of(source).index(tensor.call)
            sources.append(f"{source.name}\\[{_color(number)}]\\[{_color(tensor.index)}]")
    return ", ".join(sources) or "-"


def _shape(shape: Any) -> str:
    """Return the text of a shape, or of a list or dict of shapes."""
    if isinstance(shape, dict):
        return f"{{{', '.join(f'{key}: {_shape(each)}' for key, each in shape.items())}}}"
    if shape and isinstance(shape[0], (tuple, list)):
        return f"\\[{', '.join(map(_shape, shape))}]"
    return f"({', '.join(map(_color, shape))})"


def _count(variables: list[Variable]) -> int:
    return sum(variable.size for variable in variables)


def _color(value: Any) -> str:
    return f"[{_NONE if value is None else _NUMBER}]{value}[/]"


def _memory(nbytes: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if nbytes < 1024:
            return f"{nbytes:.2f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.2f} TB"
