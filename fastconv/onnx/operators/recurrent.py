"""LSTM and GRU: layers, whose weights are trained; a function of `fastconv.ops` with constant
weights where a layer does not have the first states, or the results, that the file has.

Memory has the sequences first, (N, T, I), and the directions beside the units, (N, T, D, H).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import layers, ops
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.onnx.layering import are_weights, called, is_batch, layer_name
from fastconv.onnx.nodes import Node
from fastconv.onnx.registry import operator
from fastconv.onnx.sizes import repeated_once
from fastconv.onnx.tensor import Tensor

_DIRECTIONS = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
_OF_LSTM = [0, 2, 3, 1]  # the gates i, o, f, c of a file in the order of fastconv
_OF_GRU = [0, 1, 2]


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


class _Direction:
    """The operands of one direction, in the order of fastconv: w (I, G H), r (H, G H), both biases
    (G H), None if the file has none, and the first states (N, H)."""

    def __init__(
        self, node: Node, number: int, weights: Sequence[Tensor | None],
        states: Sequence[Tensor | None], gates: list[int],
    ):  # fmt: skip
        w, r, b = weights
        if w is None or r is None or not all(x is None or x.is_constant for x in weights):
            raise ValueError("the weights must be constants")

        def ordered(rows: np.ndarray) -> np.ndarray:
            parts = np.split(rows, len(gates))
            return np.ascontiguousarray(np.concatenate([parts[gate] for gate in gates]).T)

        self.w, self.r = ordered(w.array[number]), ordered(r.array[number])
        self.units = len(self.r)
        self.biases = None
        if b is not None:
            self.biases = [ordered(part) for part in np.split(b.array[number], 2)]
        key = (slice(None), number) if node["layout"] else number
        self.states = [
            np.zeros((1, self.units), w.dtype)
            if state is None
            else ops.get_item(repeated_once(state).plain, key)
            for state in states
        ]

    @property
    def begins_with_zeros(self) -> bool:
        return all(isinstance(s, np.ndarray) and not s.any() for s in self.states)

    def bias(self, number: int) -> np.ndarray:
        """Return one bias, zeros if the file has none."""
        return (
            np.zeros(self.w.shape[1], self.w.dtype)
            if self.biases is None
            else (self.biases[number])
        )


def _sequences(node: Node, x: Tensor) -> Any:
    """Return x as (N, T, I)."""
    return x.plain if node["layout"] else x.in_order((1, 0, 2))


def _is_layer(x: Any, weights: Sequence[Tensor | None], directions: list[_Direction]) -> bool:
    """Whether layers compute the same: on a batch, from zeros."""
    is_symbolic = isinstance(x, SymbolicTensor) and is_batch(Tensor.of(x))
    return is_symbolic and are_weights(*weights) and all(d.begins_with_zeros for d in directions)


def _named(node: Node, backwards: bool, flows: list[bool]) -> str:
    return layer_name(node) + (("_forward", "_backward")[backwards] if len(flows) > 1 else "")


def _last(y: Any, backwards: bool) -> Any:
    return ops.get_item(y, (slice(None), 0 if backwards else -1))


def _joined(node: Node, parts: list[Any], lasts: Sequence[list[Any]]) -> list[Tensor]:
    """Return the outputs of all directions, (T, D, N, H) and (D, N, H) in the file."""
    y = ops.concatenate([ops.expand_dims(part, 2) for part in parts], 2)
    results = [Tensor.of(y) if node["layout"] else Tensor.of(y, (2, 0, 1, 3))]
    for last in lasts:
        state = ops.stack(last, 1)
        results.append(Tensor.of(state) if node["layout"] else Tensor.of(state, (1, 0, 2)))
    return results


def _by_layers(
    node: Node, cls: Any, x: Any, flows: list[bool], weights: list[list[np.ndarray]], units: int
) -> list[Tensor]:
    """Return y, and the last h if the file uses it, of one layer per direction."""
    parts = []
    for backwards, arrays in zip(flows, weights, strict=True):
        layer = cls(
            units, use_bias=len(arrays) == 3, return_sequences=True, go_backwards=backwards,
            name=_named(node, backwards, flows),
        )  # fmt: skip
        y = called(layer, x, arrays)
        parts.append(ops.flip(y, 1) if backwards else y)
    last = [_last(y, backwards) for y, backwards in zip(parts, flows, strict=True)]
    return _joined(node, parts, [last] if len(node.outputs) > 1 and node.outputs[1] else [])


@operator("LSTM", 7, 14, 22)
def lstm(
    node: Node, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None,
    lengths: Tensor | None = None, h0: Tensor | None = None, c0: Tensor | None = None,
    peepholes: Tensor | None = None,
) -> list[Tensor]:  # fmt: skip
    if peepholes is not None and np.any(peepholes.array):
        raise ValueError("peepholes are not supported")
    flows = _directions(node, lengths, ["Sigmoid", "Tanh", "Tanh"])
    weights = [w, r, b]
    directions = [_Direction(node, k, weights, [h0, c0], _OF_LSTM) for k in range(len(flows))]
    given = _sequences(node, x)
    if not any(node.outputs[2:]) and _is_layer(given, weights, directions):
        arrays = [
            [d.w, d.r] if d.biases is None else [d.w, d.r, d.bias(0) + d.bias(1)]
            for d in directions
        ]
        return _by_layers(node, layers.LSTM, given, flows, arrays, directions[0].units)
    parts, last_h, last_c = [], [], []
    for backwards, d in zip(flows, directions, strict=True):
        steps = ops.flip(given, 1) if backwards else given
        y, h, c = ops.lstm(steps, d.w, d.r, d.bias(0) + d.bias(1), *d.states)
        parts.append(ops.flip(y, 1) if backwards else y)
        last_h.append(h)
        last_c.append(c)
    return _joined(node, parts, [last_h, last_c])


@operator("GRU", 7, 14, 22)
def gru(
    node: Node, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None,
    lengths: Tensor | None = None, h0: Tensor | None = None,
) -> list[Tensor]:  # fmt: skip
    flows = _directions(node, lengths, ["Sigmoid", "Tanh"])
    weights = [w, r, b]
    directions = [_Direction(node, k, weights, [h0], _OF_GRU) for k in range(len(flows))]
    given, after = _sequences(node, x), bool(node["linear_before_reset"])
    if after and _is_layer(given, weights, directions):
        arrays = [
            [d.w, d.r] if d.biases is None else [d.w, d.r, np.stack(d.biases)] for d in directions
        ]
        return _by_layers(node, layers.GRU, given, flows, arrays, directions[0].units)
    parts, lasts = [], []
    for backwards, d in zip(flows, directions, strict=True):
        steps = ops.flip(given, 1) if backwards else given
        y, h = ops.gru(steps, d.w, d.r, d.bias(0), d.bias(1), d.states[0], after)
        parts.append(ops.flip(y, 1) if backwards else y)
        lasts.append(h)
    return _joined(node, parts, [lasts])
