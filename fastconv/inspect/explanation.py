"""`Explanation`: the report about a model together with the ways to look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastconv.inspect.picture import draw
from fastconv.inspect.report import ModelReport
from fastconv.inspect.table import html_text, plain_text, print_tables, renderables


@dataclass(frozen=True, repr=False)
class Explanation(ModelReport):
    """A model, layer by layer; see `fastconv.explain`.

    Print it, or `show()` it with a title and totals in the width of the terminal; `to_dict()` is
    for programs, `figure()` for people.
    """

    def show(self) -> None:
        """Print the tables."""
        print_tables(self)

    def __repr__(self) -> str:
        return (
            f"<Explanation of {self.model_name}: {len(self.layers)} layers, "
            f"{self.parameters:,} parameters, {self.multiply_adds:,} multiply-adds>"
        )

    def __str__(self) -> str:
        return plain_text(self)

    def _repr_html_(self) -> str:
        return html_text(self)

    def __rich__(self) -> Any:
        return renderables(self)

    def figure(self) -> Any:
        """The network as a picture: sizes, work, parameters and receptive fields of every layer.

        Returns a `matplotlib.figure.Figure`. Raises ImportError without matplotlib, which
        `pip install 'fastconv[viz]'` brings.
        """
        return draw(self)
