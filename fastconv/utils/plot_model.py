"""A picture of a model in a file."""

from __future__ import annotations

import os
from typing import Any

from fastconv.common.arguments import number


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = True,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Save the picture that `fastconv.viz.model_graph` draws, and return its figure.

    Args:
        model: a built model.
        to_file: path that ends in ".png", ".pdf" or ".svg".
        show_shapes, show_layer_names: accepted; the picture always shows both.
        rankdir: must be "TB", from top to bottom.
        dpi: pixels per inch.
        show_dtype, expand_nested, show_layer_activations, show_trainable: must be False.

    Needs Matplotlib (`pip install 'fastconv[viz]'`).

    Raises ValueError for an option that is not possible, or a model that is not built.
    """
    from fastconv.viz import model_graph

    fixed = {
        "show_dtype": (show_dtype, False),
        "rankdir": (rankdir, "TB"),
        "expand_nested": (expand_nested, False),
        "show_layer_activations": (show_layer_activations, False),
        "show_trainable": (show_trainable, False),
    }
    for name, (value, supported) in fixed.items():
        if value != supported:
            raise ValueError(f"`{name}` must be {supported!r}, received {value!r}")
    figure = model_graph(model)
    figure.savefig(to_file, dpi=number(dpi, "dpi", 0, above=True), bbox_inches="tight")
    return figure
