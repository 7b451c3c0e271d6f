"""Base class of layers on images (batch, height, width, channels), sequences (batch, steps,
channels), volumes (batch, depth, height, width, channels), and all three with
`data_format="channels_first"`, where the channels follow the batch.

A subclass is written for channels-last images only and defines:

    image_output(image) -> image     the output (height, width, channels)
    image_operations(image)     the operations

A sequence is an image of one row; the image of a volume has its depth before the height.
Channels-first data are transposed before and after; between
adjacent layers the plan removes both transpositions (`fastconv.plan.simplify`). The weights of a
layer are the same in both formats.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from fastconv.common.arguments import normalize_int
from fastconv.common.literals import DataFormat
from fastconv.common.suggestions import did_you_mean
from fastconv.layers.base import Layer
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape, sample_sizes

Image = tuple[int, ...]  # (height, width, channels), or (depth, height, width, channels)

# rank -> (the data, their spatial axes)
_KINDS = {
    1: ("sequences", ("steps",)),
    2: ("images", ("height", "width")),
    3: ("volumes", ("depth", "height", "width")),
}

DATA_FORMATS = ("channels_last", "channels_first")


class Spatial(Layer):
    """Base class; `rank` is the number of spatial axes: 2 for images, 1 for sequences, 3 for
    volumes."""

    settings: tuple[str, ...] = ("data_format",)

    rank = 2

    def __init__(self, data_format: DataFormat | None = None, **common: Any):
        super().__init__(**common)
        self.data_format: str = check_data_format(data_format)

    @abstractmethod
    def image_output(self, image: Image) -> Image:
        """Return the output image for an input image; ValueError if it does not match."""

    @abstractmethod
    def image_operations(self, image: Image) -> list[Operation]:
        """Return the operations on images of this size, channels last."""

    def outer_operations(self, image: Image) -> list[Operation]:
        """Return the operations on the output, `image`, in the layer's own data format."""
        return []

    @property
    def channels_first(self) -> bool:
        return self.data_format == "channels_first"

    def image_of(self, input_shape: Shape) -> Image:
        """Return the image of `input_shape`; ValueError for another rank."""
        if len(input_shape) != self.rank + 2:
            kind, space = _KINDS[self.rank]
            axes = ("channels", *space) if self.channels_first else (*space, "channels")
            raise ValueError(
                f"layer {self.name!r} takes {kind} (batch, {', '.join(axes)}), received shape "
                f"{tuple(input_shape)}"
            )
        *space, channels = sample_sizes(input_shape)
        if self.channels_first:
            channels, *space = (*space, channels)
        return *self.pair(tuple(space)), channels

    def shape_of(self, image: Image) -> Shape:
        """Return the shape of `image`: the inverse of `image_of`."""
        sizes = self._sizes(image)
        return (None, sizes[-1], *sizes[:-1]) if self.channels_first else (None, *sizes)

    def _sizes(self, image: Image) -> tuple[int, ...]:
        return image[1:] if self.rank == 1 else image

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        image = self.image_of(input_shape)
        try:
            return self.shape_of(self.image_output(image))
        except ValueError as error:
            raise ValueError(f"layer {self.name!r} on input {input_shape}: {error}") from error

    def operations(self, input_shape: Shape) -> list[Operation]:
        image = self.image_of(input_shape)
        output = self.image_output(image)
        inner = self.image_operations(image)
        if self.rank == 1:
            there = operations.Reshape(image, source=image[1:])
            inner = [there, *inner, operations.Reshape(output[1:], source=output)]
        return [*self.to_last(), *inner, *self.to_first(), *self.outer_operations(output)]

    def to_last(self) -> list[Operation]:
        """Return the operations from the layer's data format to channels-last."""
        return [channels_to_last(self.rank + 2)] if self.channels_first else []

    def to_first(self) -> list[Operation]:
        """Return the operations from channels-last to the layer's data format."""
        if not self.channels_first:
            return []
        return [operations.Transpose((0, self.rank + 1, *range(1, self.rank + 1)))]

    def pair(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return one size per spatial axis as (rows, columns), or three for volumes."""
        return (1, *sizes) if self.rank == 1 else tuple(sizes)


def channels_to_last(rank: int) -> operations.Transpose:
    """Return the transposition from (N, C, ...) to (N, ..., C)."""
    return operations.Transpose((0, *range(2, rank), 1))


def check_data_format(data_format: str | None) -> str:
    """Return a checked data format; None is "channels_last"."""
    if data_format is None:
        return "channels_last"
    if data_format not in DATA_FORMATS:
        raise ValueError(
            f"`data_format` must be None or one of {DATA_FORMATS}, received {data_format!r}"
            f"{did_you_mean(data_format, DATA_FORMATS)}"
        )
    return data_format


def check_padding(padding: str, *others: str) -> str:
    """Return a checked padding, "valid", "same" or one of `others`, case-insensitive."""
    if isinstance(padding, str) and padding.lower() in others:
        return padding.lower()
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        known = ("valid", "same", *others)
        raise ValueError(
            f"`padding` must be {' or '.join(map(repr, known))}, received {padding!r}"
            f"{did_you_mean(padding, known)}"
        )
    return padding.lower()


def normalize_sizes(value: Any, rank: int, name: str, *, minimum: int = 1) -> tuple[int, ...]:
    """Return one integer for all axes, or one for each, as a tuple of length `rank`.

    >>> normalize_sizes(3, 2, "strides"), normalize_sizes([3], 1, "strides")
    ((3, 3), (3,))
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (tuple, list)):
        return (normalize_int(value, name, minimum=minimum),) * rank
    if len(value) != rank:
        raise ValueError(
            f"`{name}` must be an integer or {rank} of them, received {value!r} with {len(value)}"
        )
    return tuple(normalize_int(part, name, minimum=minimum) for part in value)
