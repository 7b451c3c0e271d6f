"""The base class of layers that change images at random by a function in NumPy.

A layer defines `draw`, the random numbers of a batch, and `apply`, a function of the images and of
these numbers. Every image has its own numbers.

A call on a dict of arrays changes the images, and what belongs to them by the same numbers:

    {"images": (N, H, W, C), "labels": ..., "segmentation_masks": (N, H, W, ...)}
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from fastconv.common import randomness
from fastconv.common.arguments import number
from fastconv.layers.regularization import Seeded
from fastconv.layers.spatial import Image, Spatial
from fastconv.plan import operations
from fastconv.plan.operations import Operation


class ImageDicts(Spatial, Seeded):
    """A layer that is called on dicts of arrays as well."""

    takes_one_image = True

    _draws = 0  # of calls on dicts

    @abstractmethod
    def draw_for(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        """Return the random numbers for `count` images of the shape `image`."""

    @abstractmethod
    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        """Return the images (count, height, width, channels) changed by `drawn`."""

    def apply_to_labels(self, labels: np.ndarray, drawn: Any) -> np.ndarray:
        """Return the labels of the changed images."""
        return labels

    def apply_to_masks(self, masks: np.ndarray, drawn: Any) -> np.ndarray:
        """Return the segmentation masks (count, height, width, channels) of the changed images."""
        return masks

    def __call__(self, inputs: Any, *args: Any, **keywords: Any) -> Any:
        """Call the layer on tensors or arrays as any other, or on a dict of arrays.

        A dict has the key "images", a batch or one image, and may have "labels" and
        "segmentation_masks"; returns a new dict. Raises ValueError for other keys.
        """
        if not isinstance(inputs, dict):
            return super().__call__(inputs, *args, **keywords)
        training = keywords.get("training", args[0] if args else None)
        known = ("images", "labels", "segmentation_masks")
        if "images" not in inputs or set(inputs) - set(known):
            raise ValueError(
                f"layer {self.name!r}: a dict must have the key 'images' and may have "
                f"{known[1:]}, received {list(inputs)}"
            )
        if training is not None and not training:
            return dict(inputs)
        return self._changed(inputs)

    def _changed(self, inputs: dict[str, Any]) -> dict[str, Any]:
        arrays = {key: np.asarray(value) for key, value in inputs.items()}
        single = arrays["images"].ndim == 3
        if single:
            arrays = {key: value[None] for key, value in arrays.items()}
        images = self._last(arrays["images"].astype(np.float32, copy=False))
        self.image_output(images.shape[1:])
        draw = randomness.element_draw()
        if draw is None:
            draw, self._draws = self._draws, self._draws + 1
        generator = np.random.default_rng((self._stream, draw))
        drawn = self.draw_for(generator, len(images), images.shape[1:])
        changed = dict(arrays, images=self._first(self.apply(images, drawn)))
        if "labels" in arrays:
            changed["labels"] = self.apply_to_labels(arrays["labels"], drawn)
        if "segmentation_masks" in arrays:
            masks = arrays["segmentation_masks"]
            flat = masks.ndim == 3
            masks = masks[..., None] if flat else self._last(masks)
            masks = self.apply_to_masks(masks, drawn)
            changed["segmentation_masks"] = masks[..., 0] if flat else self._first(masks)
        return {key: value[0] for key, value in changed.items()} if single else changed

    def _last(self, x: np.ndarray) -> np.ndarray:
        return x.transpose(0, 2, 3, 1) if self.channels_first else x

    def _first(self, x: np.ndarray) -> np.ndarray:
        return x.transpose(0, 3, 1, 2) if self.channels_first else x


class Augmenting(ImageDicts):
    """Base class of layers that change images by a function in NumPy, in training only."""

    mixes = False  # an image depends on others of its batch

    @abstractmethod
    def draw(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        """Return the random numbers for `count` images of the shape `image`, as described in
        `operations.Augmentation`."""

    def draw_for(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        return self.draw(generator, count, image)

    def image_output(self, image: Image) -> Image:
        return image

    def image_operations(self, image: Image) -> list[Operation]:
        return [
            operations.Augmentation(
                lambda generator, count: self.draw(generator, count, image),
                self.apply,
                self._stream,
                mixes=self.mixes,
            )
        ]


def factor_range(
    factor: Any, name: str, bounds: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """Return (lower, upper) of `factor`; one number is (-factor, factor), cut to `bounds`."""
    ends = factor if isinstance(factor, (tuple, list)) else (factor,)
    if len(ends) not in (1, 2):
        raise ValueError(f"`{name}` must be one number or two, received {factor!r}")
    ends = [number(end, name, *bounds) for end in ends]
    if len(ends) == 2:
        return min(ends), max(ends)
    (end,) = map(abs, ends)
    return max(-end, bounds[0]), end


def value_pair(value_range: Any) -> tuple[float, float]:
    """Return a checked range of values, the lowest first."""
    if not isinstance(value_range, (tuple, list)) or len(value_range) != 2:
        raise ValueError(f"`value_range` must be two numbers, received {value_range!r}")
    low, high = sorted(number(value, "value_range") for value in value_range)
    if low == high:
        raise ValueError(f"`value_range` must be two different numbers, received {value_range!r}")
    return low, high


def per_image(values: np.ndarray) -> np.ndarray:
    """Return one float32 number per image, (count, 1, 1, 1)."""
    return np.asarray(values, np.float32).reshape(-1, 1, 1, 1)


def chosen(generator: np.random.Generator, factor: tuple[float, float], count: int) -> np.ndarray:
    """Return whether each image is changed, with a probability drawn from `factor`."""
    probability = generator.uniform(*factor, count)
    return (generator.random(count) < probability).reshape(-1, 1, 1, 1)


def three_channels(image: Image) -> Image:
    """Return `image`; ValueError unless it has red, green and blue."""
    if image[2] != 3:
        raise ValueError(f"images must have 3 channels, received {image[2]}")
    return image
