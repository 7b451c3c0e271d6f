"""`load`: a file as a model of fastconv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int
from fastconv.errors import FormatError
from fastconv.layers import Input
from fastconv.models import Model
from fastconv.onnx import files
from fastconv.onnx.files import GraphFile
from fastconv.onnx.running import run
from fastconv.onnx.sizes import batch_axis
from fastconv.onnx.tensor import Tensor, channels_last, plain_order
from fastconv.parameters import undrawn_weights

# Operators that take (N, C, ...); those that keep the axes of their first input.
_SPATIAL = {
    "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "MaxPool", "AveragePool", "LpPool",
    "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "BatchNormalization",
    "InstanceNormalization", "GroupNormalization", "LRN", "DepthToSpace", "SpaceToDepth",
    "Upsample",
}  # fmt: skip
_KEEPING = {
    "Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "Abs", "Neg", "Clip", "Cast",
    "Identity", "Dropout", "Pad", "Concat", "Slice", "Split", "Resize", "Relu", "LeakyRelu",
    "PRelu", "Sigmoid", "Tanh", "Sqrt", "Exp", "QuantizeLinear", "DequantizeLinear",
}  # fmt: skip


class Imported:
    """What a file becomes: the model, and its inputs and outputs with their orders of axes."""

    def __init__(self, file: GraphFile):
        self.inputs: list[Tensor] = [_symbolic(file, each) for each in file.inputs]
        if not self.inputs:
            raise FormatError(f"{file.where}: a model must have an input")
        named = {each.name: x for each, x in zip(file.inputs, self.inputs, strict=True)}
        names = list(file.outputs)
        with undrawn_weights():
            results = run(file, named)
        try:
            self.outputs: list[Tensor] = [_output(file.where, x) for x in results]
            self.model: Model = Model(
                _one_or_list([x.value for x in self.inputs]),
                _one_or_list([x.value for x in self.outputs]),
            )
        except FormatError:
            raise
        except (ValueError, TypeError) as error:
            raise FormatError(f"{file.where}: {names}: {error}") from error


def load(source: Any, input_shapes: Mapping[str, Sequence[int | None]] | None = None) -> Model:
    """Return the model in an ONNX file, with its weights.

    Layers with weights are those of `fastconv.layers`, all other nodes are functions of
    `fastconv.ops`, so the model can be shown, explained, compiled, trained, saved and written
    again. Images are held, and taken and returned, with the channels last: an input (N, 3, 224,
    224) of the file is (N, 224, 224, 3) in the model. The first axis is the batch, of any size.

    Args:
        source: path of the file, its bytes, or an `onnx.ModelProto`.
        input_shapes: shapes of inputs by name, in the order of the file, for sizes that the file
            leaves open; None stays open. Some networks need known sizes: those that compute
            positions from the size of the image, for example.

    Raises:
        FormatError: the file is damaged or hostile, or holds operators, versions or types of
            elements that are not supported; the message lists all of them.
        TypeError: `source` is something else.
        ValueError: `input_shapes` does not fit the inputs.
        OSError: the file cannot be read.
    """
    return imported(source, input_shapes).model


def imported(
    source: Any, input_shapes: Mapping[str, Sequence[int | None]] | None = None
) -> Imported:
    """As `load`, with the orders of axes of inputs and outputs."""
    file = files.read(source)
    wanted = dict(input_shapes or {})
    for each in file.inputs:
        if each.name in wanted:
            each.shape = _narrowed(each, wanted.pop(each.name))
    if wanted:
        names = [each.name for each in file.inputs]
        raise ValueError(f"`input_shapes` must have names of {names}, received {list(wanted)}")
    return Imported(file)


def _narrowed(given: files.Input, shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """Return the wanted shape; ValueError if it differs from the sizes of the file."""
    if len(shape) != len(given.shape) or any(
        n is not None and m is not None and n != m
        for n, m in zip(given.shape[1:], shape[1:], strict=True)
    ):
        raise ValueError(
            f"`input_shapes` of {given.name!r} must fit {given.shape}, received {tuple(shape)}"
        )
    sizes = zip(given.shape[1:], shape[1:], strict=True)
    return (None, *(n if m is None else normalize_int(m, "input_shapes") for n, m in sizes))


def _symbolic(file: GraphFile, given: files.Input) -> Tensor:
    rank = len(given.shape)
    if given.dtype != np.float32 or not rank:
        raise FormatError(
            f"{file.where}: the inputs of a model must be float32 with a batch, received "
            f"{given.name[:80]!r}, {given.dtype} of shape {given.shape}"
        )
    order = channels_last(rank) if _is_image(file, given.name, rank) else plain_order(rank)
    shape = tuple(given.shape[axis] for axis in order)
    try:
        tensor = Input(shape[1:], name=_layer_name(given.name))
    except (ValueError, TypeError) as error:
        raise FormatError(f"{file.where}: the input {given.name[:80]!r}: {error}") from error
    return Tensor.of(tensor, order)


def _is_image(file: GraphFile, name: str, rank: int) -> bool:
    """Whether the file holds an input with the channels in front: it, or what keeps its axes, is
    the first input of a spatial operator."""
    if rank < 3:
        return False
    same = {name}
    for node in file.nodes:
        if not same.intersection(node.inputs):
            continue
        if node.op in _SPATIAL and node.inputs[0] in same:
            return True
        if node.op in _KEEPING:
            same.update(node.outputs)
    return False


def _output(where: str, x: Tensor) -> Tensor:
    """Return an output in the order of the file, or of images; the batch is the first axis."""
    if x.is_constant:
        raise FormatError(f"{where}: an output does not depend on the inputs")
    if x.is_image:
        return x
    batch = batch_axis(x)
    order = plain_order(x.rank)
    if batch:
        order = (batch, *order[:batch], *order[batch + 1 :])
    return Tensor.of(x.in_order(order), order)


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _layer_name(name: str) -> str:
    """Return the name of a value as one of a layer, which has no slashes."""
    return name.replace("/", "_").strip("_")[:200] or "input"
