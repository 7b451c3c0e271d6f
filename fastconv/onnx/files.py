"""From bytes to a checked graph: its inputs, constants, nodes and outputs.

Nothing in a file is trusted. A shape is compared with the bytes that hold it before an array is
created, the data of another file must lie in the folder of the first, and all nodes are checked
before one is used; what does not fit is a `FormatError`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, ValueInfoProto

from fastconv.errors import FormatError
from fastconv.onnx.nodes import TYPES, Node, Unsupported, to_array, type_name

OLDEST_OPSET = 1
_MOST_SHOWN = 40  # reasons in one message
_MOST_ELEMENTS = 2**28  # of one sample of an input
_MOST_AXES = 8


@dataclass
class Input:
    """An input of a graph: `shape` has None for sizes that are open."""

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...]


@dataclass
class GraphFile:
    """The graph of a file. `where` names the file in messages."""

    where: str
    opset: int
    inputs: list[Input] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)


def read(source: Any) -> GraphFile:
    """Return the graph of a path, bytes or a `ModelProto`.

    Raises FormatError for anything but a supported graph; TypeError for another source.
    """
    folder, where = "", "the model"
    if isinstance(source, ModelProto):
        model = source
    elif isinstance(source, (bytes, bytearray, memoryview)):
        model = _parsed(bytes(source), where)
    elif isinstance(source, (str, os.PathLike)):
        where, folder = str(source), str(Path(source).resolve().parent)
        model = _parsed(Path(source).read_bytes(), where)
    else:
        raise TypeError(f"expected a path, bytes or a ModelProto, received {type(source).__name__}")
    try:
        return _graph(model, where, folder)
    except FormatError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError, RecursionError,
            OSError) as error:  # fmt: skip
        raise FormatError(f"{where}: {str(error)[:500]}") from error


def _parsed(data: bytes, where: str) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise FormatError(f"{where}: not an ONNX file: {error}") from error
    if not model.HasField("graph"):
        raise FormatError(f"{where}: not an ONNX file: it has no graph")
    return model


def _graph(model: ModelProto, where: str, folder: str) -> GraphFile:
    opsets: dict[str, int] = {}
    for entry in model.opset_import:
        opsets["" if entry.domain == "ai.onnx" else entry.domain] = entry.version
    opset, newest = opsets.get("", 1), onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise FormatError(
            f"{where}: the opset must be from {OLDEST_OPSET} to {newest}, the newest of the "
            f"installed onnx {onnx.__version__}, received {opset}"
        )
    file, graph = GraphFile(where, opset), model.graph
    problems: list[str] = []
    for proto in graph.node:
        try:
            file.nodes.append(Node(proto, opsets))
        except Unsupported as error:
            name = proto.name or next(iter(proto.output), "")
            problems.append(f"{name[:80]!r} ({proto.op_type[:80]}, opset {opset}): {error}")
    if graph.sparse_initializer:
        problems.append("sparse initializers are not supported")
    if model.functions:
        problems.append("functions of a model are not supported")
    for tensor in graph.initializer:
        try:
            _check_type(tensor.data_type, tensor.name)
        except Unsupported as error:
            problems.append(str(error))
    named = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.name not in named:
            try:
                file.inputs.append(_input(value))
            except Unsupported as error:
                problems.append(str(error))
    if problems:
        shown = "".join(f"\n  {problem}" for problem in problems[:_MOST_SHOWN])
        rest = len(problems) - _MOST_SHOWN
        more = f"\n  and {rest} more" if rest > 0 else ""
        raise FormatError(f"{where}: {len(problems)} parts are not supported:{shown}{more}")
    file.outputs = [value.name for value in graph.output]
    _check_names(file, named)
    for tensor in graph.initializer:
        file.constants[tensor.name] = _initializer(tensor, folder)
    return file


def _check_type(number: int, name: str) -> None:
    if number not in TYPES:
        raise Unsupported(f"{name[:80]!r} has elements of type {type_name(number)}")


def _input(value: ValueInfoProto) -> Input:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise Unsupported(f"the input {value.name[:80]!r} is not a tensor")
    tensor = value.type.tensor_type
    _check_type(tensor.elem_type, value.name)
    sizes = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    known = math.prod(n for n in sizes[1:] if n is not None)
    if len(sizes) > _MOST_AXES or known > _MOST_ELEMENTS:
        raise Unsupported(
            f"the input {value.name[:80]!r} has the shape {sizes}: at most {_MOST_AXES} axes and "
            f"{_MOST_ELEMENTS} elements per sample are supported"
        )
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return Input(value.name, np.dtype(dtype), tuple(sizes))


def _check_names(file: GraphFile, constants: set[str]) -> None:
    """Check that every value is defined once, before it is used."""
    known = {each.name for each in file.inputs} | constants
    if len(known) < len(file.inputs) + len(constants):
        raise FormatError(f"{file.where}: two inputs or initializers have the same name")
    for node in file.nodes:
        for name in filter(None, node.inputs):
            if name not in known:
                raise FormatError(f"{file.where}: {node}: no node before it makes {name[:80]!r}")
        for name in filter(None, node.outputs):
            if name in known:
                raise FormatError(f"{file.where}: {node}: {name[:80]!r} exists already")
            known.add(name)
    missing = [name[:80] for name in file.outputs if name not in known]
    if missing or not file.outputs:
        raise FormatError(f"{file.where}: no node makes the outputs {missing}")


def _initializer(tensor: TensorProto, folder: str) -> np.ndarray:
    if any(size < 0 for size in tensor.dims):
        raise ValueError(f"{tensor.name[:80]!r} has the shape {list(tensor.dims)}")
    if tensor.data_location == TensorProto.EXTERNAL:
        return _external(tensor, folder)
    return to_array(tensor)


def _external(tensor: TensorProto, folder: str) -> np.ndarray:
    """Return the elements that a file beside the model holds."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if not folder:
        raise ValueError(
            f"{tensor.name[:80]!r} is in another file, {location[:80]!r}: load by path"
        )
    path = Path(os.path.realpath(os.path.join(folder, location)))
    if os.path.isabs(location) or Path(folder) not in path.parents or not path.is_file():
        raise ValueError(
            f"the data of {tensor.name[:80]!r} must be a file in the folder of the model, received "
            f"{location[:80]!r}"
        )
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).newbyteorder("<")
    elements, offset = math.prod(tensor.dims), int(entries.get("offset") or 0)
    length = int(entries.get("length") or elements * dtype.itemsize)
    if length != elements * dtype.itemsize or not 0 <= offset <= path.stat().st_size - length:
        raise ValueError(
            f"{tensor.name[:80]!r} of shape {list(tensor.dims)} does not fit {length} bytes at "
            f"{offset} of {location[:80]!r}"
        )
    with path.open("rb") as file:
        file.seek(offset)
        array = np.fromfile(file, dtype, elements)
    return array.reshape(tuple(tensor.dims)).astype(dtype.newbyteorder("="), copy=False)


def used(nodes: list[Node]) -> Iterator[str]:
    """Yield the names of all inputs of nodes."""
    for node in nodes:
        yield from filter(None, node.inputs)
