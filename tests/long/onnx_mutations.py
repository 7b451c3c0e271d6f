"""Mutations of ONNX files by their structure: nodes, attributes, weights, sizes and names."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.long.mutations import mutated_bytes

INTEGERS = (
    0, 1, 2, 3, 5, 7, -1, -2, -7, 64, 2**16, 2**31 - 1, 2**31, 2**32, 10**9, 10**18, 2**62,
    2**63 - 1, -(2**63), -(10**18),
)  # fmt: skip
REALS = (0.0, -0.0, 0.5, -1.0, 1e-45, 1e30, -1e30, float("nan"), float("inf"), float("-inf"))
OPERATORS = (
    "Relu", "Conv", "Reshape", "Transpose", "Concat", "Expand", "Tile", "ConstantOfShape", "Range",
    "Pad", "Resize", "Upsample", "Slice", "Gather", "TopK", "OneHot", "Loop", "If", "NonZero",
    "MatMul", "Squeeze", "Unsqueeze", "Split", "CumSum", "DepthToSpace", "MaxPool", "LSTM", "", "x",
    "GatherElements", "Einsum", "GRU", "Trilu", "LRN", "QLinearConv", "NonMaxSuppression",
)  # fmt: skip
NAMES = ("", "x", "y", "w0", "../../etc/passwd", "a/b", "\0", "é" * 50, "x" * 5000)


def mutated_onnx(rng: random.Random, data: bytes) -> bytes:
    """A file with one to three changes of its graph, or of its bytes."""
    if rng.random() < 0.15:
        return mutated_bytes(rng, data)
    model = ModelProto.FromString(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        change = rng.choice(_CHANGES)
        change(rng, model)
    return model.SerializeToString()


def _attribute(rng: random.Random, model: ModelProto) -> None:
    node = rng.choice(model.graph.node)
    if not node.attribute or rng.random() < 0.3:
        name = rng.choice(("axis", "axes", "pads", "perm", "group", "strides", "mode", "to", "?"))
        value = rng.choice((rng.choice(INTEGERS), list(rng.sample(INTEGERS, 3)), "x", 0.5))
        node.attribute.append(helper.make_attribute(name, value))
        return
    attribute = rng.choice(node.attribute)
    kind = rng.random()
    if kind < 0.1:
        node.attribute.remove(attribute)
    elif kind < 0.2:
        attribute.type = rng.choice(AttributeProto.AttributeType.values())
    elif attribute.type == AttributeProto.INTS and attribute.ints:
        _numbers(rng, attribute.ints)
    elif attribute.type == AttributeProto.TENSOR:
        _changed_tensor(rng, attribute.t)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = rng.choice(
            (b"", b"SAME_UPPER", b"SAME_LOWER", b"wrap", b"edge", b"\xff", b"cubic")
        )
    else:
        attribute.i, attribute.f = rng.choice(INTEGERS), rng.choice(REALS)


def _numbers(rng: random.Random, numbers: Any) -> None:
    """Change, add or remove a number of a field."""
    if rng.random() < 0.7:
        numbers[rng.randrange(len(numbers))] = rng.choice(INTEGERS)
    elif rng.random() < 0.5:
        numbers.append(rng.choice(INTEGERS))
    else:
        numbers.pop()


def _weight(rng: random.Random, model: ModelProto) -> None:
    if model.graph.initializer:
        _changed_tensor(rng, rng.choice(model.graph.initializer))


def _changed_tensor(rng: random.Random, tensor: TensorProto) -> None:
    kind = rng.random()
    if kind < 0.3 and tensor.dims:
        _numbers(rng, tensor.dims)
    elif kind < 0.45:
        tensor.data_type = rng.choice(TensorProto.DataType.values())
    elif kind < 0.6:
        tensor.raw_data = mutated_bytes(rng, tensor.raw_data)
    elif kind < 0.7:
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", rng.choice(NAMES)), ("offset", str(rng.choice(INTEGERS)))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    elif tensor.data_type == TensorProto.INT64 and len(tensor.raw_data) >= 8:
        at = 8 * rng.randrange(len(tensor.raw_data) // 8)
        number = rng.choice(INTEGERS).to_bytes(8, "little", signed=True)
        tensor.raw_data = tensor.raw_data[:at] + number + tensor.raw_data[at + 8 :]
    else:
        tensor.CopyFrom(
            numpy_helper.from_array(np.array(rng.sample(INTEGERS, rng.randrange(4))), tensor.name)
        )


def _size(rng: random.Random, model: ModelProto) -> None:
    value = rng.choice(model.graph.input)
    tensor = value.type.tensor_type
    if rng.random() < 0.15:
        tensor.elem_type = rng.choice(TensorProto.DataType.values())
    elif rng.random() < 0.2 or not tensor.shape.dim:
        tensor.shape.dim.add().dim_value = rng.choice(INTEGERS)
    else:
        rng.choice(tensor.shape.dim).dim_value = rng.choice(INTEGERS)


def _name(rng: random.Random, model: ModelProto) -> None:
    """A value of another node, of a later one as well, or of none."""
    node = rng.choice(model.graph.node)
    made = [name for each in model.graph.node for name in each.output]
    name = rng.choice((*made, *NAMES))
    where = node.input if rng.random() < 0.8 else node.output
    if where:
        where[rng.randrange(len(where))] = name
    else:
        where.append(name)


def _operator(rng: random.Random, model: ModelProto) -> None:
    node = rng.choice(model.graph.node)
    if rng.random() < 0.9:
        node.op_type = rng.choice(OPERATORS)
    else:
        node.domain = rng.choice(("ai.onnx", "ai.onnx.ml", "com.microsoft", "x"))


def _nodes(rng: random.Random, model: ModelProto) -> None:
    """One node less, twice or at another place."""
    nodes = list(model.graph.node)
    node = nodes.pop(rng.randrange(len(nodes)))
    for _ in range(rng.choice((0, 1, 2))):
        nodes.insert(rng.randrange(len(nodes) + 1), node)
    del model.graph.node[:]
    model.graph.node.extend(nodes or [NodeProto()])


def _opset(rng: random.Random, model: ModelProto) -> None:
    model.opset_import[0].version = rng.choice((*INTEGERS, *range(1, 30)))


def _output(rng: random.Random, model: ModelProto) -> None:
    made = [name for each in model.graph.node for name in each.output]
    rng.choice(model.graph.output).name = rng.choice((*made, *NAMES))


_CHANGES: list[Callable[[random.Random, ModelProto], None]] = [
    _attribute, _attribute, _weight, _weight, _weight, _size, _name, _operator, _nodes, _opset,
    _output,
]  # fmt: skip
