"""Resize and Upsample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import ops
from fastconv.onnx.nodes import Node
from fastconv.onnx.registry import operator
from fastconv.onnx.sizes import case_shapes, values_of
from fastconv.onnx.tensor import Tensor


@operator("Upsample", 7)
def upsample_by_attribute(node: Node, x: Tensor) -> Tensor:
    return _interpolated(x, None, node["scales"], _of_upsample(node))


@operator("Upsample", 9, 10)
def upsample(node: Node, x: Tensor, scales: Tensor) -> Tensor:
    return _interpolated(x, None, _numbers(scales), _of_upsample(node))


@operator("Resize", 10)
def resize_10(node: Node, x: Tensor, scales: Tensor) -> Tensor:
    return _interpolated(x, None, _numbers(scales), _of_upsample(node))


def _of_upsample(node: Node) -> dict[str, Any]:
    mode = node["mode"]
    return {
        "mode": "linear" if mode == "bilinear" else mode,
        "coordinates": "asymmetric",
        "rounding": "floor",
    }


@operator("Resize", 11, 13, 18, 19)
def resize(
    node: Node, x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:  # fmt: skip
    axes = [axis % x.rank for axis in (node["axes"] or range(x.rank))]
    settings: dict[str, Any] = {
        "mode": node["mode"],
        "coordinates": node["coordinate_transformation_mode"],
        "rounding": node["nearest_mode"],
        "cubic_a": node["cubic_coeff_a"],
        "exclude_outside": bool(node["exclude_outside"]),
        "antialias": bool(node["antialias"]),
    }
    if settings["coordinates"] == "tf_crop_and_resize" and roi is not None:
        numbers, count = _numbers(roi), len(axes)
        parts = {a: (numbers[k], numbers[k + count]) for k, a in enumerate(axes)}
        settings["parts"] = tuple(parts.get(axis, (0.0, 1.0)) for axis in x.order)
        settings["fill_value"] = node["extrapolation_value"]
    if scales is not None and scales.value.size:
        factors = dict(zip(axes, _numbers(scales), strict=True))
        return _interpolated(x, None, [factors.get(a, 1.0) for a in range(x.rank)], settings)
    if sizes is None:
        raise ValueError("expected scales or sizes, received neither")
    wanted, factors = _wanted(node, x, axes, sizes)
    return _interpolated(x, wanted, factors, settings)


def _numbers(x: Tensor) -> list[float]:
    return [float(number) for number in x.array.reshape(-1)]


def _wanted(node: Node, x: Tensor, axes: Sequence[int], sizes: Tensor) -> tuple[list, list]:
    """Return the new size of each axis, and the factors of axes of open size; None elsewhere."""
    wanted: list[int | None] = [None] * x.rank
    factors: list[float | None] = [None] * x.rank
    policy = node["keep_aspect_ratio_policy"]
    cases, before = values_of(sizes), case_shapes(x)
    for k, axis in enumerate(axes):
        column, old = [case[k] for case in cases], [shape[axis] for shape in before]
        ratios = {n / m for n, m in zip(column, old, strict=True)}
        if len(set(column)) == 1 and x.shape[axis] is not None:
            wanted[axis] = column[0]
        elif ratios == {1.0}:
            continue
        elif len(ratios) == 1:
            factors[axis] = ratios.pop()
        elif len(set(column)) == 1:
            wanted[axis] = column[0]
        else:
            raise ValueError(f"the new size of axis {axis} is not a multiple of the open one")
    if policy in ("not_larger", "not_smaller"):
        choose = min if policy == "not_larger" else max
        ends = {
            axis: (new, old)
            for axis in axes
            if (new := wanted[axis]) is not None and (old := x.shape[axis]) is not None
        }
        if len(ends) < len(axes):
            raise ValueError("`keep_aspect_ratio_policy` needs an image of known size")
        scale = choose(new / old for new, old in ends.values())
        for axis, (_, old) in ends.items():
            wanted[axis], factors[axis] = int(old * scale + 0.5), scale
    return wanted, factors


def _interpolated(
    x: Tensor, sizes: Sequence[int | None] | None, scales: Sequence[float | None], settings: Any
) -> Tensor:
    if x.columns is not None:
        x = Tensor.of(x.plain)
    sizes = [None] * x.rank if sizes is None else sizes
    if len(scales) != x.rank:
        raise ValueError(f"expected a factor for each axis of {x.shape}, received {list(scales)}")
    new, factors = [], []
    for axis in x.order:
        size, scale = sizes[axis], scales[axis]
        stays = size is None and scale in (None, 1.0)
        stays = stays or (size is not None and size == x.shape[axis] and scale in (None, 1.0))
        if settings.get("parts"):
            stays = False
        kept = x.shape[axis] if size is None and scale is None else size
        new.append(None if stays else kept)
        factors.append(None if stays else scale)
    value = ops.interpolate(x.value, tuple(new), tuple(factors), **settings)
    return Tensor(value if not x.is_constant else value.astype(x.dtype), x.order)
