"""Augmentation by erasing and mixing whole parts of images, and by random choices of other layers.

RandomErasing       a box gets a value or noise
MixUp, CutMix       two images of a batch are blended, or a box of one gets that of another
RandAugment         some of eleven augmentations in a row
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.arguments import normalize_int, number
from fastconv.common.literals import DataFormat, Interpolation
from fastconv.layers.augmentation import RandomRotation, RandomShear, RandomTranslation
from fastconv.layers.augmenting import (
    Augmenting,
    chosen,
    factor_range,
    per_image,
    three_channels,
    value_pair,
)
from fastconv.layers.color import (
    AutoContrast,
    Equalization,
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
    RandomSharpness,
    Solarization,
)
from fastconv.layers.reshaping import check_interpolation
from fastconv.layers.spatial import Image

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class RandomErasing(Augmenting):
    """In training, fills a random box of an image with a random probability.

    Args:
        factor: the probability, drawn from 0 to `factor`, or (lower, upper) of it; 0 to 1.
        scale: squares of the width and of the height of the box, as fractions of the image, are
            drawn from (lower, upper), or from 0 to a number; 0 to 1.
        fill_value: a number, or one for each of three channels; None for normal noise with the
            highest value as its standard deviation. Clipped to the range of values.
        value_range: (lowest, highest) value of images.
        seed: as in `Dropout`.
        data_format: None or "channels_last", or "channels_first".

    Raises ValueError for numbers out of range, TypeError for values that are not numbers.
    """

    settings: tuple[str, ...] = ("factor", "scale", "fill_value", "value_range")

    factor: tuple[float, float]
    scale: tuple[float, float]

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        self.factor, self.scale = factor_range(factor, "factor"), factor_range(scale, "scale")
        self.value_range: tuple[float, float] = value_pair(value_range)
        several = isinstance(fill_value, (tuple, list))
        if several and len(fill_value) != 3:
            raise ValueError(f"`fill_value` must be one number or three, received {fill_value!r}")
        for value in fill_value if several else [] if fill_value is None else [fill_value]:
            number(value, "fill_value")
        self.fill_value: Any = list(fill_value) if several else fill_value

    def image_output(self, image: Image) -> Image:
        return three_channels(image) if isinstance(self.fill_value, list) else image

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        sides = np.sqrt(generator.uniform(*self.scale, (2, count)))
        boxes = random_boxes(generator, sides, image)
        erased = chosen(generator, self.factor, count)
        fill: Any = self.fill_value
        if fill is None:
            noise = generator.standard_normal((count, *image), np.float32)
            fill = noise * np.float32(self.value_range[1])
        return erased, boxes, np.clip(np.array(fill, np.float32, ndmin=4), *self.value_range)

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        erased, boxes, fill = drawn
        return np.where(erased & inside(boxes, x.shape), fill, x)


class MixUp(Augmenting):
    """In training, blends every image of a batch with another one (Zhang et al., arXiv 1710.09412).

    Call it on `{"images": images, "labels": labels}`, arrays with one-hot labels, for example in
    `Dataset.map`: labels and segmentation masks are blended as the images are.

    Args:
        alpha: the share of an image has the distribution Beta(alpha, alpha); positive.
        data_format: None or "channels_last", or "channels_first".
        seed: as in `Dropout`.

    Raises ValueError for an `alpha` that is not positive, TypeError if it is not a number.

    >>> import numpy as np
    >>> from fastconv import layers
    >>> batch = {"images": np.zeros((2, 4, 4, 3)), "labels": np.eye(2)}
    >>> layers.MixUp(seed=1)(batch)["labels"].sum(axis=1)
    array([1., 1.])
    """

    settings: tuple[str, ...] = ("alpha",)

    mixes = True

    def __init__(
        self,
        alpha: float = 0.2,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        self.alpha: float = number(alpha, "alpha", 0, above=True)

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        return generator.permutation(count), generator.beta(self.alpha, self.alpha, count)

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        order, share = drawn
        share = per_image(share)
        return share * x + (1 - share) * x[order]

    def apply_to_labels(self, labels: Any, drawn: Any) -> np.ndarray:
        return blended(labels, *drawn)

    def apply_to_masks(self, masks: np.ndarray, drawn: Any) -> np.ndarray:
        return self.apply(masks.astype(np.float32), drawn)


class CutMix(Augmenting):
    """In training, replaces a box of every image by that of another image of the batch
    (Yun et al., arXiv 1905.04899). Labels are mixed by the areas; see `MixUp`.

    Args:
        factor: alpha of the distribution Beta(alpha, alpha) of the share of an image, drawn for
            every batch from 0 to `factor`, or from (lower, upper); 0 to 1.
        seed, data_format: as in `MixUp`.

    Raises ValueError for numbers out of range, TypeError for values that are not numbers.
    """

    settings: tuple[str, ...] = ("factor",)

    mixes = True

    def __init__(
        self,
        factor: Any = 1.0,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        self.factor: tuple[float, float] = factor_range(factor, "factor")

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        alpha = generator.uniform(*self.factor) + 1e-6
        side = np.sqrt(1 - generator.beta(alpha, alpha, count))
        boxes = random_boxes(generator, (side, side), image)
        left, right, top, bottom = boxes
        share = 1 - (right - left) * (bottom - top) / (image[0] * image[1])
        return generator.permutation(count), share, boxes

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        order, _, boxes = drawn
        return np.where(inside(boxes, x.shape), x[order], x)

    def apply_to_labels(self, labels: Any, drawn: Any) -> np.ndarray:
        return blended(labels, *drawn[:2])

    def apply_to_masks(self, masks: np.ndarray, drawn: Any) -> np.ndarray:
        return self.apply(masks, drawn)


class RandAugment(Augmenting):
    """In training, applies `num_ops` random augmentations in a row (Cubuk et al., arXiv
    1909.13719), the same ones for all images of a batch, with numbers of its own for each.

    They are shear, translation, rotation, brightness, colour degeneration, contrast, sharpness,
    posterization, solarization, automatic contrast and equalization.

    Args:
        value_range: (lowest, highest) value of images.
        num_ops: number of augmentations.
        factor: strength of all of them, or (lower, upper), 0 to 1.
        interpolation: "bilinear" or "nearest".
        seed: as in `Dropout`.
        data_format: None or "channels_last", or "channels_first".

    Raises ValueError for numbers out of range and images without three channels, TypeError for
    values that are not numbers.
    """

    settings: tuple[str, ...] = ("value_range", "num_ops", "factor", "interpolation")

    value_range: tuple[float, float]
    factor: tuple[float, float]

    def __init__(
        self,
        value_range: tuple[float, float] = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        self.value_range, self.factor = value_pair(value_range), factor_range(factor, "factor")
        self.num_ops: int = normalize_int(num_ops, "num_ops", minimum=0)
        self.interpolation: str = check_interpolation(interpolation)
        factor, values = self.factor, {"value_range": self.value_range, "seed": 0}
        moved = {"interpolation": self.interpolation, "seed": 0}
        self._choices = [
            RandomShear(factor, factor, **moved),
            RandomTranslation(factor, factor, **moved),
            RandomRotation(factor, **moved),
            RandomBrightness(factor, **values),
            RandomColorDegeneration(factor, **values),
            RandomContrast(factor, **values),
            RandomSharpness(factor, **values),
            RandomPosterization(max(1, int(8 * factor[1])), **values),
            Solarization(factor, factor, **values),
            AutoContrast(self.value_range),
            Equalization(self.value_range),
        ]

    def image_output(self, image: Image) -> Image:
        return three_channels(image)

    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        places = generator.integers(len(self._choices), size=self.num_ops)
        layers = [self._choices[place] for place in places]
        return [(layer, layer.draw_for(generator, count, image)) for layer in layers]

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        for layer, numbers in drawn:
            x = layer.apply(x, numbers)
        return x

    def apply_to_masks(self, masks: np.ndarray, drawn: Any) -> np.ndarray:
        for layer, numbers in drawn:
            masks = layer.apply_to_masks(masks, numbers)
        return masks


def random_boxes(
    generator: np.random.Generator, sides: Any, image: tuple[int, ...]
) -> tuple[np.ndarray, ...]:
    """Return left, right, top and bottom of one box per image, in pixels, with the `sides`
    (width, height) as fractions of the image."""
    ends = []
    for side, size in zip(sides, (image[1], image[0]), strict=True):
        length = side * size
        start = generator.random(len(length)) * (size - length)
        ends += [start, start + length]
    return tuple(ends)


def inside(boxes: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return which pixels of images of `shape` are in the boxes, (N, H, W, 1)."""
    left, right, top, bottom = (end.reshape(-1, 1, 1, 1) for end in boxes)
    rows = np.arange(shape[1]).reshape(-1, 1, 1)
    columns = np.arange(shape[2]).reshape(-1, 1)
    return (columns >= left) & (columns < right) & (rows >= top) & (rows < bottom)


def blended(labels: np.ndarray, order: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the one-hot `labels` (N, classes), `share` of each and the rest of the one in its
    place in `order`."""
    if labels.ndim != 2 or labels.dtype.kind not in "fiub":
        raise ValueError(
            f"labels must be one-hot, of shape (samples, classes), received shape {labels.shape}"
        )
    dtype = labels.dtype if labels.dtype.kind == "f" else np.float32
    labels, share = labels.astype(dtype, copy=False), share.astype(dtype)[:, None]
    return share * labels + (1 - share) * labels[order]
