"""Layers that rearrange values: shapes, axes, padding, cropping, repetition."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from fastconv.common.arguments import normalize_int, one_of
from fastconv.common.literals import DataFormat, PaddingMode, Resampling
from fastconv.common.suggestions import did_you_mean
from fastconv.layers.base import Layer
from fastconv.layers.spatial import (
    Image,
    Spatial,
    channels_to_last,
    check_data_format,
    normalize_sizes,
)
from fastconv.layers.unknown_sizes import is_unknown
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.resampling import (
    INTERPOLATIONS,
    RESIZINGS,
    AxisMap,
    crop_axis,
    pad_axis,
    repeat_axis,
    resize_axis,
)
from fastconv.shapes import PADDING_MODES, Shape, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class Flatten(Layer):
    """Flattens each sample, row-major: (batch, h, w, c) becomes (batch, h * w * c).

    Args:
        data_format: None or "channels_last"; with "channels_first" the channels, the first axis
            after the batch, are moved last first, so that the result is the same in both formats.

    >>> from fastconv import layers
    >>> layers.Flatten().compute_output_shape((None, 3, 3, 64))
    (None, 576)
    """

    settings: tuple[str, ...] = ("data_format",)

    def __init__(self, data_format: DataFormat | None = None, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.data_format: str = check_data_format(data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (None, math.prod(sample_sizes(input_shape)))

    def operations(self, input_shape: Shape) -> list[Operation]:
        flat = operations.Reshape((math.prod(sample_sizes(input_shape)),))
        if self.data_format == "channels_first" and len(input_shape) > 2:
            return [channels_to_last(len(input_shape)), flat]
        return [flat]


class Reshape(Layer):
    """The same values in the same order in another shape.

    Args:
        target_shape: shape of a sample, without the batch; one size may be -1, which is inferred.

    Raises ValueError for sizes that are not positive or do not match the input; TypeError for
    non-integer sizes.

    >>> from fastconv import layers
    >>> layers.Reshape((4, -1)).compute_output_shape((None, 3, 8))
    (None, 4, 6)
    """

    settings: tuple[str, ...] = ("target_shape",)

    takes_unknown_sizes = True

    def __init__(self, target_shape: tuple[int, ...], **common: Unpack[LayerOptions]):
        super().__init__(**common)
        if not isinstance(target_shape, (tuple, list)):
            raise TypeError(
                f"`target_shape` must be a tuple of integers, received {target_shape!r}"
            )
        self.target_shape: tuple[int, ...] = tuple(
            -1 if size == -1 else normalize_int(size, "target_shape") for size in target_shape
        )
        if self.target_shape.count(-1) > 1:
            raise ValueError(f"`target_shape` may hold -1 once, received {target_shape!r}")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if is_unknown(input_shape):
            inferred = (None if part == -1 else part for part in self.target_shape)
            return (input_shape[0], *inferred)
        size = math.prod(sample_sizes(input_shape))
        known = math.prod(part for part in self.target_shape if part != -1)
        shape = tuple(size // known if part == -1 else part for part in self.target_shape)
        if math.prod(shape) != size:
            raise ValueError(
                f"layer {self.name!r} cannot give {size} values of shape {tuple(input_shape[1:])} "
                f"the shape {self.target_shape}"
            )
        return (input_shape[0], *shape)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return [operations.Reshape(sample_sizes(self.compute_output_shape(input_shape)))]


class Permute(Layer):
    """Permutes the axes of a sample.

    Args:
        dims: axis i of the output is axis dims[i] of the input, counted from 1 without the batch.

    Raises ValueError if `dims` is not a permutation of 1 .. n, or the input has another rank.

    >>> from fastconv import layers
    >>> layers.Permute((3, 1, 2)).compute_output_shape((None, 10, 20, 3))
    (None, 3, 10, 20)
    """

    settings: tuple[str, ...] = ("dims",)

    def __init__(self, dims: tuple[int, ...], **common: Unpack[LayerOptions]):
        super().__init__(**common)
        if not isinstance(dims, (tuple, list)) or not dims:
            raise TypeError(f"`dims` must be a tuple of integers, received {dims!r}")
        self.dims: tuple[int, ...] = tuple(normalize_int(dim, "dims") for dim in dims)
        if sorted(self.dims) != list(range(1, len(dims) + 1)):
            raise ValueError(
                f"`dims` must hold each of 1 .. {len(dims)} once, received {tuple(dims)}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != len(self.dims) + 1:
            raise ValueError(
                f"layer {self.name!r} takes inputs of {len(self.dims)} axes and the batch, "
                f"received shape {tuple(input_shape)}"
            )
        return (None, *(input_shape[dim] for dim in self.dims))

    def operations(self, input_shape: Shape) -> list[Operation]:
        return [operations.Transpose((0, *self.dims))]


class RepeatVector(Layer):
    """Repeats every sample, a vector, `n` times: (batch, features) becomes (batch, n, features).

    Raises ValueError if `n` is not positive or the input is not a vector, TypeError if `n` is not
    an integer.

    >>> from fastconv import layers
    >>> layers.RepeatVector(3).compute_output_shape((None, 8))
    (None, 3, 8)
    """

    settings: tuple[str, ...] = ("n",)

    def __init__(self, n: int, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.n: int = normalize_int(n, "n")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            raise ValueError(
                f"layer {self.name!r} takes vectors (batch, features), "
                f"received shape {tuple(input_shape)}"
            )
        return (None, self.n, input_shape[1])

    def operations(self, input_shape: Shape) -> list[Operation]:
        maps = (repeat_axis(1, self.n), None)
        (features,) = sample_sizes(input_shape)
        return [operations.Reshape((1, features)), operations.AxisMaps(maps)]


class _Mapped(Spatial):
    """Base class of layers that map each spatial axis separately."""

    @abstractmethod
    def axis_maps(self, image: Image) -> tuple[AxisMap | None, ...]:
        """Return one map per spatial axis, None for the identity."""

    def image_operations(self, image: Image) -> list[Operation]:
        return [operations.AxisMaps((*self.axis_maps(image), None))]


class _Padding(_Mapped):
    unwritten: tuple[str, ...] = ("padding_mode",)

    def __init__(
        self,
        padding: Any,
        data_format: DataFormat | None,
        padding_mode: PaddingMode,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, **common)
        self.padding: tuple[tuple[int, int], ...] = _sides(padding, self.rank, "padding")
        one_of(padding_mode, "padding_mode", PADDING_MODES)
        self.padding_mode = padding_mode

    def image_output(self, image: Image) -> Image:
        sides = _rows_and_columns(self.padding)
        if self.padding_mode == "reflect" and any(
            max(side) >= size for side, size in zip(sides, image, strict=False)
        ):
            raise ValueError(
                f"`padding` must be smaller than the image for `padding_mode` 'reflect', "
                f"received {self.padding}"
            )
        sizes = (n + sum(side) for n, side in zip(image[:-1], sides, strict=True))
        return (*sizes, image[-1])

    def axis_maps(self, image: Image) -> tuple[AxisMap, ...]:
        sides = _rows_and_columns(self.padding)
        return tuple(
            pad_axis(n, *side, self.padding_mode) for n, side in zip(image[:-1], sides, strict=True)
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {"padding": _as_keras(self.padding)}
        # Keras does not have the other modes, so it is not written for "zeros".
        if self.padding_mode != "zeros":
            config["padding_mode"] = self.padding_mode
        return config


class ZeroPadding2D(_Padding):
    """Zeros around images (batch, height, width, channels).

    Args:
        padding: integer for all sides, (rows, columns), or ((top, bottom), (left, right)).
        data_format: None or "channels_last", or "channels_first".
        padding_mode: "zeros"; beyond Keras "edge", the outermost pixel repeated, or "reflect", the
            image mirrored at its outermost pixel.
        name, trainable, dtype, input_shape: see `Layer`.

    Raises ValueError for negative sizes, an unknown mode, or a reflection larger than the image;
    TypeError for non-integer sizes.

    >>> from fastconv import layers
    >>> layers.ZeroPadding2D(((1, 0), (2, 2))).compute_output_shape((None, 5, 5, 3))
    (None, 6, 9, 3)
    """

    def __init__(
        self,
        padding: int | tuple[Any, Any] = (1, 1),
        data_format: DataFormat | None = None,
        padding_mode: PaddingMode = "zeros",
        **common: Unpack[LayerOptions],
    ):
        super().__init__(padding, data_format, padding_mode, **common)


class ZeroPadding1D(_Padding):
    """Zeros before and after sequences (batch, steps, channels).

    Args:
        padding: integer for both ends, or (before, after).
        data_format, padding_mode, others: as in `ZeroPadding2D`; so are the errors.

    >>> from fastconv import layers
    >>> layers.ZeroPadding1D((2, 0)).compute_output_shape((None, 5, 3))
    (None, 7, 3)
    """

    rank = 1

    def __init__(
        self,
        padding: int | tuple[int, int] = 1,
        data_format: DataFormat | None = None,
        padding_mode: PaddingMode = "zeros",
        **common: Unpack[LayerOptions],
    ):
        super().__init__(padding, data_format, padding_mode, **common)


class ZeroPadding3D(_Padding):
    """Zeros around volumes (batch, depth, height, width, channels).

    Args:
        padding: integer for all sides, (depth, rows, columns), or ((front, back), (top, bottom),
            (left, right)).
        data_format, padding_mode, others: as in `ZeroPadding2D`; so are the errors.

    >>> from fastconv import layers
    >>> layers.ZeroPadding3D((1, 0, 2)).compute_output_shape((None, 4, 5, 5, 3))
    (None, 6, 5, 9, 3)
    """

    rank = 3

    def __init__(
        self,
        padding: int | tuple[Any, Any, Any] = ((1, 1), (1, 1), (1, 1)),
        data_format: DataFormat | None = None,
        padding_mode: PaddingMode = "zeros",
        **common: Unpack[LayerOptions],
    ):
        super().__init__(padding, data_format, padding_mode, **common)


class _Cropping(_Mapped):
    def __init__(
        self, cropping: Any, data_format: DataFormat | None, **common: Unpack[LayerOptions]
    ):
        super().__init__(data_format, **common)
        self.cropping: tuple[tuple[int, int], ...] = _sides(cropping, self.rank, "cropping")

    def image_output(self, image: Image) -> Image:
        sides = _rows_and_columns(self.cropping)
        sizes = tuple(n - sum(side) for n, side in zip(image[:-1], sides, strict=True))
        if min(sizes) < 1:
            raise ValueError(
                f"`cropping` must leave something of the image, received {self.cropping}"
            )
        return (*sizes, image[-1])

    def axis_maps(self, image: Image) -> tuple[AxisMap, ...]:
        sides = _rows_and_columns(self.cropping)
        return tuple(crop_axis(n, *side) for n, side in zip(image[:-1], sides, strict=True))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"cropping": _as_keras(self.cropping)}


class Cropping2D(_Cropping):
    """Images (batch, height, width, channels) without their borders.

    Args:
        cropping: integer for all sides, (rows, columns), or ((top, bottom), (left, right)).
        data_format: None or "channels_last", or "channels_first".
        name, trainable, dtype, input_shape: see `Layer`.

    Raises ValueError for negative sizes or an empty result, TypeError for non-integer sizes.

    >>> from fastconv import layers
    >>> layers.Cropping2D(2).compute_output_shape((None, 28, 28, 3))
    (None, 24, 24, 3)
    """

    def __init__(
        self,
        cropping: int | tuple[Any, Any] = ((0, 0), (0, 0)),
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(cropping, data_format, **common)


class Cropping1D(_Cropping):
    """Sequences (batch, steps, channels) without their ends.

    Args:
        cropping: integer for both ends, or (before, after).

    Raises the errors of `Cropping2D`.

    >>> from fastconv import layers
    >>> layers.Cropping1D((1, 2)).compute_output_shape((None, 10, 3))
    (None, 7, 3)
    """

    rank = 1

    def __init__(self, cropping: int | tuple[int, int] = (1, 1), **common: Any):
        super().__init__(cropping, None, **common)

    def get_config(self) -> dict[str, Any]:
        return _without_format(super().get_config())


class Cropping3D(_Cropping):
    """Volumes (batch, depth, height, width, channels) without their borders.

    Args:
        cropping: integer for all sides, (depth, rows, columns), or ((front, back), (top, bottom),
            (left, right)).
        data_format, others: as in `Cropping2D`; so are the errors.

    >>> from fastconv import layers
    >>> layers.Cropping3D((1, 2, 2)).compute_output_shape((None, 8, 28, 28, 3))
    (None, 6, 24, 24, 3)
    """

    rank = 3

    def __init__(
        self,
        cropping: int | tuple[Any, Any, Any] = ((1, 1), (1, 1), (1, 1)),
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(cropping, data_format, **common)


class _UpSampling(_Mapped):
    interpolation = "nearest"

    def __init__(self, size: Any, data_format: DataFormat | None, **common: Unpack[LayerOptions]):
        super().__init__(data_format, **common)
        self._factors = normalize_sizes(size, self.rank, "size")

    def image_output(self, image: Image) -> Image:
        factors = self.pair(self._factors)
        return (*(n * factor for n, factor in zip(image[:-1], factors, strict=True)), image[-1])

    def axis_maps(self, image: Image) -> tuple[AxisMap, ...]:
        return tuple(
            repeat_axis(size, factor)
            if self.interpolation == "nearest"
            else resize_axis(size, size * factor, self.interpolation)
            for size, factor in zip(image, self.pair(self._factors), strict=False)
        )


class UpSampling2D(_UpSampling):
    """Enlarges images (batch, height, width, channels) by integer factors.

    Args:
        size: factors (rows, columns), or one integer.
        data_format: None or "channels_last", or "channels_first".
        interpolation: "nearest", every pixel repeated, "bilinear", "bicubic", "lanczos3" or
            "lanczos5".
        name, trainable, dtype, input_shape: see `Layer`.

    Raises ValueError for non-positive factors or an unknown interpolation, TypeError for
    non-integer factors.

    >>> from fastconv import layers
    >>> layers.UpSampling2D((2, 3)).compute_output_shape((None, 4, 4, 8))
    (None, 8, 12, 8)
    """

    settings: tuple[str, ...] = ("size", "interpolation")

    def __init__(
        self,
        size: int | tuple[int, int] = (2, 2),
        data_format: DataFormat | None = None,
        interpolation: Resampling = "nearest",
        **common: Unpack[LayerOptions],
    ):
        super().__init__(size, data_format, **common)
        self.interpolation: str = check_interpolation(interpolation, RESIZINGS[:-1])
        self.size: tuple[int, ...] = self._factors


class UpSampling1D(_UpSampling):
    """Repeats every step of sequences (batch, steps, channels) `size` times.

    Raises ValueError if `size` is not positive, TypeError if it is not an integer.

    >>> from fastconv import layers
    >>> layers.UpSampling1D(3).compute_output_shape((None, 4, 8))
    (None, 12, 8)
    """

    rank = 1

    def __init__(self, size: int = 2, **common: Any):
        super().__init__(size, None, **common)
        self.size: int = self._factors[0]

    def get_config(self) -> dict[str, Any]:
        return _without_format(super().get_config()) | {"size": self.size}


class UpSampling3D(_UpSampling):
    """Repeats every element of volumes (batch, depth, height, width, channels) along each axis.

    Args:
        size: factors (depth, rows, columns), or one integer.
        data_format: None or "channels_last", or "channels_first".
        name, trainable, dtype, input_shape: see `Layer`.

    Raises ValueError for non-positive factors, TypeError for non-integer ones.

    >>> from fastconv import layers
    >>> layers.UpSampling3D((1, 2, 2)).compute_output_shape((None, 4, 5, 5, 8))
    (None, 4, 10, 10, 8)
    """

    settings: tuple[str, ...] = ("size",)

    rank = 3

    def __init__(
        self,
        size: int | tuple[int, int, int] = (2, 2, 2),
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(size, data_format, **common)
        self.size: tuple[int, ...] = self._factors


def check_interpolation(interpolation: str, known: tuple[str, ...] = INTERPOLATIONS) -> Any:
    """Return an interpolation among `known` in lower case; the argument is case-insensitive."""
    if not isinstance(interpolation, str) or interpolation.lower() not in known:
        raise ValueError(
            f"`interpolation` must be one of {known}, received {interpolation!r}"
            f"{did_you_mean(interpolation, known)}"
        )
    return interpolation.lower()


def _sides(value: Any, rank: int, name: str) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for every spatial axis."""
    if rank == 1:
        return (_ends(value, name),)
    if not isinstance(value, (tuple, list)):
        value = (value,) * rank
    if len(value) != rank:
        forms = "(rows, columns) or ((top, bottom), (left, right))"
        if rank == 3:
            forms = "(depth, rows, columns) or ((front, back), (top, bottom), (left, right))"
        raise ValueError(f"`{name}` must be an integer, {forms}, received {value!r}")
    return tuple(_ends(side, name) for side in value)


def _ends(value: Any, name: str) -> tuple[int, int]:
    before, after = normalize_sizes(value, 2, name, minimum=0)
    return before, after


def _rows_and_columns(sides: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return ((0, 0), *sides) if len(sides) == 1 else sides


def _as_keras(sides: tuple[tuple[int, int], ...]) -> tuple[Any, ...]:
    return sides[0] if len(sides) == 1 else sides


def _without_format(config: dict[str, Any]) -> dict[str, Any]:
    """Return `config` without `data_format`, which Keras's layer does not have."""
    return {key: value for key, value in config.items() if key != "data_format"}
