"""Functions of `fastconv.ops` on windows of images: convolutions, poolings, resampling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.onnx.writers.calls import Call, writes_function
from fastconv.onnx.writers.layers import mapped
from fastconv.onnx.writing import first_axes, last_axes
from fastconv.plan.functions import Slot
from fastconv.resampling import resize_axis


def _sizes(value: Any, axes: int) -> list[int]:
    return [int(n) for n in value] if isinstance(value, (tuple, list)) else [int(value)] * axes


def _with_channels_in_front(call: Call) -> str:
    """Return the name of the images, whose channels are where `data_format` has them."""
    x = call["inputs"]
    if call["data_format"] == "channels_first":
        return call.name(x, call.common)
    if isinstance(x, Slot) and call.dtype(x) == call.common:
        return call.writer.first(call.values[x.number])
    perm = first_axes(len(call.shape("inputs")))
    return call.node("Transpose", call.name(x, call.common), perm=perm)


def _back(call: Call, name: str) -> str:
    """Return a result with its channels where `data_format` has them."""
    if call["data_format"] == "channels_first":
        return name
    return call.node("Transpose", name, perm=last_axes(len(call.result.shape)))


# ------------------------------------------------------------------------------------- convolutions


def _kernel(call: Call, shape: list[int]) -> str:
    """Return the name of the kernel of `shape` (..., C / groups, K) as (K, C / groups, ...)."""
    rank = len(shape)
    perm, kernel = (rank - 1, rank - 2, *range(rank - 2)), call["kernel"]
    if not isinstance(kernel, Slot):
        values = call.constant("kernel").astype(np.float32)
        return call.writer.constant(values.reshape(shape).transpose(perm), "kernel")
    name = call.name(kernel, call.common)
    if shape != list(call.shape("kernel")):
        name = call.node("Reshape", name, call.writer.integers(shape))
    return call.node("Transpose", name, perm=perm)


def _known(call: Call, name: str) -> list[int]:
    sizes = [n for n in call.shape(name) if n is not None]
    if len(sizes) != len(call.shape(name)):
        raise call.refuse(f"`{name}` has open sizes {call.shape(name)}")
    return sizes


@writes_function("conv", "depthwise_conv")
def _conv(call: Call) -> str:
    shape = _known(call, "kernel")
    axes = len(shape) - 2
    if call.function == "depthwise_conv":
        shape[-2:] = [1, shape[-2] * shape[-1]]
    first = call["data_format"] == "channels_first"
    channels = call.shape("inputs")[1 if first else -1]
    padding = str(call["padding"]).lower()
    name = call.node(
        "Conv", _with_channels_in_front(call), _kernel(call, shape), kernel_shape=shape[:axes],
        strides=_sizes(call["strides"], axes), dilations=_sizes(call["dilation_rate"], axes),
        group=(channels or 0) // shape[-2], auto_pad={"same": "SAME_UPPER"}.get(padding, "VALID"),
    )  # fmt: skip
    return _back(call, name)


@writes_function("conv_transpose")
def _conv_transpose(call: Call) -> str:
    """The whole result has (n - 1) stride + (k - 1) dilation + 1 elements per axis; it is cut on
    both sides, or extended, to the size of the result."""
    kernel = _known(call, "kernel")
    axes = len(kernel) - 2
    first = call["data_format"] == "channels_first"
    before, after = (
        shape[2:] if first else shape[1:-1] for shape in (call.shape("inputs"), call.result.shape)
    )
    strides, rates = (_sizes(call[name], axes) for name in ("strides", "dilation_rate"))
    more, pads = [], []
    for n, m, k, stride, rate in zip(before, after, kernel[:axes], strides, rates, strict=True):
        if n is None or m is None:
            raise call.refuse(f"`inputs` have open sizes {call.shape('inputs')}")
        surplus = (n - 1) * stride + (k - 1) * rate + 1 - m
        same = str(call["padding"]).lower() == "same"
        cut = max(0, surplus) if same else 0
        pads.append((cut // 2, cut - cut // 2))
        more.append(cut - surplus)
    name = call.node(
        "ConvTranspose", _with_channels_in_front(call), _kernel(call, kernel),
        kernel_shape=kernel[:axes], strides=strides, dilations=rates, output_padding=more,
        pads=[side[0] for side in pads] + [side[1] for side in pads],
    )  # fmt: skip
    return _back(call, name)


# ----------------------------------------------------------------------------------------- poolings


@writes_function("max_pool", "average_pool")
def _pool(call: Call) -> str:
    axes, padding = len(call.shape("inputs")) - 2, call["padding"]
    size = _sizes(call["pool_size"], axes)
    strides = size if call["strides"] is None else _sizes(call["strides"], axes)
    settings: dict[str, Any] = {"kernel_shape": size, "strides": strides}
    if padding == "same":
        settings["auto_pad"] = "SAME_UPPER"
    elif padding != "valid":
        pads = padding[-axes:]
        settings["pads"] = [p[0] for p in pads] + [p[1] for p in pads]
    op = "MaxPool" if call.function == "max_pool" else "AveragePool"
    return _back(call, call.node(op, _with_channels_in_front(call), **settings))


# --------------------------------------------------------------------------------------- resampling


@writes_function("_resized")
def _resized(call: Call) -> str:
    shape, name = call.shape("images"), call.x
    rows = len(shape) - (2 if call["data_format"] == "channels_first" else 3)
    for axis, wanted in enumerate(call["size"], rows):
        size = shape[axis]
        if size is None:
            raise call.refuse(f"`images` have open sizes {shape}")
        map_ = resize_axis(size, wanted, call["interpolation"], call["antialias"])
        name = mapped(call.writer, name, map_, axis, len(shape), 0.0)
    return name


@writes_function("interpolate")
def _interpolate(call: Call) -> str:
    shape, sizes, scales = call.shape("x"), call["sizes"], call["scales"]
    if call["coordinates"] == "tf_half_pixel_for_nn" or call["parts"] is not None:
        raise call.refuse(f"ONNX has no coordinates {call['coordinates']!r} with these arguments")
    factors = [
        s if s is not None else 1.0 if m is None or n is None else m / n
        for n, m, s in zip(shape, sizes, scales, strict=True)
    ]
    if any(not math.isfinite(factor) for factor in factors):
        raise call.refuse(f"its factors are {factors}")
    settings = {
        "mode": call["mode"],
        "coordinate_transformation_mode": call["coordinates"],
        "nearest_mode": call["rounding"],
        "cubic_coeff_a": call["cubic_a"],
        "exclude_outside": int(call["exclude_outside"]),
        "antialias": int(call["antialias"]),
    }
    if all(s is not None or m is None for m, s in zip(sizes, scales, strict=True)):
        scale = call.writer.constant(np.array(factors, np.float32))
        return call.node("Resize", call.x, "", scale, **settings)
    axes = [axis for axis, m in enumerate(sizes) if m is not None or scales[axis] is not None]
    wanted = call.writer.integers([call.result.shape[axis] for axis in axes])
    return call.node("Resize", call.x, "", "", wanted, axes=axes, **settings)
