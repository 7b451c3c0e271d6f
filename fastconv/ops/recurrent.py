"""Recurrent networks over a sequence, with the gates of ONNX: LSTM and GRU.

Shapes: T steps, N sequences, I inputs, H units, G gates; x (T, N, I), w (I, G H), r (H, G H),
b (G H). The columns of w, r and b are those of the first gate, then those of the second, ...
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.ops._function import Spec, function
from fastconv.ops.linear import _product


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _check(gates: int, x: Any, w: Any, r: Any, biases: dict[str, Any], states: dict[str, Any]):
    """Return (T, N, H); ValueError if the shapes do not fit."""
    if len(x.shape) != 3:
        raise ValueError(f"`x` must have the shape (T, N, I), received {x.shape}")
    steps, batch, inputs = x.shape
    units = r.shape[0] if r.shape else 0
    wanted = {"w": (w, (inputs, gates * units)), "r": (r, (units, gates * units))}
    wanted |= {name: (b, (gates * units,)) for name, b in biases.items()}
    for name, (array, shape) in wanted.items():
        if array.shape != shape:
            raise ValueError(f"`{name}` must have the shape {shape}, received {array.shape}")
    for name, state in states.items():
        if state.shape not in ((batch, units), (1, units)):
            raise ValueError(
                f"`{name}` must have the shape {(batch, units)}, received {state.shape}"
            )
    return steps, batch, units


def _lstm_shapes(x: Spec, w: Any, r: Any, b: Any, h: Any, c: Any) -> list[tuple]:
    whole = _check(4, x, w, r, {"b": b}, {"h": h, "c": c})
    return [whole, whole[1:], whole[1:]]


def _lstm_steps(x, w, r, b, h, c):
    """Yield (input, output, forget and cell gates), states before, tanh of the cell, h and c for
    each step."""
    units = r.shape[0]
    for step in _product(x, w) + b:
        gates = step + h @ r
        i, o, f = np.split(_sigmoid(gates[:, : 3 * units]), 3, 1)
        g = np.tanh(gates[:, 3 * units :])
        before = h, c
        c = f * c + i * g
        t = np.tanh(c)
        h = o * t
        yield (i, o, f, g), before, t, h, c


def _lstm_gradient(dy, y, x, w, r, b, h, c):
    steps = list(_lstm_steps(x, w, r, b, h, c))
    dh, dc = dy[1].copy(), dy[2].copy()
    inner = np.empty((*x.shape[:2], w.shape[1]), x.dtype)
    dr = np.zeros_like(r)
    for step in reversed(range(len(x))):
        (i, o, f, g), (h0, c0), t, _, _ = steps[step]
        dh = dh + dy[0][step]
        dc = dc + dh * o * (1 - t * t)
        parts = (
            dc * g * i * (1 - i),
            dh * t * o * (1 - o),
            dc * c0 * f * (1 - f),
            dc * i * (1 - g * g),
        )
        inner[step] = np.concatenate(parts, 1)
        dr += h0.T @ inner[step]
        dh, dc = inner[step] @ r.T, dc * f
    return *_input_gradients(inner, x, w), dr, inner.sum((0, 1)), dh, dc


def _input_gradients(inner, x, w):
    """Return the gradients of x and w from those of the gates (T, N, G H)."""
    dw = x.reshape(-1, x.shape[-1]).T @ inner.reshape(-1, inner.shape[-1])
    return inner @ w.T, dw


@function(
    "recurrent", "LSTM", "x w r b h c", gradient=_lstm_gradient, shape=_lstm_shapes, real=True
)
def lstm(x: Any, w: Any, r: Any, b: Any, h: Any, c: Any) -> list[np.ndarray]:
    """The states of a long short-term memory (Hochreiter & Schmidhuber 1997) after each step.

    i, o, f = sigmoid(x w + h r + b);  g = tanh(x w + h r + b);  c = f c + i g;  h = o tanh(c)

    Args:
        x: (T, N, I), the sequences, one step after the other.
        w, r, b: (I, 4 H), (H, 4 H), (4 H,), the columns of the gates i, o, f and g in this order.
        h, c: (N, H) or (1, H): the state before the first step.

    Returns:
        h after each step (T, N, H), and the last h and c (N, H).

    Raises ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> w, r, b = np.ones((2, 12)), np.ones((3, 12)), np.zeros(12)
    >>> ops.lstm(np.ones((5, 1, 2)), w, r, b, np.zeros((1, 3)), np.zeros((1, 3)))[0].shape
    (5, 1, 3)
    """
    y = np.empty(_check(4, x, w, r, {"b": b}, {"h": h, "c": c}), x.dtype)
    h, c = (np.broadcast_to(state, y.shape[1:]) for state in (h, c))
    last = h, c
    for step, (*_, state, cell) in enumerate(_lstm_steps(x, w, r, b, h, c)):
        y[step] = state
        last = state, cell
    return [y, *map(np.array, last)]


def _gru_shapes(x: Spec, w: Any, r: Any, b: Any, rb: Any, h: Any, reset_after: bool) -> list[tuple]:
    whole = _check(3, x, w, r, {"b": b, "rb": rb}, {"h": h})
    return [whole, whole[1:]]


def _gru_steps(x, w, r, b, rb, h, reset_after):
    """Yield (update, reset, candidate, recurrent part of it, state before, state) per step."""
    units = r.shape[0]
    first = 2 * units
    for step in _product(x, w) + b:
        if reset_after:
            inner = h @ r + rb
            z, s = np.split(_sigmoid(step[:, :first] + inner[:, :first]), 2, 1)
            part = inner[:, first:]
            n = np.tanh(step[:, first:] + s * part)
        else:
            z, s = np.split(_sigmoid(step[:, :first] + h @ r[:, :first] + rb[:first]), 2, 1)
            part = s * h
            n = np.tanh(step[:, first:] + part @ r[:, first:] + rb[first:])
        before = h
        h = (1 - z) * n + z * h
        yield z, s, n, part, before, h


def _gru_gradient(dy, y, x, w, r, b, rb, h, reset_after):
    steps = list(_gru_steps(x, w, r, b, rb, h, reset_after))
    first = 2 * r.shape[0]
    dh, dr, drb = dy[1].copy(), np.zeros_like(r), np.zeros_like(rb)
    inner = np.empty((*x.shape[:2], w.shape[1]), x.dtype)
    for step in reversed(range(len(x))):
        z, s, n, part, before, _ = steps[step]
        dh = dh + dy[0][step]
        dn = dh * (1 - z) * (1 - n * n)
        dz = dh * (before - n) * z * (1 - z)
        back = dh * z
        if reset_after:
            ds, recurrent = dn * part, dn * s
            dr[:, first:] += before.T @ recurrent
            back = back + recurrent @ r[:, first:].T
        else:
            recurrent, through = dn, dn @ r[:, first:].T
            dr[:, first:] += part.T @ dn
            ds, back = through * before, back + through * s
        gates = np.concatenate((dz, ds * s * (1 - s)), 1)
        dr[:, :first] += before.T @ gates
        back = back + gates @ r[:, :first].T
        drb += np.concatenate((gates, recurrent), 1).sum(0)
        inner[step] = np.concatenate((gates, dn), 1)
        dh = back
    return *_input_gradients(inner, x, w), dr, inner.sum((0, 1)), drb, dh


@function("recurrent", "GRU", "x w r b rb h", gradient=_gru_gradient, shape=_gru_shapes, real=True)
def gru(
    x: Any, w: Any, r: Any, b: Any, rb: Any, h: Any, reset_after: bool = True
) -> list[np.ndarray]:
    """The states of gated recurrent units (Cho et al. 2014) after each step.

    z, s = sigmoid(x w + b + h r + rb);  n = tanh(x w + b + s (h r + rb));  h = (1 - z) n + z h

    Args:
        x: (T, N, I), the sequences, one step after the other.
        w, r: (I, 3 H), (H, 3 H), the columns of the gates z, s and of n in this order.
        b, rb: (3 H,), biases of the inputs and of the states.
        h: (N, H) or (1, H): the state before the first step.
        reset_after: False for n = tanh(x w + b + (s h) r + rb).

    Returns:
        h after each step (T, N, H), and the last h (N, H).

    Raises ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> w, r, b = np.ones((2, 9)), np.ones((3, 9)), np.zeros(9)
    >>> ops.gru(np.ones((5, 1, 2)), w, r, b, b, np.zeros((1, 3)))[1].shape
    (1, 3)
    """
    y = np.empty(_check(3, x, w, r, {"b": b, "rb": rb}, {"h": h}), x.dtype)
    h = np.broadcast_to(h, y.shape[1:])
    state = h
    for step, (*_, state) in enumerate(_gru_steps(x, w, r, b, rb, h, reset_after)):
        y[step] = state
    return [y, np.array(state)]
