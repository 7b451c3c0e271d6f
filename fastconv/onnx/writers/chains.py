"""Chains of element-wise instructions: one node or a few per instruction.

Truth values are numbers in a chain, 0 or 1, and bool in ONNX: comparisons are cast to float32, and
conditions to bool.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import TensorProto

from fastconv.onnx.writers.activations import activation
from fastconv.onnx.writing import Value, Writer, first_axes, writes
from fastconv.parameters import Variable
from fastconv.plan.functions import Elementwise, Slot, live

# instruction -> operator
_SAME = {
    "absolute": "Abs", "acos": "Acos", "acosh": "Acosh", "add": "Add", "asin": "Asin",
    "asinh": "Asinh", "atan": "Atan", "atanh": "Atanh", "ceil": "Ceil", "copy": "Identity",
    "cos": "Cos", "cosh": "Cosh", "divide": "Div", "erf": "Erf", "exp": "Exp", "floor": "Floor",
    "log": "Log", "maximum": "Max", "minimum": "Min", "multiply": "Mul", "negative": "Neg",
    "power": "Pow", "rint": "Round", "sign": "Sign", "sin": "Sin", "sinh": "Sinh",
    "square_root": "Sqrt", "subtract": "Sub", "tan": "Tan",
}  # fmt: skip
_COMPARISONS = {
    "equal": "Equal", "greater": "Greater", "greater_equal": "GreaterOrEqual", "isinf": "IsInf",
    "isnan": "IsNaN",
}  # fmt: skip
_LOGIC = {"logical_and": "And", "logical_not": "Not", "logical_or": "Or"}


@writes(Elementwise)
def elementwise(writer: Writer, operation: Elementwise, *values: Value) -> Value:
    rank = len(operation.shape)
    whole = [x for x in values if x.rank == rank]
    first = any(x.is_first for x in whole) and len(whole) == len(values) and rank > 2
    names = [_operand(writer, each, values, rank, first) for each in operation.operands]
    for instruction in operation.chain.instructions:
        operands = [names[number] for number in instruction.operands]
        names.append(_instruction(writer, instruction, operands))
    (output,) = operation.chain.outputs
    name = names[output]
    if operation.is_bool:
        name = _as_bool(writer, name)
    dtype = np.bool_ if operation.is_bool else np.float32
    return Value(name, operation.shape, dtype, first)


def _operand(
    writer: Writer, operand: Any, values: tuple[Value, ...], rank: int, first: bool
) -> str:
    if isinstance(operand, Slot):
        x = values[operand.number]
        name = writer.name_in(x, first)
        return name if x.dtype == np.float32 else _as_float(writer, name)
    array = np.asarray(live(operand), np.float32)
    if first and array.ndim:
        array = array.reshape((1,) * (rank - array.ndim) + array.shape).transpose(first_axes(rank))
    if isinstance(operand, Variable):
        return writer.weight(operand, array)
    return writer.constant(array)


def _as_float(writer: Writer, name: str) -> str:
    return writer.node("Cast", name, to=TensorProto.FLOAT)


def _as_bool(writer: Writer, name: str) -> str:
    return writer.node("Cast", name, to=TensorProto.BOOL)


def _instruction(writer: Writer, instruction: Any, operands: list[str]) -> str:
    name, node = instruction.name, writer.node
    if name == "constant":
        return writer.number(instruction.parameters[0])
    if name == "activation":
        return activation(writer, operands[0], instruction.activation, instruction.parameters)
    if name in _SAME:
        return node(_SAME[name], *operands)
    if name in _COMPARISONS:
        return _as_float(writer, node(_COMPARISONS[name], *operands))
    if name in _LOGIC:
        return _as_float(writer, node(_LOGIC[name], *(_as_bool(writer, n) for n in operands)))
    written = _composed(writer, name, operands)
    if written is None:
        raise ValueError(f"the instruction {name!r} cannot be written")
    return written


def _composed(writer: Writer, name: str, operands: list[str]) -> str | None:
    """Write an instruction that ONNX has no operator for; None for an unknown one."""
    node, x = writer.node, operands[0]
    if name == "where":
        return node("Where", _as_bool(writer, x), *operands[1:])
    if name == "not_equal":
        return _as_float(writer, node("Not", node("Equal", *operands)))
    if name == "isfinite":
        wrong = node("Or", node("IsNaN", x), node("IsInf", x))
        return _as_float(writer, node("Not", wrong))
    if name == "expm1":
        return node("Sub", node("Exp", x), writer.number(1))
    if name == "log1p":
        return node("Log", node("Add", x, writer.number(1)))
    if name == "exp2":
        return node("Pow", writer.number(2), x)
    if name in ("log2", "log10"):
        base = 2 if name == "log2" else 10
        return node("Mul", node("Log", x), writer.number(1 / math.log(base)))
    if name == "trunc":
        return node("Mul", node("Sign", x), node("Floor", node("Abs", x)))
    if name == "atan2":
        return _angle(writer, x, operands[1])
    if name == "floor_divide":
        return node("Floor", node("Div", *operands))
    if name == "floor_mod":
        quotient = node("Floor", node("Div", *operands))
        return node("Sub", x, node("Mul", quotient, operands[1]))
    return None


def _angle(writer: Writer, y: str, x: str) -> str:
    """atan2(y, x): atan(y / x), half a turn further left of the y axis, 0 at the origin."""
    node, zero = writer.node, writer.number(0)
    half = node("Where", node("Less", y, zero), writer.number(-math.pi), writer.number(math.pi))
    angle = node("Atan", node("Div", y, x))
    angle = node("Where", node("Less", x, zero), node("Add", angle, half), angle)
    origin = node("And", node("Equal", x, zero), node("Equal", y, zero))
    return node("Where", origin, zero, angle)
