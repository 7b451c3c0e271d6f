"""LSTM and GRU: one direction, whose axis of size 1 is inserted and removed.

ONNX has the steps in front, (T, N, I), and another order of the gates of an LSTM: i, o, f, g.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from fastconv.onnx.writers.calls import Call, writes_function
from fastconv.onnx.writing import Value, Writer, writes
from fastconv.plan import operations

_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2)}


def _ordered(op: str, columns: np.ndarray) -> np.ndarray:
    """Return the columns of the gates (..., G H) as rows in the order of ONNX."""
    parts = np.split(columns, len(_GATES[op]), -1)
    return np.concatenate([parts[gate] for gate in _GATES[op]], -1).T.astype(np.float32)


def _bias(op: str, input_bias: Any, recurrent_bias: Any) -> np.ndarray:
    """Return both biases, one after the other (1, 2 G H)."""
    return np.concatenate([_ordered(op, input_bias), _ordered(op, recurrent_bias)])[None]


def _node(
    writer: Writer, op: str, x: str, w: str, r: str, b: str, states: list[str], index: int,
    **settings: Any,
) -> str:  # fmt: skip
    """Write the node for x (N, T, I); return the name of y (N, T, H), or of a last state (N, H)."""
    name = writer.fresh(op.lower())
    inputs = [writer.node("Transpose", x, perm=(1, 0, 2)), w, r, b, "", *states]
    writer.nodes.append(
        helper.make_node(op, inputs, [""] * index + [name], name=f"node_{name}", **settings)
    )
    name = writer.node("Squeeze", name, writer.integers([0 if index else 1]))
    return name if index else writer.node("Transpose", name, perm=(1, 0, 2))


@writes(operations.Recurrent)
def recurrent(writer: Writer, operation: operations.Recurrent, x: Value) -> Value:
    kernel, inner, bias = operation.kernel, operation.recurrent_kernel, operation.bias
    units, width = inner.shape
    op = "LSTM" if width == 4 * units else "GRU"
    w, r = (writer.weight(each, _ordered(op, np.asarray(each))[None]) for each in (kernel, inner))
    rows = np.zeros((2, width), np.float32)
    if bias is not None:
        values = np.asarray(bias).reshape(-1, width)
        rows[: len(values)] = values
    b = writer.constant(_bias(op, *rows), "bias" if bias is None else bias.path)
    settings: dict[str, Any] = {"hidden_size": units}
    if operation.reverse:
        settings["direction"] = "reverse"
    if op == "GRU":
        settings["linear_before_reset"] = 1
    name = _node(writer, op, writer.plain(x), w, r, b, [], 0, **settings)
    return Value(name, (*x.shape[:2], units))


@writes_function("lstm")
def lstm(call: Call) -> str:
    b = call.constant("b")
    return _function(call, "LSTM", _bias("LSTM", b, np.zeros_like(b)), ["h", "c"])


@writes_function("gru")
def gru(call: Call) -> str:
    biases = _bias("GRU", call.constant("b"), call.constant("rb"))
    after = int(bool(call["reset_after"]))
    return _function(call, "GRU", biases, ["h"], linear_before_reset=after)


def _function(call: Call, op: str, biases: np.ndarray, states: list[str], **settings: Any) -> str:
    writer = call.writer
    w, r = (writer.constant(_ordered(op, call.constant(name))[None]) for name in ("w", "r"))
    return _node(
        writer, op, call.name(call["x"]), w, r, writer.constant(biases),
        [_state(call, call[name]) for name in states], call.operation.index or 0,
        hidden_size=call.shape("r")[0], **settings,
    )  # fmt: skip


def _state(call: Call, state: Any) -> str:
    """Return the name of a first state (1, N, H); "" for zeros, which are the default."""
    if isinstance(state, np.ndarray) and not state.any():
        return ""
    batch = call.node("Shape", call.name(call["x"]), start=0, end=1)
    around = (call.writer.integers([n]) for n in (1, call.shape("r")[0] or 0))
    shape = call.node("Concat", next(around), batch, next(around), axis=0)
    return call.node("Expand", call.name(state), shape)
