"""The table that `model.summary()` prints."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fastconv.parameters import Variable

if TYPE_CHECKING:
    from fastconv.models import Sequential

_HEADER = ("Layer (type)", "Output Shape", "Param #")
_POSITIONS = (0.45, 0.80, 1.0)  # where the columns end, relative to the line
_LINE_LENGTH = 88
_NONE, _NUMBER, _TYPE = "color(45)", "color(34)", "color(33)"


def print_summary(
    model: Sequential,
    line_length: int | None = None,
    positions: tuple[float, ...] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    show_trainable: bool = False,
) -> None:
    """Print layers, output shapes and parameters of `model`, as Keras does.

    Args:
        line_length: of the table; by default what fits the terminal, at most 88.
        positions: where the columns end, as parts of the line.
        print_fn: called once with the whole text instead of printing it.
        show_trainable: one more column, Y or N for layers with weights.

    Raises ValueError if the columns have no room.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    header, widest = _HEADER, _LINE_LENGTH
    positions = positions or _POSITIONS
    if show_trainable:
        header, widest = (*_HEADER, "Trainable"), _LINE_LENGTH + 12
        positions = (*(0.9 * position for position in _POSITIONS), 1.0)
    line_length = line_length or min(widest, shutil.get_terminal_size().columns - 4)
    ends = [0, *(int(position * line_length) for position in positions)]
    widths = [end - start for start, end in pairwise(ends)]
    if min(widths) < 4:
        raise ValueError(f"`line_length` {line_length} leaves columns of {widths}, 4 is the least")
    justify = dict(zip(_HEADER, ("left", "left", "right"), strict=True))
    table = Table(
        *(
            Column(name, justify=justify.get(name, "center"), width=width)
            for name, width in zip(header, widths, strict=True)
        ),
        width=line_length,
        show_lines=True,
    )
    for layer in model.layers:
        shape, count = "?", f"{_color(0)} (unbuilt)"
        if layer.built:
            shape = f"({', '.join(_color(size) for size in layer.output_shape)})"
            count = _color(f"{layer.count_params():,}")
        row = [f"{escape(layer.name)} ([{_TYPE}]{type(layer).__name__}[/])", shape, count]
        if show_trainable:
            row.append(("Y" if layer.trainable else "N") if layer.weights else "-")
        table.add_row(*row)

    plain = {"force_terminal": False, "color_system": None} if print_fn else {}
    console = Console(highlight=False, **plain)
    if print_fn:
        console.begin_capture()
    console.print(f'[bold]Model: "{escape(model.name)}"[/]')
    console.print(table)
    optimizer = model.optimizer
    slots = 0
    if optimizer is not None and optimizer.built:
        slots = sum(array.size for _, array in optimizer.variables)
    totals = {
        "Total": _count(model.weights) + slots,
        "Trainable": _count(model.trainable_weights),
        "Non-trainable": _count(model.non_trainable_weights),
    }
    if slots:
        totals["Optimizer"] = slots
    for what, total in totals.items():
        console.print(f"[bold] {what} params: [/]{_color(f'{total:,}')} ({_memory(4 * total)})")
    if print_fn:
        print_fn(console.end_capture())


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
