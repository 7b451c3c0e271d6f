"""Functions of `fastconv.ops` that computed in NumPy: one writer per function, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from fastconv.onnx.writing import Value, Writer, writes
from fastconv.ops._function import Spec, infer
from fastconv.parameters import Variable
from fastconv.plan.functions import FunctionCall, Slot, live

# name of a function -> function (call) -> name of the result
_FUNCTIONS: dict[str, Callable[[Call], str]] = {}


class Call:
    """One call of a function while it is written: `self[name]` is an argument."""

    writer: Writer
    operation: FunctionCall
    values: tuple[Value, ...]

    def __init__(self, writer: Writer, operation: FunctionCall, values: tuple[Value, ...]):
        self.writer, self.operation, self.values = writer, operation, values

        def spec(operand: Any) -> Any:
            if isinstance(operand, Slot):
                x = values[operand.number]
                return Spec(x.shape, x.dtype)
            return live(operand)

        function = operation.function
        specs = infer(function, function.mapped(spec, operation.arguments))
        self.result: Any = specs if operation.index is None else specs[operation.index]

    def __getitem__(self, name: str) -> Any:
        return self.operation.arguments[name]

    def shape(self, name: str) -> tuple[int | None, ...]:
        """Return the shape of an operand."""
        operand = self[name]
        return self.values[operand.number].shape if isinstance(operand, Slot) else operand.shape

    def name(self, operand: Any) -> str:
        """Return the name of an operand in the order of memory."""
        if isinstance(operand, Slot):
            return self.writer.plain(self.values[operand.number])
        array = np.asarray(live(operand))
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        if isinstance(operand, Variable):
            return self.writer.weight(operand, array)
        return self.writer.constant(array)

    def constant(self, argument: str) -> np.ndarray:
        """Return an operand that must be an array or a weight; ValueError for any other."""
        operand = self[argument]
        if isinstance(operand, Slot):
            name = self.operation.function.name
            raise ValueError(f"`{argument}` of `ops.{name}` must be a constant to be written")
        return np.asarray(live(operand))

    @property
    def x(self) -> str:
        """The name of the first operand."""
        return self.name(self[self.operation.function.operands[0]])

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        return self.writer.node(op, *inputs, **attributes)

    def axes(self, name: str = "x", argument: str = "axis") -> list[int]:
        """Return the axes of an argument, all for None."""
        axis, rank = self[argument], len(self.shape(name))
        axes = range(rank) if axis is None else axis if isinstance(axis, (tuple, list)) else [axis]
        return [one % rank for one in axes]


def writes_function(*names: str) -> Callable[[Callable[[Call], str]], Callable[[Call], str]]:
    """Return a decorator that registers the function which writes these functions."""

    def register(function: Callable[[Call], str]) -> Callable[[Call], str]:
        for name in names:
            _FUNCTIONS[name] = function
        return function

    return register


@writes(FunctionCall)
def function_call(writer: Writer, operation: FunctionCall, *values: Value) -> Value:
    name = operation.function.name
    if name not in _FUNCTIONS:
        raise ValueError(f"the function `ops.{name}` cannot be written")
    call = Call(writer, operation, values)
    return Value(_FUNCTIONS[name](call), call.result.shape, call.result.dtype)


def _as_result(call: Call, name: str) -> str:
    """Cast to the dtype of the result, where ONNX has another one."""
    return call.node("Cast", name, to=helper.np_dtype_to_tensor_dtype(call.result.dtype))


def _target(call: Call) -> str:
    """Return the shape of the result: its batch is the one size that is not known."""
    sizes = [-1 if n is None else n for n in call.result.shape]
    if sizes.count(-1) > 1:
        raise ValueError(f"`ops.{call.operation.function.name}` has open sizes {sizes}")
    return call.writer.integers(sizes)


@writes_function("reshape", "expand_dims", "squeeze", "ravel")
def _reshape(call: Call) -> str:
    return call.node("Reshape", call.x, _target(call))


@writes_function("transpose", "moveaxis", "swapaxes")
def _transpose(call: Call) -> str:
    rank = len(call.shape("x"))
    names = call.operation.function.settings
    moved = call.operation.function.compute(
        np.empty([1 + a for a in range(rank)], np.float32), **{n: call[n] for n in names}
    )
    return call.node("Transpose", call.x, perm=[n - 1 for n in moved.shape])


_REDUCTIONS = {
    "sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin",
    "prod": "ReduceProd", "logsumexp": "ReduceLogSumExp",
}  # fmt: skip


@writes_function(*_REDUCTIONS)
def _reduce(call: Call) -> str:
    axes = call.writer.integers(call.axes())
    op = _REDUCTIONS[call.operation.function.name]
    return call.node(op, call.x, axes, keepdims=int(bool(call["keepdims"])))


@writes_function("var")
def _variance(call: Call) -> str:
    axes, x = call.writer.integers(call.axes()), call.x
    apart = call.node("Sub", x, call.node("ReduceMean", x, axes, keepdims=1))
    square = call.node("Mul", apart, apart)
    return call.node("ReduceMean", square, axes, keepdims=int(bool(call["keepdims"])))


@writes_function("argmax", "argmin")
def _place(call: Call) -> str:
    (axis,) = call.axes()
    op = "ArgMax" if call.operation.function.name == "argmax" else "ArgMin"
    name = call.node(op, call.x, axis=axis, keepdims=int(bool(call["keepdims"])))
    return _as_result(call, name)


@writes_function("cast")
def _cast(call: Call) -> str:
    return _as_result(call, call.x)


@writes_function("matmul")
def _matmul(call: Call) -> str:
    return call.node("MatMul", call.name(call["x1"]), call.name(call["x2"]))


@writes_function("einsum")
def _einsum(call: Call) -> str:
    names = (call.name(each) for each in call["operands"])
    return call.node("Einsum", *names, equation=call["subscripts"])


@writes_function("softmax", "log_softmax")
def _softmax(call: Call) -> str:
    (axis,) = call.axes()
    op = "Softmax" if call.operation.function.name == "softmax" else "LogSoftmax"
    return call.node(op, call.x, axis=axis)


@writes_function("concatenate")
def _concatenate(call: Call) -> str:
    return call.node("Concat", *(call.name(each) for each in call["xs"]), axis=call["axis"])


@writes_function("stack")
def _stack(call: Call) -> str:
    axis = call["axis"] % len(call.result.shape)
    new = call.writer.integers([axis])
    names = [call.node("Unsqueeze", call.name(each), new) for each in call["x"]]
    return call.node("Concat", *names, axis=axis)


@writes_function("split")
def _split(call: Call) -> str:
    (axis,) = call.axes()
    index, given = call.operation.index or 0, call["indices_or_sections"]
    whole = call.shape("x")[axis]
    assert whole is not None
    if isinstance(given, int):
        ends = [whole // given * k for k in range(given + 1)]
    else:
        ends = [0, *map(int, given), whole]
    return _sliced(call, call.x, [(axis, ends[index], ends[index + 1], 1)])


def _sliced(call: Call, name: str, parts: list[tuple[int, int, int, int]]) -> str:
    """Write slices (axis, start, end, step)."""
    if not parts:
        return name
    axes, starts, ends, steps = (call.writer.integers(n) for n in zip(*parts, strict=True))
    return call.node("Slice", name, starts, ends, axes, steps)


@writes_function("get_item")
def _get_item(call: Call) -> str:
    key = call["key"] if isinstance(call["key"], (tuple, list)) else (call["key"],)
    key, rank = list(key), len(call.shape("x"))
    if any(part is None or not isinstance(part, (int, slice, type(...))) for part in key):
        raise ValueError(f"an index {key} cannot be written")
    if Ellipsis in key:
        place = key.index(Ellipsis)
        key[place : place + 1] = [slice(None)] * (rank - len(key) + 1)
    most = 2**31 - 1
    parts, gone = [], []
    for axis, part in enumerate(key):
        if isinstance(part, int):
            parts.append((axis, part, part + 1 if part != -1 else most, 1))
            gone.append(axis)
        elif part != slice(None):
            step = part.step or 1
            start = (most if step < 0 else 0) if part.start is None else part.start
            end = (-most if step < 0 else most) if part.stop is None else part.stop
            parts.append((axis, start, end, step))
    name = _sliced(call, call.x, parts)
    return call.node("Squeeze", name, call.writer.integers(gone)) if gone else name


@writes_function("take")
def _take(call: Call) -> str:
    (axis,) = call.axes() if call["axis"] is not None else (0,)
    x = call.x
    if call["axis"] is None:
        x = call.node("Reshape", x, call.writer.integers([-1]))
    indices = call.node(
        "Cast", call.name(call["indices"]), to=helper.np_dtype_to_tensor_dtype(np.dtype(np.int64))
    )
    return call.node("Gather", x, indices, axis=axis)


@writes_function("flip")
def _flip(call: Call) -> str:
    most = 2**31 - 1
    return _sliced(call, call.x, [(axis, most, -most, -1) for axis in call.axes()])


@writes_function("pad")
def _pad(call: Call) -> str:
    width = np.broadcast_to(np.asarray(call["pad_width"]), (len(call.shape("x")), 2))
    pads = call.writer.integers([int(n) for n in width.T.reshape(-1)])
    mode, fill = call["mode"], call["constant_values"] or 0
    if mode == "symmetric":
        raise ValueError("`ops.pad` with mode 'symmetric' cannot be written")
    if mode != "constant":
        return call.node("Pad", call.x, pads, mode=mode)
    return call.node("Pad", call.x, pads, call.writer.constant(np.array(fill, call.result.dtype)))


@writes_function("tile")
def _tile(call: Call) -> str:
    times = call["repeats"]
    times = list(times) if isinstance(times, (tuple, list)) else [times]
    return call.node("Tile", call.x, call.writer.integers(times))


@writes_function("broadcast_to")
def _broadcast(call: Call) -> str:
    sizes = [1 if n is None else n for n in call["shape"]]
    return call.node("Expand", call.x, call.writer.integers(sizes))


@writes_function("top_k")
def _top_k(call: Call) -> str:
    writer, count = call.writer, call.writer.integers([call["k"]])
    names = [writer.fresh("values"), writer.fresh("indices")]
    writer.nodes.append(helper.make_node("TopK", [call.x, count], names, axis=-1))
    return names[0] if call.operation.index == 0 else _as_result(call, names[1])


@writes_function("max_pool", "average_pool")
def _pool(call: Call) -> str:
    rank = len(call.shape("inputs"))
    size, strides = (
        list(n) if isinstance(n, (tuple, list)) else [n] * (rank - 2)
        for n in (call["pool_size"], call["strides"] or call["pool_size"])
    )
    padding = call["padding"]
    settings: dict[str, Any] = {"kernel_shape": size, "strides": strides}
    if padding == "same":
        settings["auto_pad"] = "SAME_UPPER"
    elif padding != "valid":
        pads = padding[-(rank - 2) :]
        settings["pads"] = [p[0] for p in pads] + [p[1] for p in pads]
    x = call["inputs"]
    value = call.values[x.number]
    op = "MaxPool" if call.operation.function.name == "max_pool" else "AveragePool"
    first = call["data_format"] == "channels_first"
    name = call.node(op, call.writer.name_in(value, not first), **settings)
    back = (0, *range(2, rank), 1)
    return name if first else call.node("Transpose", name, perm=back)


@writes_function("interpolate")
def _interpolate(call: Call) -> str:
    shape, sizes, scales = call.shape("x"), call["sizes"], call["scales"]
    if call["coordinates"] == "tf_half_pixel_for_nn" or call["parts"] is not None:
        raise ValueError(f"`ops.interpolate` with {call['coordinates']!r} cannot be written")
    factors = [
        s if s is not None else 1.0 if m is None or n is None else m / n
        for n, m, s in zip(shape, sizes, scales, strict=True)
    ]
    if any(not math.isfinite(factor) for factor in factors):
        raise ValueError(f"`ops.interpolate` with factors {factors} cannot be written")
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
