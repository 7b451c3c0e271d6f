"""Quantization of a trained model to 8-bit integers: `Model.quantize`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np

from fastconv.common.arguments import choice, normalize_int, number
from fastconv.plan.calibration import Samples, calibrate, computed, watched
from fastconv.plan.fusion import fuse
from fastconv.plan.graph import Graph
from fastconv.plan.operations import Quantization, Ranges, Steps
from fastconv.plan.quantization import candidates, filters_of, quantized_kernel

_REPORT_SAMPLES = 8


class QuantizedLayer(NamedTuple):
    """One row of the report of `Model.quantize`.

    Attributes:
        name: path of the kernel.
        reason: why the layer computes in float32; "" if it computes on integers.
        scale: the real number of one step of its output; None in float32, as all that follow.
        zero_point: the integer that stands for 0.
        clipped: share of the outputs that lie outside of the range of uint8.
        error: relative error (L2) of its output against the float32 model, of that one's layers
            before it included.
    """

    name: str
    reason: str
    scale: float | None = None
    zero_point: int | None = None
    clipped: float | None = None
    error: float | None = None


class QuantizationReport(tuple):
    """The rows of a report, one `QuantizedLayer` per kernel; its text is a table."""

    def __repr__(self) -> str:
        lines = [f"{'kernel':<32} {'scale':>10} {'zero':>5} {'clipped':>8} {'error':>8}"]
        for row in self:
            if row.reason:
                lines.append(f"{row.name:<32} float32: {row.reason}")
            else:
                lines.append(
                    f"{row.name:<32} {row.scale:>10.3g} {row.zero_point:>5} "
                    f"{row.clipped:>8.2%} {row.error:>8.2%}"
                )
        return "\n".join(lines)


def quantize(
    model: Any,
    mode: str,
    calibration: Any,
    method: str,
    percentile: float,
    exclude: Sequence[str],
    batch_size: int,
) -> QuantizationReport:
    """Quantize `model` in place; see `Model.quantize`."""
    choice(mode, "mode", ("int8",))
    choice(method, "method", ("minmax", "percentile"))
    share = number(percentile, "percentile", 50, 100, above=True)
    batch_size = normalize_int(batch_size, "batch_size")
    if model.quantization is not None:
        raise ValueError(f"{model.name!r} is quantized already")
    if model.compute_dtype != "float32":
        raise ValueError(f"{model.name!r} computes in {model.compute_dtype}: quantize the original")
    if calibration is None:
        raise ValueError("`calibration` must be given: samples like those of the training data")
    model._build_on(calibration)
    spec = model.io_spec
    xs = spec.samples(calibration)
    if len(xs[0]) == 0:
        raise ValueError("`calibration` must hold at least one sample, received none")
    graph = fuse(model.graph(False, spec.at(xs).plan_shapes), "infer")
    reasons = _reasons(graph, exclude)
    paths = {path for path, reason in reasons.items() if not reason}
    if not paths:
        raise ValueError(f"{model.name!r} has no layer to quantize: {reasons}")
    ranges = calibrate(
        graph,
        model.parameters,
        _batches(xs, batch_size),
        paths,
        share if method == "percentile" else None,
    )
    some = [x[:_REPORT_SAMPLES] for x in xs]
    ends = _ends(graph, ranges)
    exact = computed(graph, model.parameters, some, list(ends.values()))
    _round_kernels(graph, paths)
    model.parameters.touch()
    model.set_quantization(ranges)
    quantized = replace(graph, quantization=ranges)
    rounded = computed(quantized, model.parameters, some, list(ends.values()))
    rows = {
        path: _row(path, ranges[path], *arrays)
        for path, *arrays in zip(ends, exact, rounded, strict=True)
    }
    return QuantizationReport(
        rows[path] if path in rows else QuantizedLayer(path, reason)
        for path, reason in reasons.items()
    )


def _batches(xs: Samples, batch_size: int) -> Iterator[Samples]:
    for start in range(0, len(xs[0]), batch_size):
        yield [x[start : start + batch_size] for x in xs]


def _reasons(graph: Graph, exclude: Sequence[str]) -> dict[str, str]:
    """Return the reason for float32, or "", of every kernel."""
    reasons = {path: reason for _, path, reason in candidates(graph)}
    layers = {path: path.split("/")[:-1] for path in reasons}
    if isinstance(exclude, str):
        exclude = [exclude]
    for name in exclude:
        if not any(name in parts for parts in layers.values()):
            known = sorted(parts[-1] for parts in layers.values() if parts)
            raise ValueError(
                f"`exclude` must hold names of layers with kernels, {known}, received {name!r}"
            )
    return {
        path: "excluded" if not reason and set(exclude) & set(layers[path]) else reason
        for path, reason in reasons.items()
    }


def _ends(graph: Graph, ranges: Quantization) -> dict[str, int]:
    """Return the value that holds the output of each kernel, or the sum that ends it."""
    ends: dict[str, int] = {}
    for value, fields in watched(graph, set(ranges)).items():
        for path, field in fields:
            if field == "sum" or (field == "output" and ranges[path].sum is None):
                ends[path] = value
    return ends


def _round_kernels(graph: Graph, paths: set[str]) -> None:
    """Move the kernels to the grid of their integers."""
    for node, path, _ in candidates(graph):
        if path in paths:
            operation: Any = node.operation
            kernel = operation.kernel._live
            integers, scale = quantized_kernel(kernel, filters_of(operation))
            rows = integers.reshape(-1, scale.size) * scale
            kernel[...] = rows.reshape(kernel.shape)


def _row(path: str, ranges: Ranges, exact: np.ndarray, rounded: np.ndarray) -> QuantizedLayer:
    steps = ranges.sum or ranges.output
    low, high = ((q - steps.zero_point) * steps.scale for q in (-0.5, 255.5))
    norm = float(np.linalg.norm(exact))
    return QuantizedLayer(
        path,
        "",
        steps.scale,
        steps.zero_point,
        float(np.mean((exact < low) | (exact > high))),
        float(np.linalg.norm(rounded - exact)) / norm if norm else 0.0,
    )


# Files ------------------------------------------------------------------------------------------


def to_config(quantization: Quantization) -> dict[str, Any]:
    """Return the entry of a file."""
    layers = {path: asdict(ranges) for path, ranges in quantization.items()}
    return {"mode": "int8", "layers": layers}


def from_config(config: Any) -> Quantization:
    """Return the result of `to_config` again; ValueError or TypeError for anything else."""
    if not isinstance(config, Mapping) or config.get("mode") != "int8":
        raise ValueError("the quantization of a model must have the mode 'int8'")
    layers = config.get("layers")
    if not isinstance(layers, Mapping):
        raise TypeError("the quantization of a model must list layers")
    return {str(path): _ranges(entry) for path, entry in layers.items()}


def _ranges(entry: Any) -> Ranges:
    if not isinstance(entry, Mapping) or set(entry) != {"filters", "input", "output", "sum"}:
        raise TypeError("a quantized layer must have filters, input, output and sum")
    total = entry["sum"]
    return Ranges(
        normalize_int(entry["filters"], "filters"),
        _steps(entry["input"]),
        _steps(entry["output"]),
        None if total is None else _steps(total),
    )


def _steps(entry: Any) -> Steps:
    if not isinstance(entry, Mapping) or set(entry) != {"scale", "zero_point"}:
        raise TypeError("a range must have a scale and a zero point")
    zero_point = normalize_int(entry["zero_point"], "zero_point", minimum=0)
    if zero_point > 255:
        raise ValueError(f"`zero_point` must be at most 255, received {zero_point}")
    return Steps(number(entry["scale"], "scale", 0, above=True), zero_point)
