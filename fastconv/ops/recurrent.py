"""Recurrent networks over a sequence, as ONNX defines them: LSTM and GRU.

Shapes: T steps, N sequences, I inputs, H units; x (T, N, I), w (G, I, H), r (G, H, H), b (G, H),
with one matrix per gate G.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.ops._function import Spec, function


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _lstm_shapes(x: Spec, w: Any, r: Any, b: Any, h: Any, c: Any) -> list[tuple]:
    steps, batch, units = x.shape[0], x.shape[1], r.shape[1]
    return [(steps, batch, units), (batch, units), (batch, units)]


def _lstm_steps(x, w, r, b, h, c):
    """Yield (input, output, forget and cell gates, states before, tanh of the cell) per step."""
    kernel = np.concatenate(list(w), 1)  # all gates in one product
    recurrent, units = np.concatenate(list(r), 1), r.shape[1]
    inner = x @ kernel + b.reshape(-1)
    for step in inner:
        gates = step + h @ recurrent
        i, o, f = (_sigmoid(gates[:, k * units : (k + 1) * units]) for k in range(3))
        g = np.tanh(gates[:, 3 * units :])
        before = h, c
        c = f * c + i * g
        t = np.tanh(c)
        h = o * t
        yield (i, o, f, g), before, t, h, c


def _lstm_gradient(dy, y, x, w, r, b, h, c):
    steps = list(_lstm_steps(x, w, r, b, h, c))
    dh, dc = dy[1].copy(), dy[2].copy()
    inner = np.empty((len(x), x.shape[1], 4 * r.shape[1]), x.dtype)
    recurrent, dr = np.concatenate(list(r), 1), 0
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
        dr = dr + h0.T @ inner[step]
        dh, dc = inner[step] @ recurrent.T, dc * f
    return (*_weight_gradients(inner, x, w, r, dr), dh, dc)


def _weight_gradients(inner, x, w, r, dr):
    """Return the gradients of x, w, r and b from those of the gates (T, N, G H)."""
    gates, units = w.shape[0], r.shape[1]
    flat = inner.reshape(-1, gates * units)
    dw = x.reshape(-1, x.shape[-1]).T @ flat
    dx = inner @ np.concatenate(list(w), 1).T
    by_gate = [
        np.stack(np.split(np.broadcast_to(d, (n, gates * units)), gates, 1))
        for d, n in ((dw, w.shape[1]), (dr, units))
    ]
    return dx, *by_gate, flat.sum(0).reshape(gates, units)


@function(
    "recurrent", "LSTM", "x w r b h c", gradient=_lstm_gradient, shape=_lstm_shapes, real=True
)
def lstm(x: Any, w: Any, r: Any, b: Any, h: Any, c: Any) -> list[np.ndarray]:
    """The states of a long short-term memory (Hochreiter & Schmidhuber 1997) after each step.

    i, o, f = sigmoid(x w + h r + b);  g = tanh(x w + h r + b);  c = f c + i g;  h = o tanh(c)

    Args:
        x: (T, N, I), the sequences, one step after the other.
        w, r, b: (4, I, H), (4, H, H), (4, H), for the gates i, o, f and the cell g.
        h, c: (N, H), or what is broadcast to it: the state before the first step.

    Returns:
        h after each step (T, N, H), and the last h and c (N, H).

    >>> import numpy as np
    >>> from fastconv import ops
    >>> w, r, b = np.ones((4, 2, 3)), np.ones((4, 3, 3)), np.zeros((4, 3))
    >>> ops.lstm(np.ones((5, 1, 2)), w, r, b, np.zeros((1, 3)), np.zeros((1, 3)))[0].shape
    (5, 1, 3)
    """
    y = np.empty((len(x), x.shape[1], r.shape[1]), x.dtype)
    h, c = (np.broadcast_to(state, y.shape[1:]) for state in (h, c))
    state, cell = h, c
    for step, values in enumerate(_lstm_steps(x, w, r, b, h, c)):
        state, cell = values[-2:]
        y[step] = state
    return [y, np.array(state), np.array(cell)]


def _gru_shapes(x: Spec, w: Any, r: Any, b: Any, rb: Any, h: Any, reset_after: bool) -> list[tuple]:
    return [(x.shape[0], x.shape[1], r.shape[1]), (x.shape[1], r.shape[1])]


def _gru_steps(x, w, r, b, rb, h, reset_after):
    """Yield (update, reset, candidate, recurrent part of it, state before, state) per step."""
    inner = [x @ w[k] + b[k] for k in range(3)]
    for step in range(len(x)):
        z, s = (_sigmoid(inner[k][step] + h @ r[k] + rb[k]) for k in range(2))
        if reset_after:
            part = h @ r[2] + rb[2]
            n = np.tanh(inner[2][step] + s * part)
        else:
            part = s * h
            n = np.tanh(inner[2][step] + part @ r[2] + rb[2])
        before = h
        h = (1 - z) * n + z * h
        yield z, s, n, part, before, h


def _gru_gradient(dy, y, x, w, r, b, rb, h, reset_after):
    steps = list(_gru_steps(x, w, r, b, rb, h, reset_after))
    dh, dr, drb = dy[1].copy(), np.zeros_like(r), np.zeros_like(rb)
    inner = np.empty((3, len(x), x.shape[1], r.shape[1]), x.dtype)
    for step in reversed(range(len(x))):
        z, s, n, part, before, _ = steps[step]
        dh = dh + dy[0][step]
        dn = dh * (1 - z) * (1 - n * n)
        dz = dh * (before - n) * z * (1 - z)
        back = dh * z
        if reset_after:
            ds, recurrent = dn * part, dn * s
            dr[2] += before.T @ recurrent
            back = back + recurrent @ r[2].T
        else:
            recurrent, through = dn, dn @ r[2].T
            dr[2] += part.T @ dn
            ds, back = through * before, back + through * s
        ds = ds * s * (1 - s)
        for k, d in enumerate((dz, ds)):
            dr[k] += before.T @ d
            back = back + d @ r[k].T
        for k, d in enumerate((dz, ds, recurrent)):
            drb[k] += d.sum(0)
        inner[:, step] = dz, ds, dn
        dh = back
    dx = sum(inner[k] @ w[k].T for k in range(3))
    dw = np.stack([np.einsum("tni,tnh->ih", x, inner[k]) for k in range(3)])
    return dx, dw, dr, inner.sum((1, 2)), drb, dh


@function("recurrent", "GRU", "x w r b rb h", gradient=_gru_gradient, shape=_gru_shapes, real=True)
def gru(
    x: Any, w: Any, r: Any, b: Any, rb: Any, h: Any, reset_after: bool = True
) -> list[np.ndarray]:
    """The states of gated recurrent units (Cho et al. 2014) after each step.

    z, s = sigmoid(x w + b + h r + rb);  n = tanh(x w + b + s (h r + rb));  h = (1 - z) n + z h

    Args:
        x: (T, N, I), the sequences, one step after the other.
        w, r: (3, I, H), (3, H, H), for the gates z, s and the candidate n.
        b, rb: (3, H), biases of the inputs and of the states.
        h: (N, H), or what is broadcast to it: the state before the first step.
        reset_after: False for n = tanh(x w + b + (s h) r + rb).

    Returns:
        h after each step (T, N, H), and the last h (N, H).

    >>> import numpy as np
    >>> from fastconv import ops
    >>> w, r, b = np.ones((3, 2, 3)), np.ones((3, 3, 3)), np.zeros((3, 3))
    >>> ops.gru(np.ones((5, 1, 2)), w, r, b, b, np.zeros((1, 3)))[1].shape
    (1, 3)
    """
    y = np.empty((len(x), x.shape[1], r.shape[1]), x.dtype)
    h = np.broadcast_to(h, y.shape[1:])
    state = h
    for step, (*_, state) in enumerate(_gru_steps(x, w, r, b, rb, h, reset_after)):
        y[step] = state
    return [y, np.array(state)]
