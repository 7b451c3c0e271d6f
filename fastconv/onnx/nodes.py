"""The nodes of a file, checked against onnx's schemas and the registry before one is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, helper, numpy_helper

from fastconv.onnx.registry import OPERATORS, Operator

_NAMES = ("", "ai.onnx")  # of the domain of standard operators
_DTYPES = "float32, float64, integers of 8 to 64 bits and bool"

# The types of elements that arrays have, as ONNX numbers them.
TYPES = {
    onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.BOOL,
    onnx.TensorProto.INT8, onnx.TensorProto.INT16, onnx.TensorProto.INT32, onnx.TensorProto.INT64,
    onnx.TensorProto.UINT8, onnx.TensorProto.UINT16, onnx.TensorProto.UINT32,
    onnx.TensorProto.UINT64,
}  # fmt: skip


class Unsupported(ValueError):
    """A node that cannot be read: the reason."""


class Node:
    """One operation of a graph.

    `node[name]` is an attribute, or its default in the schema, None without both.

    Attributes:
        op, name: the operator, and the name of the node or of its first output.
        version: the opset that defined the operator last; `opset` is that of the file.
        inputs, outputs: names of values; "" for one that is left out.
        function: reads the operator.

    Raises Unsupported for an operator, a version or an attribute that cannot be read.
    """

    inputs: list[Any]
    outputs: list[Any]
    version: int

    def __init__(self, proto: NodeProto, opsets: dict[str, int]):
        self.op: Any = proto.op_type
        self.inputs, self.outputs = list(proto.input), list(proto.output)
        self.name: str = proto.name or next(filter(None, self.outputs), self.op)
        self.opset: int = opsets.get("", 0)
        if proto.domain not in _NAMES:
            raise Unsupported(f"operators of the domain {proto.domain[:80]!r} are not supported")
        self.version, schema = self._schema()
        self.function: Operator = self._function()
        self._attributes = {each.name: _attribute(each) for each in proto.attribute}
        self._defaults = {
            name: _attribute(attribute.default_value)
            for name, attribute in schema.attributes.items()
            if attribute.default_value.name
        }
        for name, attribute in schema.attributes.items():
            if attribute.required and name not in self._attributes:
                raise Unsupported(f"the attribute {name!r} is missing")
        fewest, most = schema.min_input, schema.max_input
        if not fewest <= len(self.inputs) <= most or len(self.outputs) > schema.max_output:
            raise Unsupported(
                f"has {len(self.inputs)} inputs and {len(self.outputs)} outputs, where the "
                f"operator has {fewest} to {most} and at most {schema.max_output}"
            )

    def _schema(self) -> tuple[int, Any]:
        try:
            schema = onnx.defs.get_schema(self.op, self.opset, "")
        except Exception as error:
            raise Unsupported(f"opset {self.opset} has no operator of this name") from error
        return schema.since_version, schema

    def _function(self) -> Operator:
        function = OPERATORS.get((self.op, self.version))
        if function is not None:
            return function
        known = sorted(version for op, version in OPERATORS if op == self.op)
        if not known:
            raise Unsupported("the operator is not supported")
        raise Unsupported(f"version {self.version} is not supported; those supported are {known}")

    def __getitem__(self, name: str) -> Any:
        value = self._attributes.get(name, self._defaults.get(name))
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def has(self, name: str) -> bool:
        """Whether the file gives the attribute."""
        return name in self._attributes

    def needs_output(self, number: int) -> bool:
        """Whether the graph has a name for an output."""
        return len(self.outputs) > number and bool(self.outputs[number])

    def __repr__(self) -> str:
        return f"node {self.name[:80]!r} ({self.op}, opset {self.opset})"


def _attribute(proto: AttributeProto) -> Any:
    """Return an attribute as numbers, text, lists or an array."""
    if proto.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        raise Unsupported(f"the graph in the attribute {proto.name[:80]!r} is not supported")
    if proto.type in (AttributeProto.TENSOR,):
        return to_array(proto.t)
    if proto.ref_attr_name:
        raise Unsupported(f"the attribute {proto.name[:80]!r} refers to one of a function")
    value = helper.get_attribute_value(proto)
    return list(value) if proto.type in (AttributeProto.INTS, AttributeProto.FLOATS) else value


def to_array(proto: onnx.TensorProto, folder: str = "") -> np.ndarray:
    """Return a tensor of a file as an array.

    Raises Unsupported for types of elements that arrays of this package do not have, ValueError if
    sizes and data do not match.
    """
    if proto.data_type not in TYPES:
        raise Unsupported(
            f"elements of type {type_name(proto.data_type)} in {proto.name[:80]!r} are not "
            f"supported; those supported are {_DTYPES}"
        )
    return numpy_helper.to_array(proto, folder)


def type_name(number: int) -> str:
    """Return the name of a type of elements.

    >>> type_name(10)
    'FLOAT16'
    """
    try:
        return onnx.TensorProto.DataType.Name(number)
    except ValueError:
        return str(number)
