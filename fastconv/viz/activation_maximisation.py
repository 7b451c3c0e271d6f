"""Activation maximisation: pictures that a filter likes best.

D. Erhan et al., "Visualizing Higher-Layer Features of a Deep Network", 2009: begin with noise, and
follow the gradient of the filter's mean answer. A slight blur after every step keeps the pictures
smooth (J. Yosinski et al., "Understanding Neural Networks Through Deep Visualization", arXiv
1506.06579).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv import filters, inspect
from fastconv.common.arguments import normalize_int
from fastconv.viz.style import as_picture, grid, new_figure, show, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def maximise(
    model: Any,
    layer: Any,
    channels: Sequence[int],
    *,
    steps: int = 60,
    rate: float = 0.1,
    blur: float = 0.4,
    limits: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
) -> np.ndarray:
    """Samples that make channels of a layer large.

    Args:
        model: a built model.
        layer: the layer, or its name.
        channels: which entries of the layer's last axis.
        steps: of ascent.
        rate: the root-mean-square size of a step, in units of the range of `limits`.
        blur: the `sigma` of the blur in pixels; 0 for none.
        limits: the smallest and the largest value a sample may have, as in the training data.
        seed: of the noise to begin with.

    Returns:
        (channels, H, W, C), float32. A channel without a gradient at the noise, such as a ReLU that
        is 0 everywhere, returns the noise.

    Raises ValueError for an unknown layer or channel, or a model whose input is not an image.
    """
    if len(model.input_shape) != 4:
        raise ValueError(f"`model` must take pictures (H, W, C), received {model.input_shape}")
    chosen, (low, high) = np.asarray(channels), limits
    if chosen.ndim != 1 or not chosen.size:
        raise ValueError("`channels` must be a list of at least one channel")
    derivative = inspect.Derivative(model, len(channels), output=layer)
    noise = np.random.default_rng(seed).normal(size=(len(channels), *model.input_shape[1:]))
    samples = ((low + high) / 2 + (high - low) * 0.05 * noise).astype(np.float32)
    kernel = filters.gaussian_blur(blur) if blur else None
    for _ in range(normalize_int(steps, "steps")):
        slope = derivative(samples, channels).gradient
        size = np.sqrt((slope**2).mean(axis=(1, 2, 3), keepdims=True))
        samples += rate * (high - low) * slope / np.maximum(size, 1e-12)
        if kernel is not None:
            samples = np.stack([filters.apply(sample, kernel) for sample in samples])
        samples = np.clip(samples, low, high)
    return samples


@styled
def activation_maximisation(
    model: Any,
    layer: Any,
    channels: Sequence[int] | None = None,
    *,
    columns: int = 4,
    **options: Any,
) -> Figure:
    """Those samples as pictures, by default of the first eight channels.

    Other arguments and errors are those of `maximise`.
    """
    name = layer if isinstance(layer, str) else layer.name
    if channels is None:
        channels = range(min(8, model.get_layer(name).output_shape[-1]))
    samples = maximise(model, layer, list(channels), **options)
    columns = min(columns, len(samples))
    height, width = samples.shape[1:3]
    rows = -(-len(samples) // columns)
    figure = new_figure(0.35 + rows * (0.22 + 4.4 / max(columns, 3) * height / width))
    for ax, channel, sample in zip(
        grid(figure, len(samples), columns), channels, samples, strict=True
    ):
        show(ax, as_picture(sample))
        ax.set_title(str(channel))
    figure.suptitle(f"{name}: what each channel likes best")
    return figure
