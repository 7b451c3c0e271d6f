"""`save`: a model as an ONNX file.

The file holds the graph that a plan for inference begins with: the operations of all layers, those
of models in models, too. So one writer per operation (`writers`) covers all layers.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper

import fastconv.onnx.writers  # noqa: F401  (registers them)
from fastconv import __version__
from fastconv.common.arguments import normalize_int
from fastconv.models import Model
from fastconv.onnx.writing import WRITERS, Value, Writer
from fastconv.plan.fusion import inference_graph
from fastconv.plan.graph import Graph

OLDEST_OPSET = 21  # the first with all operators that the writers use
_BATCH = "batch"


def save(model: Model, path: str | os.PathLike[str], opset: int | None = None) -> None:
    """Write a model to an ONNX file, as `predict` computes it.

    Inputs and outputs have the names and the shapes that they have in the model, images with the
    channels last; the batch has any size. The file is checked by `onnx.checker` before it is
    written.

    Args:
        model: any model whose inputs have known sizes.
        path: of the file, which is replaced.
        opset: version of the operators, from 21 on; by default 21.

    Raises:
        TypeError: `model` is not a model.
        ValueError: the opset is out of range, a size is open, the model is quantized, or a layer
            cannot be written: one in NumPy, or a function without an equivalent in ONNX. The
            message names it.
    """
    proto = exported(model, opset)
    with open(path, "wb") as file:
        file.write(proto.SerializeToString())


def exported(model: Model, opset: int | None = None) -> ModelProto:
    """Return the content of the file that `save` writes; errors as there."""
    if not isinstance(model, Model):
        raise TypeError(f"`model` must be a Model, received {type(model).__name__}")
    newest = onnx.defs.onnx_opset_version()
    opset = OLDEST_OPSET if opset is None else normalize_int(opset, "opset")
    if not OLDEST_OPSET <= opset <= newest:
        raise ValueError(f"`opset` must be from {OLDEST_OPSET} to {newest}, received {opset}")
    model.check_built()
    if model.quantization is not None:
        raise ValueError(
            f"{model.name!r} is quantized, which is not written as ONNX: write the float32 model "
            "before `quantize`"
        )
    if model.compute_dtype != "float32":
        raise ValueError(
            f"{model.name!r} computes in {model.compute_dtype}, which is not written as ONNX: "
            "write the float32 model"
        )
    if any(None in tensor.shape[1:] for tensor in model.inputs):
        shapes = [tensor.shape for tensor in model.inputs]
        raise ValueError(f"`model` must have inputs of known sizes, received {shapes}")
    graph = inference_graph(model.graph(False))
    try:
        return written(graph, model.name, model.input_names, model.output_names, opset)
    except ValueError as error:
        raise ValueError(f"{model.name!r}: {error}") from error


def written(
    graph: Graph, title: str, input_names: list[str], output_names: list[str], opset: int
) -> ModelProto:
    """Return the file of a graph; ValueError for an operation that cannot be written."""
    writer = Writer(opset)
    inputs, outputs = _write(writer, graph, input_names, output_names)
    proto = helper.make_model(
        helper.make_graph(writer.nodes, title, inputs, outputs, writer.initializers),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=10 if opset <= 22 else None,
        producer_name="fastconv",
        producer_version=__version__,
    )
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _write(
    writer: Writer, graph: Graph, input_names: list[str], output_names: list[str]
) -> tuple[list[Any], list[Any]]:
    """Write all nodes; return the descriptions of inputs and outputs."""
    values: dict[int, Value] = {}
    inputs = []
    for number, shape, wanted in zip(graph.inputs, graph.input_shapes, input_names, strict=True):
        name = writer.fresh(wanted)
        values[number] = Value(name, (None, *shape))
        inputs.append(_described(name, values[number]))
    names = [writer.fresh(name) for name in output_names]
    for node in graph.nodes:
        write = WRITERS.get(type(node.operation))
        if write is None:
            raise ValueError(f"{type(node.operation).__name__} cannot be written as ONNX")
        arguments = [values[number] for number in node.inputs]
        values[node.output] = write(writer, node.operation, *arguments)
    outputs = []
    for number, name in zip(graph.outputs, names, strict=True):
        value = values[number]
        writer.nodes.append(
            helper.make_node("Identity", [writer.plain(value)], [name], name=f"node_{name}")
        )
        outputs.append(_described(name, value))
    return inputs, outputs


def _described(name: str, value: Value) -> Any:
    sizes = [_BATCH if n is None else n for n in value.shape]
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype)), sizes
    )
