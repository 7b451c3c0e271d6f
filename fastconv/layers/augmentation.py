"""Preprocessing layers: scaling and resizing, and random augmentation in training.

An augmentation is an affine map per image, drawn on the host from the seed of the layer and the
number of the training step, and applied by one operation of the core (`fastconv.ops.warp`). A map
gives the input position, (column, row), of an output position, as in Keras:

    column = a0 j + a1 i + a2,  row = b0 j + b1 i + b2        for row i and column j of the output
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.arguments import normalize_int, number, one_of
from fastconv.common.literals import DataFormat, FillMode, Interpolation, Resampling
from fastconv.layers.augmenting import ImageDicts, factor_range
from fastconv.layers.base import Layer
from fastconv.layers.regularization import Seeded
from fastconv.layers.reshaping import check_interpolation
from fastconv.layers.spatial import Image, Spatial
from fastconv.ops import warp
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.resampling import FILL_MODES, RESIZINGS, AxisMap, crop_axis, pad_axis, resize_axis
from fastconv.shapes import Shape, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class Rescaling(Layer):
    """x * scale + offset.

    Args:
        scale, offset: number, or list of one number per channel (the last axis).

    Raises TypeError for values that are not numbers, ValueError for values that are not finite or
    whose count differs from the number of channels.

    >>> from fastconv import layers
    >>> layers.Rescaling(1 / 255).compute_output_shape((None, 28, 28, 1))
    (None, 28, 28, 1)
    """

    settings: tuple[str, ...] = ("scale", "offset")

    scale: float | list[float]
    offset: float | list[float]

    def __init__(self, scale: Any, offset: Any = 0.0, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.scale, self.offset = _numbers(scale, "scale"), _numbers(offset, "offset")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        for name, value in (("scale", self.scale), ("offset", self.offset)):
            if isinstance(value, list) and len(value) != input_shape[-1]:
                raise ValueError(
                    f"layer {self.name!r}: `{name}` must be a number or one for each of the "
                    f"{input_shape[-1]} channels, received {len(value)}"
                )
        return tuple(input_shape)

    def operations(self, input_shape: Shape) -> list[Operation]:
        channels = sample_sizes(input_shape)[-1]
        scale, offset = (
            tuple(value) if isinstance(value, list) else (value,) * channels
            for value in (self.scale, self.offset)
        )
        return [operations.ScaleShift(scale, offset)]


class _OneSize(Spatial):
    """Base class of layers whose output has a size that does not depend on the input."""

    settings: tuple[str, ...] = ("height", "width")

    takes_one_image = True
    height: int
    width: int

    def __init__(
        self,
        height: int,
        width: int,
        data_format: DataFormat | None,
        **common: Any,
    ):
        super().__init__(data_format, **common)
        self.height, self.width = normalize_int(height, "height"), normalize_int(width, "width")

    def image_output(self, image: Image) -> Image:
        return (self.height, self.width, image[2])


class Resizing(_OneSize):
    """Resizes images (batch, height, width, channels).

    Args:
        height, width: size of the output.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3", "lanczos5" or "area".
        crop_to_aspect_ratio: whether to crop the longer side first to keep the aspect ratio.
        pad_to_aspect_ratio: whether to pad the shorter side first to keep the aspect ratio.
        fill_mode: must be "constant".
        fill_value: value of the padding.
        antialias: whether an image that shrinks is smoothed; does not change "nearest" and "area".
        data_format: None or "channels_last", or "channels_first".
        name, trainable, dtype, input_shape: see `Layer`.

    Raises ValueError for non-positive sizes and unknown or unsupported options, TypeError for
    non-integer sizes.

    >>> from fastconv import layers
    >>> layers.Resizing(32, 32).compute_output_shape((None, 28, 20, 3))
    (None, 32, 32, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: Resampling = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: FillMode = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(height, width, data_format, **common)
        self.interpolation: str = check_interpolation(interpolation, RESIZINGS)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError(
                "only one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio` may be True"
            )
        if fill_mode != "constant":
            raise ValueError(f"`fill_mode` must be 'constant', received {fill_mode!r}")
        self.antialias: bool = bool(antialias)
        self.crop_to_aspect_ratio: bool = bool(crop_to_aspect_ratio)
        self.pad_to_aspect_ratio: bool = bool(pad_to_aspect_ratio)
        self.fill_value: float = number(fill_value, "fill_value")

    def image_operations(self, image: Image) -> list[Operation]:
        if self.crop_to_aspect_ratio:
            how = self.interpolation, self.antialias
            return [_resized_middle(image, self.height, self.width, *how)]
        framed, size = [], image[:2]
        if self.pad_to_aspect_ratio:
            whole = _filled_to_ratio(image, self.height, self.width)
            frame = [(all_ - part) // 2 for all_, part in zip(whole, size, strict=True)]
            maps = [pad_axis(n, border, border) for n, border in zip(size, frame, strict=True)]
            framed = [operations.AxisMaps((*maps, None), self.fill_value)]
            size = tuple(axis_map.output_size for axis_map in maps)
        maps = [
            resize_axis(*sizes, self.interpolation, self.antialias)
            for sizes in zip(size, (self.height, self.width), strict=True)
        ]
        return [*framed, operations.AxisMaps((*maps, None))]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "interpolation": self.interpolation,
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
            "pad_to_aspect_ratio": self.pad_to_aspect_ratio,
            "fill_mode": "constant",
            "fill_value": self.fill_value,
            "antialias": self.antialias,
        }


class CenterCrop(_OneSize):
    """Crops images (batch, height, width, channels) to their centre, `height` x `width` pixels.

    An image that is too small is cropped to the aspect ratio of the output and enlarged (bilinear).

    Raises ValueError for non-positive sizes, TypeError for non-integer sizes.

    >>> from fastconv import layers
    >>> layers.CenterCrop(24, 24).compute_output_shape((None, 28, 28, 1))
    (None, 24, 24, 1)
    """

    def __init__(
        self,
        height: int,
        width: int,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(height, width, data_format, **common)

    def image_operations(self, image: Image) -> list[Operation]:
        if image[0] >= self.height and image[1] >= self.width:
            rows, columns = map(_centre_cut, image, (self.height, self.width))
            return [operations.AxisMaps((rows, columns, None))]
        return [_resized_middle(image, self.height, self.width)]


class _Random(ImageDicts):
    """Base class of layers that apply a random affine map to every image in training."""

    def __init__(
        self,
        fill_mode: FillMode = "constant",
        interpolation: Interpolation = "nearest",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        one_of(fill_mode, "fill_mode", FILL_MODES)
        self.fill_mode: FillMode = fill_mode
        self.interpolation: Interpolation = check_interpolation(interpolation)
        self.fill_value: float = number(fill_value, "fill_value")

    @abstractmethod
    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> Any:
        """Return the maps of `count` images of height x width, float64 (count, 6)."""

    def draw_for(self, generator: np.random.Generator, count: int, image: Image) -> Any:
        return self.draw(generator, count, *image[:2])

    def apply(self, x: np.ndarray, drawn: Any) -> np.ndarray:
        return self._warped(x, drawn, self.interpolation)

    def apply_to_masks(self, masks: np.ndarray, drawn: Any) -> np.ndarray:
        return self._warped(masks.astype(np.float32), drawn, "nearest").astype(masks.dtype)

    def _warped(self, x: np.ndarray, maps: np.ndarray, interpolation: Interpolation) -> np.ndarray:
        return warp(
            x,
            maps,
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
        )

    def image_output(self, image: Image) -> Image:
        return image

    def image_operations(self, image: Image) -> list[Operation]:
        height, width, _ = image
        return [
            operations.RandomWarp(
                lambda generator, count: self.draw(generator, count, height, width),
                self._stream,
                self.interpolation,
                self.fill_mode,
                self.fill_value,
            )
        ]


class _RandomFilled(_Random):
    """Base class of augmentations with a fill mode for output positions outside of the image."""

    settings: tuple[str, ...] = ("fill_mode", "interpolation", "fill_value")


class RandomFlip(_Random):
    """In training, mirrors each image with probability 1/2.

    Args:
        mode: "horizontal" (left-right), "vertical" (top-bottom), or "horizontal_and_vertical", both
            at once, as in Keras.
        seed: as in `Dropout`.
        data_format: None or "channels_last", or "channels_first".

    Raises ValueError for an unknown mode.
    """

    settings: tuple[str, ...] = ("mode",)

    MODES = ("horizontal", "vertical", "horizontal_and_vertical")

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **common)
        one_of(mode, "mode", self.MODES)
        self.mode = mode

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> Any:
        return self.maps(generator.random(count) <= 0.5, height, width)

    def maps(self, flips: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return the maps that mirror the images where `flips` is set."""
        maps = np.tile([1.0, 0, 0, 0, 1, 0], (len(flips), 1))
        if "horizontal" in self.mode:
            maps[flips, 0], maps[flips, 2] = -1, width - 1
        if "vertical" in self.mode:
            maps[flips, 4], maps[flips, 5] = -1, height - 1
        return maps


class RandomTranslation(_RandomFilled):
    """In training, shifts every image by a random fraction of its size.

    Args:
        height_factor, width_factor: largest shift as a fraction of height and width, 0 to 1; or
            (lower, upper), where positive is down and to the right.
        fill_mode: values outside of the image: "reflect" (d c b a | a b c d | d c b a), "wrap"
            (a b c d | a b c d | a b c d), "nearest" (a a a a | a b c d | d d d d) or "constant".
        interpolation: "bilinear" or "nearest".
        seed: as in `Dropout`.
        fill_value: value for "constant".
        data_format: None or "channels_last", or "channels_first".

    Raises ValueError for factors out of range and unknown options, TypeError for factors that are
    not numbers.
    """

    settings: tuple[str, ...] = ("height_factor", "width_factor")

    height_factor: float | tuple[float, float]
    width_factor: float | tuple[float, float]

    def __init__(
        self,
        height_factor: float | tuple[float, float],
        width_factor: float | tuple[float, float],
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **common)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._heights = _range(height_factor, "height_factor")
        self._widths = _range(width_factor, "width_factor")

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> Any:
        rows = generator.uniform(*self._heights, count) * height
        columns = generator.uniform(*self._widths, count) * width
        return self.maps(rows, columns)

    def maps(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the maps that shift images down by `rows` and right by `columns` pixels."""
        one, zero = np.ones(len(rows)), np.zeros(len(rows))
        return np.stack([one, zero, -columns, zero, one, -rows], axis=1)


class RandomRotation(_RandomFilled):
    """In training, rotates every image about its centre by a random angle.

    Args:
        factor: largest angle as a fraction of a full turn, or (lower, upper); positive is
            counter-clockwise.
        all others: as in `RandomTranslation`.

    Raises the errors of `RandomTranslation`.
    """

    settings: tuple[str, ...] = ("factor",)

    def __init__(
        self,
        factor: float | tuple[float, float],
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **common)
        self.factor: tuple[float, float] = _range(factor, "factor")

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> Any:
        return self.maps(generator.uniform(*self.factor, count) * 360, height, width)

    def maps(self, degrees: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return the maps that rotate images by `degrees`."""
        angle = np.deg2rad(degrees)
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = (width - 1) / 2, (height - 1) / 2  # the fixed point
        return np.stack([cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos], axis=1)


class RandomZoom(_RandomFilled):
    """In training, shrinks or enlarges every image about its centre.

    Args:
        height_factor: largest fraction by which the height shrinks (positive) or grows, or (lower,
            upper), greater than -1 and at most 1.
        width_factor: the same for the width; None to use the factor of the height for each image.
        all others: as in `RandomTranslation`.

    Raises the errors of `RandomTranslation`.
    """

    settings: tuple[str, ...] = ("height_factor", "width_factor")

    height_factor: float | tuple[float, float]
    width_factor: float | tuple[float, float] | None

    def __init__(
        self,
        height_factor: float | tuple[float, float],
        width_factor: float | tuple[float, float] | None = None,
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **common)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._heights = _range(height_factor, "height_factor", open_below=True)
        if width_factor is not None:
            self._widths = _range(width_factor, "width_factor", open_below=True)

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> Any:
        rows = columns = 1 + generator.uniform(*self._heights, count)
        if self.width_factor is not None:
            columns = 1 + generator.uniform(*self._widths, count)
        return self.maps(rows, columns, height, width)

    def maps(self, rows: np.ndarray, columns: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return the maps that show `rows` times the height and `columns` times the width."""
        zero = np.zeros(len(rows))
        x, y = (width - 1) / 2 * (1 - columns), (height - 1) / 2 * (1 - rows)
        return np.stack([columns, zero, x, zero, rows, y], axis=1)


class RandomShear(_RandomFilled):
    """In training, shears every image: rows move in proportion to their number, or columns.

    Args:
        x_factor: largest shift of a row, in columns per row, or (lower, upper), -1 to 1; in both
            directions.
        y_factor: the same for columns.
        interpolation, fill_mode, fill_value, data_format, seed: as in `RandomTranslation`.

    Raises the errors of `RandomTranslation`.
    """

    settings: tuple[str, ...] = ("x_factor", "y_factor")

    def __init__(
        self,
        x_factor: float | tuple[float, float] = 0.0,
        y_factor: float | tuple[float, float] = 0.0,
        interpolation: Interpolation = "bilinear",
        fill_mode: FillMode = "reflect",
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **common)
        self.x_factor: tuple[float, float] = factor_range(x_factor, "x_factor", (-1, 1))
        self.y_factor: tuple[float, float] = factor_range(y_factor, "y_factor", (-1, 1))

    def draw(self, generator: np.random.Generator, count: int, height: int, width: int) -> Any:
        sign = np.where(generator.random(count) > 0.5, -1, 1)
        down = generator.uniform(*self.y_factor, count) * sign
        return self.maps(generator.uniform(*self.x_factor, count) * sign, down)

    def maps(self, across: np.ndarray, down: np.ndarray) -> np.ndarray:
        """Return the maps that read `across` columns further per row, `down` rows per column."""
        one, zero = np.ones(len(across)), np.zeros(len(across))
        return np.stack([one, across, zero, down, one, zero], axis=1)


class RandomCrop(_OneSize, Seeded):
    """In training, crops to `height` x `width` pixels at a random position, the same for all images
    of a batch. Otherwise, or if an image is too small, crops to the centre with the aspect ratio of
    the output and resizes (bilinear): the output always has the same size. (Keras 3.15 leaves
    images of every size unchanged outside of training.)

    Args:
        height, width: size of the output.
        seed: as in `Dropout`.
        data_format: None or "channels_last", or "channels_first".

    Raises ValueError for non-positive sizes, TypeError for non-integer sizes.

    >>> from fastconv import layers
    >>> layers.RandomCrop(24, 24).compute_output_shape((None, 28, 28, 1))
    (None, 24, 24, 1)
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(height, width, data_format, seed=seed, **common)

    def image_operations(self, image: Image) -> list[Operation]:
        still = _resized_middle(image, self.height, self.width)
        if image[0] <= self.height or image[1] <= self.width:
            return [still]
        rows, columns = image[0] - self.height, image[1] - self.width

        def draw(generator, count):
            top, left = generator.integers(rows + 1), generator.integers(columns + 1)
            return np.tile([1.0, 0, left, 0, 1, top], (count, 1))

        size = (self.height, self.width)
        moving = operations.RandomWarp(draw, self._stream, "nearest", "constant", 0.0, size, still)
        return [moving]


def _filled_to_ratio(image: tuple[int, ...], height: int, width: int) -> tuple[int, int]:
    """Return the size of the smallest image with aspect ratio height : width that contains one."""
    rows = max(image[0], int(float(image[1] * height) / width))
    columns = max(image[1], int(float(image[0] * width) / height))
    return rows, columns


def _resized_middle(
    image: tuple[int, ...],
    height: int,
    width: int,
    interpolation: str = "bilinear",
    antialias: bool = False,
) -> operations.AxisMaps:
    """Return the largest central part with aspect ratio height : width of an image, resized."""
    rows = max(min(image[0], int(float(image[1] * height) / width)), 1)
    columns = max(min(image[1], int(float(image[0] * width) / height)), 1)
    maps = []
    for size, part, wanted in ((image[0], rows, height), (image[1], columns, width)):
        resized = resize_axis(part, wanted, interpolation, antialias)
        maps.append(resized.on_part_of(size, (size - part) // 2))
    return operations.AxisMaps((*maps, None))


def _centre_cut(size: int, part: int) -> AxisMap:
    before = (size - part) // 2
    return crop_axis(size, before, size - part - before)


def _numbers(value: Any, name: str) -> float | list[float]:
    """Return a number, or a list of one number per channel."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [number(part, name) for part in value]
    return number(value, name)


def _range(factor: Any, name: str, open_below: bool = False) -> tuple[float, float]:
    """Return (lower, upper) of a factor between -1 and 1; one number applies in both directions."""
    ends = factor if isinstance(factor, (tuple, list)) else (factor,)
    if len(ends) not in (1, 2):
        raise ValueError(f"`{name}` must be one number or two, received {factor!r}")
    ends = [number(end, name, -1, 1, above=open_below) for end in ends]
    if len(ends) == 1:
        return -abs(ends[0]), abs(ends[0])
    return min(ends), max(ends)
