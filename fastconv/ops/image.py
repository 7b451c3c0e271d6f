"""Images under Keras's names: resizing, affine maps, padding, cropping.

>>> import numpy as np
>>> from fastconv import ops
>>> ops.image.resize(np.ones((1, 4, 4, 3)), (2, 2)).shape
(1, 2, 2, 3)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.common.arguments import choice
from fastconv.common.literals import DataFormat, FillMode, Interpolation, Resampling
from fastconv.ops import linear, shaping
from fastconv.ops._function import Spec, composite, function
from fastconv.ops.arrangement import resample2d, resample2d_backward, warp, warp_backward
from fastconv.ops.indexing import get_item
from fastconv.resampling import FILL_MODES, RESIZINGS
from fastconv.shapes import normalize_int, normalize_pair

__all__ = ["affine_transform", "crop_images", "pad_images", "resize", "rgb_to_grayscale"]

_FORMATS = ("channels_last", "channels_first")


def _check_format(data_format: str | None) -> bool:
    """Return whether the channels are first."""
    if data_format not in (None, *_FORMATS):
        raise ValueError(f"`data_format` must be one of {_FORMATS}, received {data_format!r}")
    return data_format == "channels_first"


def _rows_and_columns(images: Any, data_format: str | None) -> tuple[int, int]:
    """Return the two axes of a picture or of a batch of pictures."""
    if len(images.shape) not in (3, 4):
        raise ValueError(f"`images` must have 3 or 4 axes, received shape {images.shape}")
    rows = len(images.shape) - (2 if _check_format(data_format) else 3)
    return rows, rows + 1


def _batch(images: np.ndarray, data_format: str | None) -> np.ndarray:
    """Return a picture or pictures as (N, H, W, C)."""
    _rows_and_columns(images, data_format)
    images = np.moveaxis(images, -3, -1) if _check_format(data_format) else images
    return np.ascontiguousarray(images if images.ndim == 4 else images[None])


def _unbatch(batch: np.ndarray, rank: int, data_format: str | None) -> np.ndarray:
    images = batch if rank == 4 else batch[0]
    return np.moveaxis(images, -1, -3) if _check_format(data_format) else images


# ----------------------------------------------------------------------------------------- resizing


def _resized_shape(
    images: Spec, size: Any, interpolation: str, antialias: bool, data_format: Any
) -> tuple:
    axes, sizes = _rows_and_columns(images, data_format), iter(normalize_pair(size, "size"))
    return tuple(next(sizes) if a in axes else n for a, n in enumerate(images.shape))


def _resized_gradient(dy, y, images, size, interpolation, antialias, data_format):
    shape = _batch(images, data_format).shape
    dx = resample2d_backward(_batch(dy, data_format), shape, interpolation, antialias)
    return _unbatch(dx, images.ndim, data_format)


@function(
    "fastconv", "Resized", "images", gradient=_resized_gradient, shape=_resized_shape, real=True
)
def _resized(
    images: Any, size: Any, interpolation: str, antialias: bool, data_format: str | None
) -> np.ndarray:
    batch = _batch(images, data_format)
    resized = resample2d(batch, size, interpolation, antialias)
    return _unbatch(resized, images.ndim, data_format)


@composite("image", "Resize", "images")
def resize(
    images: Any,
    size: Any,
    interpolation: Resampling = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: FillMode = "constant",
    fill_value: float = 0.0,
    data_format: DataFormat | None = None,
) -> np.ndarray:
    """Pictures (N, H, W, C) or (H, W, C) in another size.

    Args:
        images: integers become float32.
        size: (rows, columns).
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3", "lanczos5" or "area".
        antialias: whether pictures that shrink are smoothed first.
        crop_to_aspect_ratio: cut the longer side first, so that nothing is distorted.
        pad_to_aspect_ratio: pad the shorter side first, with `fill_value`.
        fill_mode: must be "constant".
        data_format: "channels_last" (default) or "channels_first".

    Raises ValueError for an unsupported or unknown option.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.image.resize(np.ones((4, 4, 3)), (2, 2)).shape
    (2, 2, 3)
    """
    choice(interpolation, "interpolation", RESIZINGS)
    if fill_mode != "constant":
        raise ValueError(f"`fill_mode` must be 'constant', received {fill_mode!r}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("only one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio` may be True")
    target = normalize_pair(size, "size")
    axes = _rows_and_columns(images, data_format)
    if crop_to_aspect_ratio or pad_to_aspect_ratio:
        height, width = (images.shape[a] for a in axes)
        rows = int(float(width * target[0]) / target[1])
        columns = int(float(height * target[1]) / target[0])
        if crop_to_aspect_ratio:
            kept = max(min(height, rows), 1), max(min(width, columns), 1)
            key = [slice(None)] * len(images.shape)
            for axis, n, k in zip(axes, (height, width), kept, strict=True):
                key[axis] = slice(int((n - k) / 2), int((n - k) / 2) + k)
            images = get_item(images, tuple(key))
        else:
            widths = [(0, 0)] * len(images.shape)
            for axis, n, whole in zip(axes, (height, width), (rows, columns), strict=True):
                before = int((max(n, whole) - n) / 2)
                widths[axis] = before, max(n, whole) - n - before
            images = shaping.pad(images, widths, constant_values=fill_value)
    return _resized(images, list(target), interpolation, bool(antialias), data_format)


# -------------------------------------------------------------------------------------- affine maps


def _maps(transform: np.ndarray, count: int) -> np.ndarray:
    """Return the maps as (N, 6), refusing projections."""
    transform = np.atleast_2d(transform).astype(np.float64)
    if transform.shape[1:] != (8,) or len(transform) not in (1, count):
        raise ValueError(
            f"`transform` must have shape (8,) or ({count}, 8), received {transform.shape}"
        )
    if transform[:, 6:].any():
        raise ValueError("`transform` must be affine: its last two numbers must be 0")
    return np.ascontiguousarray(np.broadcast_to(transform[:, :6], (count, 6)))


def _affine_gradient(dy, y, images, transform, interpolation, fill_mode, fill_value, data_format):
    batch = _batch(images, data_format)
    dx = warp_backward(
        _batch(dy, data_format),
        _maps(transform, len(batch)),
        input_shape=batch.shape,
        interpolation=interpolation,
        fill_mode=fill_mode,
    )
    return _unbatch(dx, images.ndim, data_format), None


@function(
    "image",
    "AffineTransform",
    "images transform",
    gradient=_affine_gradient,
    shape=lambda images, **_: images.shape,
    real=True,
    promoted="images",
)
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: Interpolation = "bilinear",
    fill_mode: FillMode = "constant",
    fill_value: float = 0,
    data_format: DataFormat | None = None,
) -> np.ndarray:
    """Output pixel (x, y) is the input at (a0 x + a1 y + a2, b0 x + b1 y + b2).

    Args:
        images: (N, H, W, C) or (H, W, C); integers become float32.
        transform: a0, a1, a2, b0, b1, b2, 0, 0 for all images, (8,), or for each, (N, 8).
        interpolation: "bilinear" or "nearest".
        fill_mode: what is outside: "constant" (`fill_value`), "nearest", "wrap" or "reflect".
        data_format: "channels_last" (default) or "channels_first".

    Raises ValueError for a projection and for unknown options.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    >>> ops.image.affine_transform(x, [-1, 0, 2, 0, 1, 0, 0, 0]).ravel().tolist()
    [3.0, 2.0, 1.0]
    """
    choice(fill_mode, "fill_mode", FILL_MODES)
    batch = _batch(images, data_format)
    warped = warp(
        batch,
        _maps(transform, len(batch)),
        interpolation=interpolation,
        fill_mode=fill_mode,
        fill_value=fill_value,
    )
    return _unbatch(warped, images.ndim, data_format)


# ----------------------------------------------------------------------------- padding and cropping


def _margins(
    size: int | None, before: Any, after: Any, target: int | None, sign: int
) -> tuple[int, int]:
    """Return what is added (sign 1) or cut (-1) on two sides: two of the three numbers decide."""
    if (before, after, target).count(None) != 1:
        raise ValueError(
            "exactly two of the margins on both sides and the target size must be given, received "
            f"{before}, {after} and {target}"
        )
    whole: Any = None
    if target is not None:
        if size is None:
            raise ValueError("images of unknown size have margins on both sides, and no target")
        whole = sign * (normalize_int(target, "target") - size)
    before = whole - after if before is None else normalize_int(before, "margin", minimum=0)
    after = whole - before if after is None else normalize_int(after, "margin", minimum=0)
    if before < 0 or after < 0:
        raise ValueError(f"the margins must be at least 0, received {before} and {after}")
    return before, after


@composite("image", "PadImages", "images")
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: DataFormat | None = None,
) -> np.ndarray:
    """Pictures with zeros around; two of (top, bottom, height) and of (left, right, width) decide.

    Raises ValueError for more or fewer numbers and for negative margins.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.image.pad_images(np.ones((2, 2, 1)), 1, 0, target_height=4, target_width=5).shape
    (4, 5, 1)
    """
    rows, columns = _rows_and_columns(images, data_format)
    widths = [(0, 0)] * len(images.shape)
    widths[rows] = _margins(images.shape[rows], top_padding, bottom_padding, target_height, 1)
    widths[columns] = _margins(images.shape[columns], left_padding, right_padding, target_width, 1)
    return shaping.pad(images, widths)


@composite("image", "CropImages", "images")
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: DataFormat | None = None,
) -> np.ndarray:
    """Parts of pictures; two of (top, bottom, height) and of (left, right, width) decide.

    Raises ValueError for more or fewer numbers and for negative margins.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.image.crop_images(np.ones((4, 4, 1)), 1, 1, target_height=2, target_width=3).shape
    (2, 3, 1)
    """
    rows, columns = _rows_and_columns(images, data_format)
    key = [slice(None)] * len(images.shape)
    top, bottom = _margins(images.shape[rows], top_cropping, bottom_cropping, target_height, -1)
    left, right = _margins(images.shape[columns], left_cropping, right_cropping, target_width, -1)
    for axis, before, after in ((rows, top, bottom), (columns, left, right)):
        key[axis] = slice(before, -after or None)
    return get_item(images, tuple(key))


@composite("image", "RGBToGrayscale", "images")
def rgb_to_grayscale(images: Any, data_format: DataFormat | None = None) -> np.ndarray:
    """0.2989 red + 0.587 green + 0.114 blue, with one channel.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.image.rgb_to_grayscale(np.ones((2, 2, 3))).shape
    (2, 2, 1)
    """
    _rows_and_columns(images, data_format)
    weights = np.array([0.2989, 0.587, 0.114], np.dtype(images.dtype))
    axis = len(images.shape) - (3 if _check_format(data_format) else 1)
    gray = linear.tensordot(images, weights, ([axis], [0]))
    return shaping.expand_dims(gray, axis)
