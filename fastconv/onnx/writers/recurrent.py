"""LSTM and GRU: one direction, whose axis of size 1 is inserted and removed."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from fastconv.onnx.writers.functions import Call, writes_function


@writes_function("lstm")
def lstm(call: Call) -> str:
    size = call.shape("b")[0]
    assert size is not None
    no_more = call.writer.constant(np.zeros(size, np.float32))
    biases = call.node("Concat", call.name(call["b"]), no_more, axis=0)
    states = [_state(call, call[name]) for name in ("h", "c")]
    return _written(call, "LSTM", biases, states)


@writes_function("gru")
def gru(call: Call) -> str:
    biases = call.node("Concat", call.name(call["b"]), call.name(call["rb"]), axis=0)
    after = int(bool(call["reset_after"]))
    return _written(call, "GRU", biases, [_state(call, call["h"])], linear_before_reset=after)


def _written(call: Call, op: str, biases: str, states: list[str], **settings: Any) -> str:
    """Write the node and return the name of the result that the call asks for."""
    writer, index = call.writer, call.operation.index or 0
    first = writer.integers([0])
    weights = (
        call.node("Unsqueeze", call.node("Transpose", call.name(call[name]), perm=[1, 0]), first)
        for name in ("w", "r")
    )
    inputs = [call.name(call["x"]), *weights, call.node("Unsqueeze", biases, first), "", *states]
    name = writer.fresh(op.lower())
    units = call.shape("r")[0]
    writer.nodes.append(
        helper.make_node(
            op, inputs, [""] * index + [name], name=f"node_{name}", hidden_size=units, **settings
        )
    )
    return call.node("Squeeze", name, writer.integers([0 if index else 1]))


def _state(call: Call, state: Any) -> str:
    """Return the name of a first state (1, N, H); "" for zeros, which are the default."""
    if isinstance(state, np.ndarray) and not state.any():
        return ""
    batch = call.node("Shape", call.name(call["x"]), start=1, end=2)
    around = (call.writer.integers([n]) for n in (1, call.shape("r")[0] or 0))
    shape = call.node("Concat", next(around), batch, next(around), axis=0)
    return call.node("Expand", call.name(state), shape)
