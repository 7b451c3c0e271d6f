"""Functions of `fastconv.ops`: shapes, parts, padding, reductions, products."""

from __future__ import annotations

import numpy as np

from fastconv.onnx.writers.calls import Call, writes_function

_MOST = 2**31 - 1  # beyond every end of an axis

# ------------------------------------------------------------------------------------------- shapes


@writes_function("reshape", "expand_dims", "squeeze", "ravel")
def _reshape(call: Call) -> str:
    return call.reshaped(call.x)


@writes_function("transpose", "moveaxis", "swapaxes")
def _transpose(call: Call) -> str:
    rank = len(call.shape("x"))
    names = call.operation.function.settings
    moved = call.operation.function.compute(
        np.empty([1 + a for a in range(rank)], np.float32), **{n: call[n] for n in names}
    )
    return call.node("Transpose", call.x, perm=[n - 1 for n in moved.shape])


@writes_function("cast")
def _cast(call: Call) -> str:
    return call.name(call["x"], call.result.dtype)


@writes_function("stop_gradient")
def _same(call: Call) -> str:
    return call.x


@writes_function("zeros_like", "ones_like", "full_like")
def _constant(call: Call) -> str:
    fills = {"zeros_like": 0, "ones_like": 1}
    fill = fills[call.function] if call.function in fills else call["fill_value"]
    constant = call.writer.constant(np.asarray(fill, call.result.dtype))
    return call.node("Expand", constant, call.node("Shape", call.x))


@writes_function("tile")
def _tile(call: Call) -> str:
    times = call["repeats"]
    times = list(times) if isinstance(times, (tuple, list)) else [times]
    x, rank = call.x, len(call.shape("x"))
    if rank < len(times):
        x = call.node("Unsqueeze", x, call.writer.integers(range(len(times) - rank)))
    return call.node("Tile", x, call.writer.integers([1] * (rank - len(times)) + times))


@writes_function("broadcast_to")
def _broadcast(call: Call) -> str:
    sizes = [1 if n is None else n for n in call["shape"]]
    return call.node("Expand", call.x, call.writer.integers(sizes))


# ---------------------------------------------------------------------------------- parts and joins


@writes_function("concatenate")
def _concatenate(call: Call) -> str:
    names = [call.name(each, call.common) for each in call["xs"]]
    if call["axis"] is not None:
        return call.node("Concat", *names, axis=call["axis"])
    whole = call.writer.integers([-1])
    return call.node("Concat", *(call.node("Reshape", name, whole) for name in names), axis=0)


@writes_function("stack")
def _stack(call: Call) -> str:
    axis = call["axis"] % len(call.result.shape)
    new = call.writer.integers([axis])
    names = [call.node("Unsqueeze", call.name(each, call.common), new) for each in call["x"]]
    return call.node("Concat", *names, axis=axis)


@writes_function("unstack")
def _unstack(call: Call) -> str:
    index = call.writer.constant(np.int64(call.operation.index or 0))
    return call.node("Gather", call.x, index, axis=call["axis"])


@writes_function("split")
def _split(call: Call) -> str:
    (axis,) = call.axes()
    index, given = call.operation.index or 0, call["indices_or_sections"]
    if not isinstance(given, int):
        ends = [0, *map(int, given), _MOST]
    else:
        whole = call.shape("x")[axis]
        if whole is None:
            raise call.refuse(f"axis {axis} has an open size")
        ends = [whole // given * k for k in range(given + 1)]
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
    if any(type(part) not in (int, slice, type(...), type(None)) for part in key):
        raise call.refuse(f"the index {key} holds more than integers and slices")
    if Ellipsis in key:
        place = key.index(Ellipsis)
        count = sum(part is not None for part in key) - 1
        key[place : place + 1] = [slice(None)] * (rank - count)
    parts, gone = [], []
    for axis, part in enumerate(part for part in key if part is not None):
        if isinstance(part, int):
            parts.append((axis, part, part + 1 if part != -1 else _MOST, 1))
            gone.append(axis)
        elif part != slice(None):
            step = part.step or 1
            start = (_MOST if step < 0 else 0) if part.start is None else part.start
            end = (-_MOST if step < 0 else _MOST) if part.stop is None else part.stop
            parts.append((axis, start, end, step))
    name = _sliced(call, call.x, parts)
    if gone:
        name = call.node("Squeeze", name, call.writer.integers(gone))
    kept = [part for part in key if not isinstance(part, int)]
    new = [place for place, part in enumerate(kept) if part is None]
    return call.node("Unsqueeze", name, call.writer.integers(new)) if new else name


@writes_function("flip")
def _flip(call: Call) -> str:
    return _sliced(call, call.x, [(axis, _MOST, -_MOST, -1) for axis in call.axes()])


@writes_function("roll")
def _roll(call: Call) -> str:
    if call["axis"] is None:
        name, axis, size = call.along()
        steps = [(axis, size, int(np.sum(call["shift"])))]
    else:
        name, sizes = call.x, call.shape("x")
        shifts = np.broadcast_to(call["shift"], len(call.axes()))
        steps = [(a, sizes[a], int(n)) for a, n in zip(call.axes(), shifts, strict=True)]
    for axis, size, shift in steps:
        if size is None:
            raise call.refuse(f"axis {axis} has an open size")
        places = call.writer.constant(np.roll(np.arange(size), shift))
        name = call.node("Gather", name, places, axis=axis)
    return name if call["axis"] is not None else call.reshaped(name)


@writes_function("repeat")
def _repeat(call: Call) -> str:
    name, axis, size = call.along()
    counts = np.asarray(call["repeats"]).reshape(-1)
    if size is not None:
        places = np.repeat(np.arange(size), np.broadcast_to(counts, size))
        return call.node("Gather", name, call.writer.constant(places), axis=axis)
    name = call.node("Unsqueeze", name, call.writer.integers([axis + 1]))
    times = [1] * (len(call.result.shape) + 1)
    times[axis + 1] = int(counts[0])
    return call.reshaped(call.node("Tile", name, call.writer.integers(times)))


@writes_function("pad")
def _pad(call: Call) -> str:
    width = np.broadcast_to(np.asarray(call["pad_width"]), (len(call.shape("x")), 2))
    pads = call.writer.integers([int(n) for n in width.T.reshape(-1)])
    mode, fill = call["mode"], call["constant_values"] or 0
    if mode == "symmetric":
        raise call.refuse("ONNX has no padding 'symmetric'")
    if mode != "constant":
        return call.node("Pad", call.x, pads, mode=mode)
    return call.node("Pad", call.x, pads, call.writer.constant(np.array(fill, call.result.dtype)))


# --------------------------------------------------------------------------------------- reductions

_REDUCTIONS = {
    "sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin",
    "prod": "ReduceProd",
}  # fmt: skip


def _reduced(call: Call, op: str, name: str, keeps: bool) -> str:
    axes = call.axes()
    if not axes:
        return name
    return call.node(op, name, call.writer.integers(axes), keepdims=int(keeps))


@writes_function(*_REDUCTIONS)
def _reduce(call: Call) -> str:
    if call.function in ("max", "min") and call["initial"] is not None:
        raise call.refuse("`initial` must be None")
    dtype = np.dtype(np.int32) if call.result.dtype.kind == "b" else call.result.dtype
    name = _reduced(
        call, _REDUCTIONS[call.function], call.name(call["x"], dtype), bool(call["keepdims"])
    )
    return call.as_result(name, dtype)


@writes_function("any", "all", "count_nonzero")
def _truth(call: Call) -> str:
    truth = call.cast(call.name(call["x"], np.bool_), np.int32)
    if call.function == "count_nonzero":
        return _reduced(call, "ReduceSum", truth, False)
    op = "ReduceMax" if call.function == "any" else "ReduceMin"
    return call.cast(_reduced(call, op, truth, bool(call["keepdims"])), np.bool_)


@writes_function("var")
def _variance(call: Call) -> str:
    axes, x = call.writer.integers(call.axes()), call.x
    apart = call.node("Sub", x, call.node("ReduceMean", x, axes, keepdims=1))
    return _reduced(call, "ReduceMean", call.node("Mul", apart, apart), bool(call["keepdims"]))


@writes_function("argmax", "argmin")
def _place(call: Call) -> str:
    op = "ArgMax" if call.function == "argmax" else "ArgMin"
    name, axis, _ = call.along()
    name = call.node(op, name, axis=axis, keepdims=int(bool(call["keepdims"])))
    name = call.reshaped(name) if call["axis"] is None else name
    return call.as_result(name, np.int64)


@writes_function("cumsum")
def _cumsum(call: Call) -> str:
    name, axis, _ = call.along()
    if call.common != call.result.dtype:
        name = call.cast(name, call.result.dtype)
    return call.node("CumSum", name, call.writer.constant(np.int64(axis)))


@writes_function("cumprod")
def _cumprod(call: Call) -> str:
    """Products of rows of a lower triangle, whose other elements are 1."""
    name, axis, size = call.along()
    if size is None:
        raise call.refuse("the axis has an open size")
    dtype, rank = call.result.dtype, len(call.result.shape)
    name = call.cast(name, dtype) if call.common != dtype else name
    name = call.node("Unsqueeze", name, call.writer.integers([axis]))
    shape = (size, size, *(1,) * (rank - 1 - axis))
    triangle = call.writer.constant(np.tri(size, dtype=bool).reshape(shape))
    rows = call.node("Where", triangle, name, call.writer.constant(np.ones((), dtype)))
    return call.node("ReduceProd", rows, call.writer.integers([axis + 1]), keepdims=0)


# ----------------------------------------------------------------------------------------- products


@writes_function("matmul")
def _matmul(call: Call) -> str:
    return call.node("MatMul", *(call.name(call[name], call.common) for name in ("x1", "x2")))


@writes_function("einsum")
def _einsum(call: Call) -> str:
    names = (call.name(each, call.common) for each in call["operands"])
    return call.node("Einsum", *names, equation=call["subscripts"])


# ------------------------------------------------------------------------- normalized distributions


@writes_function("softmax", "log_softmax")
def _softmax(call: Call) -> str:
    op = "Softmax" if call.function == "softmax" else "LogSoftmax"
    if call["axis"] is None:
        return call.reshaped(call.node(op, call.flat(), axis=0))
    (axis,) = call.axes()
    return call.node(op, call.x, axis=axis)


@writes_function("sparsemax")
def _sparsemax(call: Call) -> str:
    """max(x - t, 0) with t = (sum of the k largest - 1) / k, for the largest k with
    1 + k x_k > sum of the k largest."""
    x, writer = call.x, call.writer
    (axis,) = call.axes()
    shape = call.shape("x")
    size = shape[axis]
    if size is None:
        raise call.refuse("the axis has an open size")
    descending, _ = call.ordered(x, axis, writer.integers([size]))
    count = np.arange(1, size + 1, dtype=np.float32).reshape(-1, *(1,) * (len(shape) - 1 - axis))
    excess = call.node("CumSum", descending, writer.constant(np.int64(axis)))
    excess = call.node("Sub", excess, writer.number(1))
    inside = call.node("Greater", call.node("Mul", descending, writer.constant(count)), excess)
    along = writer.integers([axis])
    number = call.node("ReduceSum", call.cast(inside, np.int64), along, keepdims=1)
    number = call.node("Max", number, writer.integers([1]))
    last = call.node("Sub", number, writer.integers([1]))
    chosen = call.node("GatherElements", excess, last, axis=axis)
    threshold = call.node("Div", chosen, call.cast(number, np.float32))
    return call.node("Max", call.node("Sub", x, threshold), writer.number(0))
