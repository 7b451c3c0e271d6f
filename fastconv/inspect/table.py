"""A report as tables for the terminal, made with rich."""

from __future__ import annotations

from html import escape as escaped
from typing import Any

from fastconv.common import html
from fastconv.inspect.report import LayerReport, ModelReport
from fastconv.inspect.units import human_bytes

_WIDTH = 150  # of text that goes to no terminal
# Of a console whose text is wanted; in a notebook it would display it as well.
_PLAIN = {"force_terminal": False, "force_jupyter": False, "color_system": None}
_NARROW = 110  # below this width, formulas and names do not fit into five columns


def print_tables(report: ModelReport) -> None:
    """Print the tables in the width of the terminal; where it is narrow, layers as paragraphs."""
    console = _console()
    console.print(renderables(report, narrow=console.width < _NARROW))


def plain_text(report: ModelReport) -> str:
    """The tables as plain text."""
    console = _console(plain=True)
    with console.capture() as capture:
        console.print(renderables(report, narrow=html.in_notebook()))
    return capture.get().rstrip("\n")


def html_text(report: ModelReport) -> str:
    """The tables as HTML."""
    tables = [_layers(report), _memory(report)]
    if report.peak_gflops is not None:
        tables.append(_timings(report))
    notes = _notes(report)
    text = "" if notes is None else f"<p>{escaped(notes.plain)}</p>".replace("\n", "<br>")
    return html.of_table(tables[0]) + text + "".join(map(html.of_table, tables[1:]))


def renderables(report: ModelReport, narrow: bool = False) -> Any:
    """The tables, one below the other, for a rich console."""
    from rich.console import Group

    layers = _layers_as_paragraphs(report) if narrow else _layers(report)
    parts = [layers, _notes(report), _memory(report)]
    if report.peak_gflops is not None:
        parts.append(_timings(report))
    if report.scaling is not None:
        parts.append(f"\n{report.scaling}")
    return Group(*(part for part in parts if part is not None))


def _layers(report: ModelReport) -> Any:
    from rich.markup import escape
    from rich.table import Table

    shapes = ", ".join(f"{name} {_sizes(shape)}" for name, shape in report.inputs.items())
    table = Table(
        title=f"{escape(report.model_name)} on {escape(shapes)}",
        title_justify="left",
        show_lines=True,
    )
    table.add_column("layer", overflow="fold")
    table.add_column("output", overflow="fold")
    table.add_column("parameters", justify="right", overflow="fold")
    table.add_column("multiply-adds", justify="right", overflow="fold")
    table.add_column("sees of the input", overflow="fold")
    for layer in report.layers:
        table.add_row(
            f"{escape(layer.name)}\n({layer.kind})",
            "\n".join([f"[bold]{_sizes(layer.output_shape)}[/]", *layer.output_formulas]),
            layer.parameter_formula + (" (shared)" if layer.shared else ""),
            "\n".join(layer.multiply_add_formulas) or "-",
            _seen(layer),
        )
    table.add_row(
        "[bold]all[/]",
        "",
        f"[bold]{report.parameters:,}[/]",
        f"[bold]{report.multiply_adds:,}[/]",
        "",
    )
    return table


def _layers_as_paragraphs(report: ModelReport) -> Any:
    from rich.markup import escape
    from rich.text import Text

    shapes = ", ".join(f"{name} {_sizes(shape)}" for name, shape in report.inputs.items())
    lines = [f"[italic]{escape(report.model_name)} on {escape(shapes)}[/]"]
    for layer in report.layers:
        lines.append(f"\n[bold]{escape(layer.name)}[/] ({layer.kind})")
        shared = " (shared)" if layer.shared else ""
        values = [("output", _sizes(layer.output_shape))]
        values += [("", formula) for formula in layer.output_formulas]
        values.append(("parameters", layer.parameter_formula + shared))
        values += [("multiply-adds", formula) for formula in layer.multiply_add_formulas]
        values.append(("sees", _seen(layer)))
        for name, value in values:
            for number, line in enumerate(value.split("\n")):
                lines.append(f"  {name if number == 0 else '':<14} {escape(line)}")
    lines.append(
        f"\n[bold]all: {report.parameters:,} parameters, "
        f"{report.multiply_adds:,} multiply-adds[/]\n"
    )
    return Text.from_markup("\n".join(lines))


def _seen(layer: LayerReport) -> str:
    return "-" if layer.receptive is None else layer.receptive.formula


def _notes(report: ModelReport) -> Any:
    from rich.markup import escape
    from rich.text import Text

    lines = [f"{layer.name}: {note}" for layer in report.layers for note in layer.notes]
    return Text.from_markup("\n".join(map(escape, lines))) if lines else None


def _memory(report: ModelReport) -> Any:
    from rich.table import Table

    memory, batch = report.memory, report.batch_size
    title = f"memory: batches of {batch}, {report.threads} threads"
    table = Table(title=title, title_justify="left")
    for heading in ("", "prediction", "training"):
        table.add_column(heading, justify="right" if heading else "left")

    def row(name: str, predicting: int | None, training: int | None, style: str = "") -> None:
        cells = ["-" if size is None else human_bytes(size) for size in (predicting, training)]
        table.add_row(name, *cells, style=style)

    row("on paper: all volumes", memory.activations, memory.activations)
    row("their gradients, as much again", None, memory.activations)
    row("parameters", memory.parameters, memory.parameters)
    row("on paper, in all", memory.recipe_prediction, memory.recipe_training, "bold")
    table.add_section()
    row("allocated: volumes and gradients", memory.prediction_arena, memory.training_arena)
    row("packed filters and scratch", memory.prediction_scratch, memory.training_scratch)
    row("parameters", memory.weights, memory.weights)
    row("gradients of the parameters", None, memory.gradients)
    row("the optimizer's slots", None, memory.slots)
    row("allocated, in all", memory.prediction, memory.training, "bold")
    return table


def _timings(report: ModelReport) -> Any:
    from rich.markup import escape
    from rich.table import Table

    title = (
        f"time for batches of {report.batch_size}; the peak of {report.threads} threads "
        f"is {report.peak_gflops:.0f} GFLOP/s"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("layer", no_wrap=True)
    for name in ("forward", "backward"):
        table.add_column(f"{name}, ms", justify="right", min_width=7)
        table.add_column("GFLOP/s", justify="right", min_width=5)
        table.add_column("% of peak", justify="right", min_width=4)
    for layer in report.layers:
        cells = []
        for name in ("forward", "backward"):
            timing = layer.timings.get(name)
            if timing is None:
                cells += ["-", "-", "-"]
                continue
            rates = (timing.gflops, timing.percent_of_peak)
            cells.append(f"{1e3 * timing.seconds:.3f}")
            cells += ["-" if rate is None else f"{rate:.0f}" for rate in rates]
        table.add_row(escape(layer.name), *cells)
    return table


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _console(plain: bool = False) -> Any:
    from rich.console import Console

    console = Console(highlight=False)
    if plain or not console.is_terminal:  # a file or a pipe has no width to fit
        options: dict[str, Any] = _PLAIN if plain else {}
        console = Console(highlight=False, width=_WIDTH, **options)
    return console
