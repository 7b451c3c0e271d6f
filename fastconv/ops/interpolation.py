"""Interpolation along any axes, at the places that ONNX's operator Resize defines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv._ext._resample import Resample
from fastconv.common.arguments import one_of
from fastconv.ops import _validation as check
from fastconv.ops._function import Spec, function
from fastconv.resampling import COORDINATES, ROUNDINGS, AxisMap, Sampling
from fastconv.shapes import checked_product, normalize_int

MODES = ("nearest", "linear", "cubic")


def _sizes(shape: Sequence[int | None], sizes: Any, scales: Any) -> tuple[int | None, ...]:
    """Return the shape of the result; None where the size is unknown."""
    found = []
    for n, size, scale in zip(shape, sizes, scales, strict=True):
        if size is not None:
            found.append(normalize_int(size, "sizes"))
        elif scale is not None and n is not None:
            found.append(max(math.floor(n * scale), 1))
        else:
            found.append(n)
    return tuple(found)


def axis_maps(
    shape: Sequence[int],
    sizes: Any,
    scales: Any,
    mode: str,
    coordinates: str,
    rounding: str,
    cubic_a: float,
    exclude_outside: bool,
    antialias: bool,
    parts: Any,
    fill_value: float,
) -> list[AxisMap | None]:
    """Return the map of each axis of an array, None where it stays; see `interpolate`."""
    maps: list[AxisMap | None] = []
    for axis, (n, m) in enumerate(zip(shape, _sizes(shape, sizes, scales), strict=True)):
        if sizes[axis] is None and scales[axis] is None:
            maps.append(None)
            continue
        assert m is not None
        part = tuple(parts[axis]) if parts is not None else (0.0, 1.0)
        sampling = Sampling(mode, coordinates, rounding, cubic_a, exclude_outside, antialias, part)
        scale = m / n if scales[axis] is None else scales[axis]
        maps.append(sampling.axis_map(n, m, scale))
    return maps


def _check_names(mode: str, coordinates: str, rounding: str) -> None:
    one_of(mode, "mode", MODES)
    one_of(coordinates, "coordinates", COORDINATES)
    one_of(rounding, "rounding", ROUNDINGS)


def _shape(
    x: Spec, sizes: Any, scales: Any, mode: str, coordinates: str, rounding: str, **_: Any
) -> tuple:
    _check_names(mode, coordinates, rounding)
    return _sizes(x.shape, sizes, scales)


def _gradient(dy, y, x, fill_value, **settings):
    maps = axis_maps(x.shape, fill_value=fill_value, **settings)
    return _mapped(dy, x.shape, [each and each.transposed for each in maps], 0.0)


def _mapped(x: np.ndarray, shape: Sequence[int], maps: Any, fill: float) -> np.ndarray:
    y = np.empty(shape, x.dtype)
    if y.size:
        Resample(check.operand(x), y, maps, fill=fill).run(1)
    return y


@function("image", "Interpolate", gradient=_gradient, shape=_shape, real=True)
def interpolate(
    x: Any,
    sizes: Any,
    scales: Any,
    mode: str = "linear",
    coordinates: str = "half_pixel",
    rounding: str = "round_prefer_floor",
    cubic_a: float = -0.75,
    exclude_outside: bool = False,
    antialias: bool = False,
    parts: Any = None,
    fill_value: float = 0.0,
) -> np.ndarray:
    """The elements along axes interpolated at equidistant places.

    Args:
        x: any shape; float32 or float64.
        sizes: the new size of each axis, None for one that `scales` determines or that stays.
        scales: the factor of each axis, or None; the size is rounded down.
        mode: "nearest", "linear" or "cubic".
        coordinates: the places, by ONNX's names: "half_pixel", "pytorch_half_pixel",
            "half_pixel_symmetric", "asymmetric", "align_corners", "tf_half_pixel_for_nn" or
            "tf_crop_and_resize".
        rounding: of places for "nearest": "round_prefer_floor", "round_prefer_ceil", "floor" or
            "ceil".
        cubic_a: the parameter of the cubic kernel.
        exclude_outside: whether elements outside have no weight; they equal the outermost if not.
        antialias: whether kernels are as wide as the distance of the samples.
        parts: (begin, end) of each axis as fractions, for "tf_crop_and_resize".
        fill_value: of samples outside, for "tf_crop_and_resize".

    Raises ValueError for unknown names and for sizes below 1.

    Source: https://onnx.ai/onnx/operators/onnx__Resize.html

    >>> from fastconv import ops
    >>> ops.interpolate([0.0, 4.0], (4,), (None,)).tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    _check_names(mode, coordinates, rounding)
    shape = tuple(n or 1 for n in _sizes(x.shape, sizes, scales))
    checked_product((*shape, 8), "the output (in bytes, 8 per element)")
    maps = axis_maps(
        x.shape, sizes, scales, mode, coordinates, rounding, cubic_a, exclude_outside, antialias,
        parts, fill_value,
    )  # fmt: skip
    return _mapped(x, shape, maps, fill_value)
