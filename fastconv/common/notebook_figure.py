"""A figure that a notebook displays when it is the value of a cell, as it does pyplot's.

Without pyplot nothing registers matplotlib's figures with IPython, which then shows their text. A
format that is registered (`%matplotlib inline`) precedes the method.
"""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A `Figure` with a picture for notebooks."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
