"""Loss and metrics over the epochs of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastconv.viz.style import LINES, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def history(history: Any, metrics: Sequence[str] | None = None) -> Figure:
    """One curve per quantity, with that of the validation beside it.

    Args:
        history: what `fit` returns, or its dict {name: values per epoch}.
        metrics: which to draw, without "val_"; by default all.

    Raises ValueError if there is nothing to draw, or no such quantity.
    """
    logs = getattr(history, "history", history)
    known = list(dict.fromkeys(name.removeprefix("val_") for name in logs))
    chosen = known if metrics is None else list(metrics)
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise ValueError(f"`metrics` must be among {known}, received {unknown or chosen}")
    # The loss first, because training minimizes it.
    chosen.sort(key=lambda name: name != "loss")
    figure = new_figure(0.5 + 1.5 * len(chosen))
    for ax, name in zip(figure.subplots(len(chosen), squeeze=False)[:, 0], chosen, strict=True):
        for key, label, line in ((name, "training", 0), (f"val_{name}", "validation", 1)):
            if key in logs:
                epochs = range(1, len(logs[key]) + 1)
                ax.plot(epochs, logs[key], label=label, **LINES[line])
        ax.set_ylabel(name.replace("_", " "))
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    ax.set_xlabel("epoch")
    return figure
