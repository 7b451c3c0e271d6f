"""Element-wise functions of `fastconv.ops` on integers, which chains do not compute."""

from __future__ import annotations

import numpy as np

from fastconv.onnx.writers.calls import Call, writes_function

_ARITHMETIC = {
    "abs": "Abs", "absolute": "Abs", "add": "Add", "maximum": "Max", "minimum": "Min",
    "mod": "Mod", "multiply": "Mul", "negative": "Neg", "sign": "Sign", "subtract": "Sub",
}  # fmt: skip
_COMPARISONS = {
    "equal": "Equal", "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less",
    "less_equal": "LessOrEqual",
}  # fmt: skip
_LOGIC = {"logical_and": "And", "logical_not": "Not", "logical_or": "Or", "logical_xor": "Xor"}


def _operands(call: Call, dtype: object) -> list[str]:
    return [call.name(call[name], dtype) for name in call.operation.function.operands]


@writes_function(*_ARITHMETIC)
def _arithmetic(call: Call) -> str:
    return call.node(_ARITHMETIC[call.function], *_operands(call, call.result.dtype))


@writes_function("square")
def _square(call: Call) -> str:
    (x,) = _operands(call, call.result.dtype)
    return call.node("Mul", x, x)


@writes_function("floor_divide")
def _floor_divide(call: Call) -> str:
    """Mod has the sign of the divisor, as in Python, and Div cuts off."""
    x, divisor = _operands(call, call.result.dtype)
    return call.node("Div", call.node("Sub", x, call.node("Mod", x, divisor)), divisor)


@writes_function("clip")
def _clip(call: Call) -> str:
    dtype = call.result.dtype
    bounds = (call.writer.constant(np.asarray(call[name], dtype)) for name in ("x_min", "x_max"))
    return call.node("Clip", call.name(call["x"], dtype), *bounds)


@writes_function(*_COMPARISONS, "not_equal")
def _compare(call: Call) -> str:
    names = _operands(call, call.common)
    if call.function == "not_equal":
        return call.node("Not", call.node("Equal", *names))
    return call.node(_COMPARISONS[call.function], *names)


@writes_function(*_LOGIC)
def _logic(call: Call) -> str:
    return call.node(_LOGIC[call.function], *_operands(call, np.bool_))


@writes_function("where")
def _where(call: Call) -> str:
    values = (call.name(call[name], call.common) for name in ("x1", "x2"))
    return call.node("Where", call.name(call["condition"], np.bool_), *values)
