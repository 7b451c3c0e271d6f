"""Random changes of the values of images in training: brightness, contrast, colour, sharpness.

A layer defines `draw`, the random numbers for a batch, and `apply`, a function of the images and of
these numbers in NumPy. Every image has its own numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.arguments import normalize_int, number
from fastconv.common.literals import DataFormat
from fastconv.layers import colors
from fastconv.layers.augmenting import (
    Augmenting,
    chosen,
    factor_range,
    per_image,
    three_channels,
    value_pair,
)
from fastconv.layers.custom import CustomLayer
from fastconv.layers.spatial import Image

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions

EPSILON = 1e-7

_NO_GRADIENT = "it has no gradient; put it before all layers with weights"


class _Valued(Augmenting):
    """Base class of layers with one random number per image, and a range of values.

    `bounds` are those of `factor`; a single number is (-factor, factor) cut to them.
    """

    settings: tuple[str, ...] = ("factor", "value_range")

    bounds: tuple[float, float] = (0.0, 1.0)
    colours = False  # needs images with three channels

    def __init__(
        self,
        factor: Any,
        value_range: tuple[float, float] = (0, 255),
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        self.factor: tuple[float, float] = factor_range(factor, "factor", self.bounds)
        self.value_range: tuple[float, float] = value_pair(value_range)

    def image_output(self, image: Image) -> Image:
        return three_channels(image) if self.colours else image

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        return per_image(generator.uniform(*self.factor, count))

    def clipped(self, x: np.ndarray) -> np.ndarray:
        return np.clip(x, *self.value_range)


class RandomBrightness(_Valued):
    """In training, adds a random number to every image, and clips it to the range of values.

    Args:
        factor: largest change as a fraction of the range, or (lower, upper), -1 to 1.
        value_range: (lowest, highest) value of images.
        seed: as in `Dropout`.
        data_format: None or "channels_last", or "channels_first".

    Raises ValueError for numbers out of range, TypeError for values that are not numbers.
    """

    bounds: tuple[float, float] = (-1.0, 1.0)

    def __init__(
        self,
        factor: Any,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(factor, value_range, data_format, seed, **common)

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        low, high = self.value_range
        return super().draw(generator, count, image) * np.float32(high - low)

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        return self.clipped(x + drawn)


class RandomContrast(_Valued):
    """In training, moves every channel of an image away from or towards its mean.

    Args:
        factor: the distances from the mean are multiplied by a number from 1 - factor to
            1 + factor, or from 1 - lower to 1 + upper for (lower, upper); 0 to 1. (Keras 3.15 takes
            one number for (0, factor).)
        value_range, seed, data_format: as in `RandomBrightness`.

    Raises the errors of `RandomBrightness`.
    """

    def __init__(
        self,
        factor: Any,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(factor, value_range, data_format, seed, **common)
        if not isinstance(factor, (tuple, list)):
            self.factor: tuple[float, float] = (self.factor[1], self.factor[1])

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        return per_image(generator.uniform(1 - self.factor[0], 1 + self.factor[1], count))

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        mean = x.mean(axis=(1, 2), keepdims=True)
        return self.clipped((x - mean) * drawn + mean)


class RandomHue(_Valued):
    """In training, turns the hue of every image.

    Args:
        factor: largest part of half a turn, or (lower, upper), 0 to 1; in both directions.
        value_range, data_format, seed: as in `RandomBrightness`.

    Raises the errors of `RandomBrightness`; ValueError for images without three channels.
    """

    colours = True

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        sign = np.where(generator.random(count) > 0.5, -1, 1)
        return per_image(generator.uniform(*self.factor, count) * sign / 2)

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        hsv = colors.rgb_to_hsv(colors.to_range(x, self.value_range, (0, 1)))
        hue = hsv[..., 0] + drawn[..., 0]
        hue = np.where(hue > 1, hue - 1, hue)
        hsv[..., 0] = np.where(hue < 0, hue + 1, hue)
        return colors.to_range(np.clip(colors.hsv_to_rgb(hsv), 0, 1), (0, 1), self.value_range)


class RandomSaturation(_Valued):
    """In training, multiplies the saturation of every image by f / (1 - f).

    Args:
        factor: (lower, upper) of f, or the upper end with 0 as the lower; 0 to 1. 0 makes grey
            images, 0.5 leaves them unchanged.
        value_range, data_format, seed: as in `RandomBrightness`.

    Raises the errors of `RandomHue`.
    """

    colours = True

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        factor = super().draw(generator, count, image)
        return factor / (1 - factor + np.float32(EPSILON))

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        hsv = colors.rgb_to_hsv(x)
        hsv[..., 1] = self.clipped(hsv[..., 1] * drawn[..., 0])
        return colors.hsv_to_rgb(hsv)


class RandomColorDegeneration(_Valued):
    """In training, mixes every image with its grey values.

    Args:
        factor: largest share of the grey values, or (lower, upper), 0 to 1.
        value_range, data_format, seed: as in `RandomBrightness`.

    Raises the errors of `RandomHue`.
    """

    colours = True

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        return self.clipped(x + drawn * (colors.grey(x) - x))


class RandomSharpness(_Valued):
    """In training, sharpens or blurs every image.

    Args:
        factor: (lower, upper), or the upper end with 0 as the lower; 0 to 1: 0 blurs, 0.5 leaves
            the image unchanged, 1 sharpens.
        value_range, data_format, seed: as in `RandomBrightness`.

    Raises the errors of `RandomBrightness`.
    """

    KERNEL = np.where(np.arange(9).reshape(3, 3) == 4, 5, 1) / 13

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        return self.clipped(x + (1 - 2 * drawn) * (colors.smoothed(x, self.KERNEL) - x))


class RandomPosterization(_Valued):
    """In training, keeps the highest bits of the values of every image.

    Args:
        factor: number of bits, or (lower, upper) of it, upper excluded; 1 to 8.
        value_range, data_format, seed: as in `RandomBrightness`.

    Raises the errors of `RandomBrightness`.
    """

    bounds: tuple[int, ...] = (1, 8)

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        low, high = map(int, self.factor)
        bits = generator.integers(low, high, count) if high > low else np.full(count, low)
        return (8 - bits).astype(np.uint8).reshape(-1, 1, 1, 1)

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        whole = colors.to_range(x, self.value_range, (0, 255)).astype(np.uint8)
        kept = (whole >> drawn << drawn).astype(x.dtype)
        return colors.to_range(kept, (0, 255), self.value_range)


class RandomInvert(_Valued):
    """In training, replaces x by the highest value minus x with a random probability.

    Args:
        factor: the probability, drawn from 0 to `factor`, or (lower, upper) of it; 0 to 1.
        value_range, seed, data_format: as in `RandomBrightness`.

    Raises the errors of `RandomBrightness`.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(factor, value_range, data_format, seed, **common)

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        return chosen(generator, self.factor, count)

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        return np.where(drawn, np.float32(self.value_range[1]) - x, x)


class RandomGrayscale(Augmenting):
    """In training, replaces an image by its grey values, in all channels, with a probability.

    Args:
        factor: the probability, 0 to 1.
        data_format, seed: as in `RandomBrightness`.

    Raises the errors of `RandomHue`.
    """

    settings: tuple[str, ...] = ("factor",)

    def __init__(
        self,
        factor: float = 0.5,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        self.factor: float = number(factor, "factor", 0, 1)

    def image_output(self, image: Image) -> Image:
        return three_channels(image)

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        return (generator.random(count) < self.factor).reshape(-1, 1, 1, 1)

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        return np.where(drawn, colors.grey(x), x)


class Solarization(Augmenting):
    """In training, adds a random number to the values and inverts those above a threshold.

    Args:
        addition_factor: largest number, as a fraction of the range of values, or (lower, upper).
        threshold_factor: the same for the threshold.
        value_range, seed, data_format: as in `RandomBrightness`.

    Raises the errors of `RandomBrightness`.
    """

    settings: tuple[str, ...] = ("addition_factor", "threshold_factor", "value_range")

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        self.addition_factor: tuple[float, float] = factor_range(addition_factor, "addition_factor")
        self.threshold_factor: tuple[float, float] = factor_range(
            threshold_factor, "threshold_factor"
        )
        self.value_range: tuple[float, float] = value_pair(value_range)

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        # The lower end is not scaled, as in Keras.
        return tuple(
            per_image(generator.uniform(low, high * 255, count))
            for low, high in (self.addition_factor, self.threshold_factor)
        )

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        addition, threshold = drawn
        x = np.clip(colors.to_range(x, self.value_range, (0, 255)) + addition, 0, 255)
        return colors.to_range(np.where(x < threshold, x, 255 - x), (0, 255), self.value_range)


class RandomColorJitter(Augmenting):
    """In training, changes brightness, contrast, saturation and hue, in this order.

    Args:
        value_range: as in `RandomBrightness`.
        brightness_factor, contrast_factor, saturation_factor, hue_factor: `factor` of
            `RandomBrightness`, `RandomContrast`, `RandomSaturation`, `RandomHue`; None to leave
            that out.
        seed, data_format: as in `RandomBrightness`.

    Raises the errors of these layers.
    """

    settings: tuple[str, ...] = (
        "value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor",
    )  # fmt: skip

    brightness_factor: Any
    contrast_factor: Any
    saturation_factor: Any
    hue_factor: Any

    def __init__(
        self,
        value_range: tuple[float, float] = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        self.value_range: tuple[float, float] = value_pair(value_range)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        kinds = {
            RandomBrightness: brightness_factor,
            RandomContrast: contrast_factor,
            RandomSaturation: saturation_factor,
            RandomHue: hue_factor,
        }
        self._parts = [
            kind(factor, self.value_range, seed=0)
            for kind, factor in kinds.items()
            if factor is not None
        ]

    def image_output(self, image: Image) -> Image:
        for part in self._parts:
            image = part.image_output(image)
        return image

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        return [part.draw(generator, count, image) for part in self._parts]

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        for part, numbers in zip(self._parts, drawn, strict=True):
            x = part.apply(x, numbers)
        return x


class RandomGaussianBlur(_Valued):
    """In training, smooths an image with a random probability.

    Args:
        factor: the probability, drawn from 0 to `factor`, or (lower, upper) of it; 0 to 1.
        kernel_size: odd number of rows and columns, or one of each.
        sigma: largest standard deviation in pixels, drawn for each axis and the whole batch, or
            (lower, upper); 0 to 1.
        value_range, data_format, seed: as in `RandomBrightness`.

    Raises the errors of `RandomBrightness`, and ValueError for even sizes.
    """

    settings: tuple[str, ...] = ("kernel_size", "sigma")

    kernel_size: tuple[int, int]
    sigma: tuple[float, float]

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: int | tuple[int, int] = 3,
        sigma: Any = 1.0,
        value_range: tuple[float, float] = (0, 255),
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(factor, value_range, data_format, seed, **common)
        sizes = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * 2
        sizes = tuple(normalize_int(size, "kernel_size") for size in sizes)
        if len(sizes) != 2 or not all(size % 2 for size in sizes):
            raise ValueError(
                f"`kernel_size` must be one odd number or two, received {kernel_size!r}"
            )
        self.kernel_size, self.sigma = sizes, factor_range(sigma, "sigma")

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        blurred = chosen(generator, self.factor, count)
        return blurred, tuple(generator.uniform(*self.sigma, 2) + 1e-6)

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        blurred, (across, down) = drawn
        # As in Keras, the first size and deviation belong to the columns.
        bells = [_bell(*each) for each in zip(self.kernel_size, (across, down), strict=True)]
        kernel = np.outer(bells[1], bells[0]).reshape(self.kernel_size)
        return self.clipped(np.where(blurred, colors.smoothed(x, kernel), x))


def _bell(size: int, sigma: float) -> np.ndarray:
    places = np.arange(size) - (size - 1) / 2
    values = np.exp(-0.5 * (places / sigma) ** 2)
    return values / values.sum()


class AutoContrast(CustomLayer):
    """Stretches every channel of an image to the range of values, in training or not.

    A channel of one value stays as it is. Images are (batch, height, width, channels).

    Args:
        value_range: as in `RandomBrightness`.

    Raises the errors of `RandomBrightness`; the layer has no gradient.
    """

    settings: tuple[str, ...] = ("value_range",)

    def __init__(self, value_range: tuple[float, float] = (0, 255), **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.value_range: tuple[float, float] = value_pair(value_range)

    def forward(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        return self.apply(x), None

    def backward(self, dy: np.ndarray, saved: Any) -> tuple[np.ndarray, list[Any]]:
        raise ValueError(f"layer {self.name!r}: {_NO_GRADIENT}")

    # The methods by which `RandAugment` uses it.

    def draw_for(self, generator: np.random.Generator, count: int, image: Any) -> None:
        return None

    def apply(self, x: np.ndarray, drawn: None = None) -> np.ndarray:
        low, high = (end(x, axis=(1, 2), keepdims=True) for end in (np.min, np.max))
        scale = np.float32(255) / np.where(high > low, high - low, np.float32(1))
        stretched = colors.to_range(np.clip((x - low) * scale, 0, 255), (0, 255), self.value_range)
        return np.where(high > low, stretched, x)

    def apply_to_masks(self, masks: np.ndarray, drawn: None) -> np.ndarray:
        return masks


class Equalization(Augmenting):
    """In training, equalizes the histogram of every channel, that of the whole batch, as in Keras.

    Args:
        value_range, data_format: as in `RandomBrightness`.
        bins: number of bins of the histograms.

    Raises the errors of `RandomBrightness`.
    """

    value_range: tuple[float, float]
    bins: int

    def __init__(
        self,
        value_range: tuple[float, float] = (0, 255),
        bins: int = 256,
        data_format: DataFormat | None = None,
        **common: Any,
    ):
        super().__init__(data_format, **common)
        self.value_range, self.bins = value_pair(value_range), normalize_int(bins, "bins")

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        return None

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        x = colors.equalized(colors.to_range(x, self.value_range, (0, 255)), self.bins)
        return colors.to_range(x, (0, 255), self.value_range)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {"value_range": list(self.value_range), "bins": self.bins}
        del config["seed"]  # not an argument of Keras's layer
        return config
