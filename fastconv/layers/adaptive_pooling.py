"""Pooling to a given output size: the windows follow from it.

Output i of n is the maximum or mean of the elements from floor(i m / n) to ceil((i + 1) m / n) - 1
of an axis of m. A mean is a linear map. For the maximum, all windows are written out one after
another with one size, the last element of shorter ones repeated, and then pooled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastconv.common.literals import DataFormat
from fastconv.layers.pooling import pooling_operations
from fastconv.layers.spatial import Image, Spatial, normalize_sizes
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.resampling import mean_axis, windows_axis

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class _AdaptivePooling(Spatial):
    settings: tuple[str, ...] = ("output_size",)

    def __init__(
        self,
        output_size: int | tuple[int, ...],
        data_format: DataFormat | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, **common)
        self.output_size: tuple[int, ...] = normalize_sizes(output_size, self.rank, "output_size")

    def image_output(self, image: Image) -> Image:
        return (*self.pair(self.output_size), image[-1])


class _AdaptiveAveragePooling(_AdaptivePooling):
    def image_operations(self, image: Image) -> list[Operation]:
        maps = map(mean_axis, image[:-1], self.pair(self.output_size))
        return [operations.AxisMaps((*maps, None))]


class _AdaptiveMaxPooling(_AdaptivePooling):
    def image_operations(self, image: Image) -> list[Operation]:
        sizes = self.pair(self.output_size)
        maps = tuple(map(windows_axis, image[:-1], sizes))
        apart = (*(each.output_size for each in maps), image[-1])
        windows = tuple(n // size for n, size in zip(apart, sizes, strict=False))
        pooling = pooling_operations("max", apart, windows, windows, "valid")
        if apart == image:  # the windows do not overlap
            return pooling
        return [operations.AxisMaps((*maps, None)), *pooling]


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """The means of `output_size` windows of images (batch, height, width, channels), of equal or
    almost equal sizes, which overlap by one pixel where the sizes do not divide.

    Args:
        output_size: (height, width) of the output, or one integer for both.
        data_format: None or "channels_last", or "channels_first".
        name, trainable, dtype, input_shape: see `Layer`.

    Raises ValueError for a size that is not positive, TypeError for one that is not an integer.

    >>> from fastconv import layers
    >>> layers.AdaptiveAveragePooling2D((2, 3)).compute_output_shape((None, 7, 7, 64))
    (None, 2, 3, 64)
    """


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """The same for sequences (batch, steps, channels), with one number instead of two.

    >>> from fastconv import layers
    >>> layers.AdaptiveAveragePooling1D(4).compute_output_shape((None, 10, 64))
    (None, 4, 64)
    """

    rank = 1


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """The same for volumes (batch, depth, height, width, channels), with three numbers.

    >>> from fastconv import layers
    >>> layers.AdaptiveAveragePooling3D((2, 3, 3)).compute_output_shape((None, 5, 7, 7, 64))
    (None, 2, 3, 3, 64)
    """

    rank = 3


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """The maxima of the windows of `AdaptiveAveragePooling2D`, whose arguments and errors it has.

    >>> from fastconv import layers
    >>> layers.AdaptiveMaxPooling2D(3).compute_output_shape((None, 7, 7, 64))
    (None, 3, 3, 64)
    """


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """The same for sequences (batch, steps, channels), with one number instead of two.

    >>> from fastconv import layers
    >>> layers.AdaptiveMaxPooling1D(4).compute_output_shape((None, 10, 64))
    (None, 4, 64)
    """

    rank = 1


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """The same for volumes (batch, depth, height, width, channels), with three numbers.

    >>> from fastconv import layers
    >>> layers.AdaptiveMaxPooling3D((2, 3, 3)).compute_output_shape((None, 5, 7, 7, 64))
    (None, 2, 3, 3, 64)
    """

    rank = 3
