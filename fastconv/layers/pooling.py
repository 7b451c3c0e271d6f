"""Pooling: one number per window and channel, the largest or the mean."""

from __future__ import annotations

from typing import Any

from fastconv.layers.base import Layer, check_data_format, image_shape
from fastconv.layers.conv import check_padding
from fastconv.plan import nodes
from fastconv.shapes import normalize_pair, pool2d_geometry


class _Pooling2D(Layer):
    """What both poolings share: everything but the kind."""

    kind = ""

    def __init__(
        self,
        pool_size: int | tuple[int, int],
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **common: Any,
    ):
        super().__init__(**common)
        check_data_format(data_format)
        self.pool_size = normalize_pair(pool_size, "pool_size")
        self.strides = self.pool_size if strides is None else normalize_pair(strides, "strides")
        self.padding = check_padding(padding)

    def compute_output_shape(self, input_shape):
        try:
            geometry = pool2d_geometry(
                image_shape(self, input_shape),
                pool_size=self.pool_size,
                strides=self.strides,
                padding=self.padding,
            )
        except ValueError as error:
            raise ValueError(f"layer {self.name!r} on input {input_shape}: {error}") from error
        return (None, *geometry.output_shape[1:])

    def nodes(self, input_shape):
        return [nodes.Pooling(self.kind, self.pool_size, self.strides, self.padding)]

    def get_config(self):
        return super().get_config() | {
            "pool_size": list(self.pool_size),
            "padding": self.padding,
            "strides": list(self.strides),
            "data_format": "channels_last",
        }


class MaxPooling2D(_Pooling2D):
    """The largest value of each window of images (batch, height, width, channels).

    Args:
        pool_size: (height, width) of the window, or one integer for both.
        strides: how far the window moves; None for `pool_size`.
        padding: "valid" or "same"; padding never takes part in a maximum or a mean.
        data_format: None or "channels_last".
        name, trainable, dtype, input_shape: see `Layer`.

    Raises:
        ValueError: a size is not positive, the window is larger than the padded image, an unknown
            padding or data format.
        TypeError: a size is no integer.

    >>> from fastconv import layers
    >>> layers.MaxPooling2D((2, 2)).compute_output_shape((None, 13, 13, 64))
    (None, 6, 6, 64)
    """

    kind = "max"

    def __init__(
        self,
        pool_size: int | tuple[int, int] = (2, 2),
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **common: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, **common)


class AveragePooling2D(_Pooling2D):
    """The mean of each window of images (batch, height, width, channels), taken over the pixels of
    the window that lie in the image.

    Arguments and errors are those of `MaxPooling2D`, except that `pool_size` has no default.

    >>> from fastconv import layers
    >>> layers.AveragePooling2D(2, padding="same").compute_output_shape((None, 13, 13, 64))
    (None, 7, 7, 64)
    """

    kind = "average"
