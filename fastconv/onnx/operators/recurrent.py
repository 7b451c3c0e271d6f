"""LSTM and GRU. The weights of a file become constants of functions; they are not trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import ops
from fastconv.onnx.nodes import Node
from fastconv.onnx.registry import operator
from fastconv.onnx.sizes import repeated_once
from fastconv.onnx.tensor import Tensor

_DIRECTIONS = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}


def _directions(node: Node, lengths: Tensor | None, usual: list[str]) -> list[bool]:
    """Return, for each direction, whether it runs backwards; ValueError for other variants."""
    flows = _DIRECTIONS.get(node["direction"])
    if flows is None:
        raise ValueError(f"`direction` {node['direction']!r} is not known")
    names = node["activations"]
    if names and [name.decode() for name in names] != usual * len(flows):
        raise ValueError(f"`activations` must be {usual} for each direction, received {names}")
    if node["clip"] or node["input_forget"]:
        raise ValueError("`clip` and `input_forget` are not supported")
    if lengths is not None and len(set(lengths.integers())) > 1:
        raise ValueError("sequences of different lengths are not supported")
    return flows


def _parameters(
    w: Tensor, r: Tensor, b: Tensor | None, number: int, gates: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return w (I, G H), r (H, G H) and both biases (G H) of one direction."""
    if not (w.is_constant and r.is_constant and (b is None or b.is_constant)):
        raise ValueError("the weights must be constants")
    kernel, recurrent = (np.ascontiguousarray(each.array[number].T) for each in (w, r))
    if b is None:
        biases = np.zeros((2, gates * recurrent.shape[0]), w.dtype)
    else:
        biases = b.array[number].reshape(2, -1)
    return kernel, recurrent, biases[0], biases[1]


def _steps_first(node: Node, x: Tensor) -> Any:
    """Return x as (T, N, I)."""
    return ops.swapaxes(x.plain, 0, 1) if node["layout"] else x.plain


def _start(state: Tensor | None, number: int, units: int, x: Tensor, node: Node) -> Any:
    """Return the first state of one direction, zero by default."""
    if state is None:
        return np.zeros((1, units), x.dtype)
    key = (slice(None), number) if node["layout"] else number
    return ops.get_item(repeated_once(state).plain, key)


def _results(node: Node, parts: list[Any], lasts: list[list[Any]]) -> list[Tensor]:
    """Return the outputs of all directions: (T, D, N, H), and last states (D, N, H)."""
    where = 2 if node["layout"] else 1
    parts = [ops.swapaxes(y, 0, 1) for y in parts] if node["layout"] else parts
    y = Tensor.of(ops.stack(parts, where))
    return [y, *(Tensor.of(ops.stack(last, 1 if node["layout"] else 0)) for last in lasts)]


@operator("LSTM", 7, 14, 22)
def lstm(
    node: Node, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None,
    lengths: Tensor | None = None, h0: Tensor | None = None, c0: Tensor | None = None,
    peepholes: Tensor | None = None,
) -> list[Tensor]:  # fmt: skip
    if peepholes is not None and np.any(peepholes.array):
        raise ValueError("peepholes are not supported")
    parts, last_h, last_c = [], [], []
    for number, backwards in enumerate(_directions(node, lengths, ["Sigmoid", "Tanh", "Tanh"])):
        kernel, recurrent, bias, more = _parameters(w, r, b, number, 4)
        starts = (_start(s, number, len(recurrent), x, node) for s in (h0, c0))
        steps = _steps_first(node, x)
        steps = ops.flip(steps, 0) if backwards else steps
        y, h, c = ops.lstm(steps, kernel, recurrent, bias + more, *starts)
        parts.append(ops.flip(y, 0) if backwards else y)
        last_h.append(h)
        last_c.append(c)
    return _results(node, parts, [last_h, last_c])


@operator("GRU", 7, 14, 22)
def gru(
    node: Node, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None,
    lengths: Tensor | None = None, h0: Tensor | None = None,
) -> list[Tensor]:  # fmt: skip
    parts, last_h = [], []
    for number, backwards in enumerate(_directions(node, lengths, ["Sigmoid", "Tanh"])):
        kernel, recurrent, bias, more = _parameters(w, r, b, number, 3)
        start = _start(h0, number, len(recurrent), x, node)
        steps = _steps_first(node, x)
        steps = ops.flip(steps, 0) if backwards else steps
        after = bool(node["linear_before_reset"])
        y, h = ops.gru(steps, kernel, recurrent, bias, more, start, after)
        parts.append(ops.flip(y, 0) if backwards else y)
        last_h.append(h)
    return _results(node, parts, [last_h])
