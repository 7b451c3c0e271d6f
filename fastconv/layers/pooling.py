"""Pooling: the maximum or mean per window and channel, or per image and channel."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fastconv.common.literals import DataFormat, Padding
from fastconv.layers.spatial import Image, Spatial, check_padding, normalize_sizes
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.shapes import Pool2DGeometry, Shape, pool2d_geometry, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class _Pooling(Spatial):
    """Base class of poolings over windows: everything but the kind."""

    settings: tuple[str, ...] = ("pool_size", "padding", "strides")

    kind = ""

    def __init__(
        self,
        pool_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] | None = None,
        padding: Padding = "valid",
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, **common)
        self.pool_size: tuple[int, ...] = normalize_sizes(pool_size, self.rank, "pool_size")
        self.strides: tuple[int, ...] = (
            self.pool_size if strides is None else normalize_sizes(strides, self.rank, "strides")
        )
        self.padding: str = check_padding(padding)

    def image_output(self, image: Image) -> Image:
        *_, (_, output) = _passes(image, *self._window())
        return output

    def image_operations(self, image: Image) -> list[Operation]:
        return pooling_operations(self.kind, image, *self._window())

    def _window(self) -> tuple[tuple[int, ...], tuple[int, ...], str]:
        return self.pair(self.pool_size), self.pair(self.strides), self.padding


def pooling_operations(
    kind: str, image: Image, pool_size: tuple[int, ...], strides: tuple[int, ...], padding: str
) -> list[Operation]:
    """Return the pooling of images, or of volumes with three sizes per argument."""
    found: list[Operation] = []
    for geometry, output in _passes(image, pool_size, strides, padding):
        if len(output) > 3:
            found.append(operations.Reshape(geometry.input_shape[1:]))
        found.append(operations.Pooling(kind, geometry))
        if len(output) > 3:
            found.append(operations.Reshape(output))
    return found


@lru_cache(maxsize=1024)
def _passes(
    image: Image, pool_size: tuple[int, ...], strides: tuple[int, ...], padding: str
) -> list[tuple[Pool2DGeometry, Image]]:
    """Return (geometry of one sample, size of the output) of every pass.

    A volume is pooled along its columns, as an image of depth * height rows; and then along depth
    and height, as an image with width * channels channels. In this order, the first of equal
    maxima is the first in memory, as in one pass. Cached, because a layer needs it for its output
    shape and its operations, again for every plan.
    """
    if len(image) == 3:
        window = {"pool_size": pool_size, "strides": strides, "padding": padding}
        geometry = pool2d_geometry((1, *image), **window)
        return [(geometry, geometry.output_shape[1:])]
    depth, height, width, channels = image
    ((row, _),) = _passes(
        (depth * height, width, channels), (1, pool_size[2]), (1, strides[2]), padding
    )
    across = (depth, height, row.out_w * channels)
    ((rest, _),) = _passes(across, pool_size[:2], strides[:2], padding)
    first, second = (depth, height, row.out_w, channels), (rest.out_h, rest.out_w, row.out_w)
    return [(row, first), (rest, (*second, channels))]


class MaxPooling2D(_Pooling):
    """The maximum of each window of images (batch, height, width, channels).

    Args:
        pool_size: (height, width) of the window, or one integer for both.
        strides: stride of the window; None for `pool_size`.
        padding: "valid" or "same"; the padding is excluded from maxima and means.
        data_format: None or "channels_last", or "channels_first" for images (batch, channels,
            height, width).
        name, trainable, dtype, input_shape: see `Layer`.

    Raises:
        ValueError: a size is not positive, the window is larger than the padded image, or padding
            or data format are unknown.
        TypeError: a size is not an integer.

    >>> from fastconv import layers
    >>> layers.MaxPooling2D((2, 2)).compute_output_shape((None, 13, 13, 64))
    (None, 6, 6, 64)
    """

    kind = "max"

    def __init__(
        self,
        pool_size: int | tuple[int, int] = (2, 2),
        strides: int | tuple[int, int] | None = None,
        padding: Padding = "valid",
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(pool_size, strides, padding, data_format, **common)


class MaxPooling1D(_Pooling):
    """The maximum of each window of sequences (batch, steps, channels).

    Arguments and errors are those of `MaxPooling2D` with one number instead of two.

    >>> from fastconv import layers
    >>> layers.MaxPooling1D(3, strides=2).compute_output_shape((None, 13, 64))
    (None, 6, 64)
    """

    kind = "max"
    rank = 1

    def __init__(
        self,
        pool_size: int | tuple[int] = 2,
        strides: int | tuple[int] | None = None,
        padding: Padding = "valid",
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(pool_size, strides, padding, data_format, **common)


class MaxPooling3D(_Pooling):
    """The maximum of each window of volumes (batch, depth, height, width, channels).

    Arguments and errors are those of `MaxPooling2D` with three numbers instead of two.

    >>> from fastconv import layers
    >>> layers.MaxPooling3D(2).compute_output_shape((None, 8, 13, 13, 64))
    (None, 4, 6, 6, 64)
    """

    kind = "max"
    rank = 3

    def __init__(
        self,
        pool_size: int | tuple[int, int, int] = (2, 2, 2),
        strides: int | tuple[int, int, int] | None = None,
        padding: Padding = "valid",
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(pool_size, strides, padding, data_format, **common)


class AveragePooling2D(_Pooling):
    """The mean of each window of images (batch, height, width, channels), over the pixels of the
    window that are inside the image.

    Arguments and errors are those of `MaxPooling2D`, except that `pool_size` has no default.

    >>> from fastconv import layers
    >>> layers.AveragePooling2D(2, padding="same").compute_output_shape((None, 13, 13, 64))
    (None, 7, 7, 64)
    """

    kind = "average"


class AveragePooling1D(_Pooling):
    """The mean of each window of sequences (batch, steps, channels).

    Arguments and errors are those of `AveragePooling2D` with one number instead of two.

    >>> from fastconv import layers
    >>> layers.AveragePooling1D(2).compute_output_shape((None, 13, 64))
    (None, 6, 64)
    """

    kind = "average"
    rank = 1


class AveragePooling3D(_Pooling):
    """The mean of each window of volumes (batch, depth, height, width, channels).

    Arguments and errors are those of `AveragePooling2D` with three numbers instead of two.

    >>> from fastconv import layers
    >>> layers.AveragePooling3D(2).compute_output_shape((None, 8, 13, 13, 64))
    (None, 4, 6, 6, 64)
    """

    kind = "average"
    rank = 3


class _GlobalPooling(Spatial):
    """Base class of poolings over whole images: everything but the kind."""

    settings: tuple[str, ...] = ("keepdims",)

    kind = ""

    def __init__(
        self,
        data_format: DataFormat | None = None,
        keepdims: bool = False,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, **common)
        self.keepdims: bool = bool(keepdims)

    def image_output(self, image: Image) -> Image:
        return (*(1 for _ in image[:-1]), image[-1])

    def image_operations(self, image: Image) -> list[Operation]:
        return [operations.GlobalPooling(self.kind)]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        image = self.image_of(input_shape)
        return self.shape_of(self.image_output(image)) if self.keepdims else (None, image[-1])

    def operations(self, input_shape: Shape) -> list[Operation]:
        shape = sample_sizes(self.compute_output_shape(input_shape))
        pooled = self.image_operations(self.image_of(input_shape))
        return [*self.to_last(), *pooled, operations.Reshape(shape)]


class GlobalMaxPooling2D(_GlobalPooling):
    """The maximum of every channel of images (batch, height, width, channels).

    Args:
        data_format: None or "channels_last", or "channels_first".
        keepdims: whether to keep height and width as dimensions of size 1.
        name, trainable, dtype, input_shape: see `Layer`.

    Raises ValueError for an unknown data format.

    >>> from fastconv import layers
    >>> layers.GlobalMaxPooling2D(keepdims=True).compute_output_shape((None, 7, 7, 512))
    (None, 1, 1, 512)
    """

    kind = "max"


class GlobalMaxPooling1D(_GlobalPooling):
    """The maximum of every channel of sequences (batch, steps, channels); arguments and
    errors are those of `GlobalMaxPooling2D`."""

    kind = "max"
    rank = 1


class GlobalMaxPooling3D(_GlobalPooling):
    """The maximum of every channel of volumes (batch, depth, height, width, channels); arguments
    and errors are those of `GlobalMaxPooling2D`."""

    kind = "max"
    rank = 3


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of every channel of images (batch, height, width, channels); arguments and errors
    are those of `GlobalMaxPooling2D`.

    >>> from fastconv import layers
    >>> layers.GlobalAveragePooling2D().compute_output_shape((None, 7, 7, 512))
    (None, 512)
    """

    kind = "average"


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of every channel of sequences (batch, steps, channels); arguments and errors are
    those of `GlobalMaxPooling2D`."""

    kind = "average"
    rank = 1


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean of every channel of volumes (batch, depth, height, width, channels); arguments
    and errors are those of `GlobalMaxPooling2D`."""

    kind = "average"
    rank = 3
