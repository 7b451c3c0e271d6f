"""An explanation as tables for the terminal, made with rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv.explanation.report import human_bytes

if TYPE_CHECKING:
    from fastconv.explanation.report import Explanation, LayerReport

_WIDTH = 150  # of text that goes to no terminal


def print_explanation(explanation: Explanation) -> None:
    """Print the tables in the width of the terminal."""
    _console().print(renderables(explanation))


def explanation_text(explanation: Explanation) -> str:
    """The tables as plain text."""
    console = _console(plain=True)
    with console.capture() as capture:
        console.print(renderables(explanation))
    return capture.get().rstrip("\n")


def renderables(explanation: Explanation) -> Any:
    """The tables, one below the other, for a rich console."""
    from rich.console import Group

    parts = [_layers(explanation), _notes(explanation), _memory(explanation)]
    if explanation.peak_gflops is not None:
        parts.append(_timings(explanation))
    return Group(*(part for part in parts if part is not None))


def _layers(explanation: Explanation) -> Any:
    from rich.markup import escape
    from rich.table import Table

    shapes = ", ".join(f"{name} {_sizes(shape)}" for name, shape in explanation.inputs.items())
    table = Table(
        title=f"{escape(explanation.model_name)} on {escape(shapes)}",
        title_justify="left",
        show_lines=True,
    )
    table.add_column("layer", overflow="fold")
    table.add_column("output", overflow="fold")
    table.add_column("parameters", justify="right", overflow="fold")
    table.add_column("multiply-adds", justify="right", overflow="fold")
    table.add_column("sees of the input", overflow="fold")
    for layer in explanation.layers:
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
        f"[bold]{explanation.parameters:,}[/]",
        f"[bold]{explanation.multiply_adds:,}[/]",
        "",
    )
    return table


def _seen(layer: LayerReport) -> str:
    return "-" if layer.receptive is None else layer.receptive.formula


def _notes(explanation: Explanation) -> Any:
    from rich.markup import escape
    from rich.text import Text

    lines = [f"{layer.name}: {note}" for layer in explanation.layers for note in layer.notes]
    return Text.from_markup("\n".join(map(escape, lines))) if lines else None


def _memory(explanation: Explanation) -> Any:
    from rich.table import Table

    memory, batch = explanation.memory, explanation.batch_size
    title = f"memory: batches of {batch}, {explanation.threads} threads"
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


def _timings(explanation: Explanation) -> Any:
    from rich.markup import escape
    from rich.table import Table

    title = (
        f"time for batches of {explanation.batch_size}; the peak of {explanation.threads} threads "
        f"is {explanation.peak_gflops:.0f} GFLOP/s"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("layer", overflow="fold")
    for name in ("forward", "backward"):
        table.add_column(f"{name}, ms", justify="right")
        table.add_column("GFLOP/s", justify="right")
        table.add_column("% of peak", justify="right")
    for layer in explanation.layers:
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
        options = {"force_terminal": False, "color_system": None} if plain else {}
        console = Console(highlight=False, width=_WIDTH, **options)
    return console
