"""The definition of LSTM and GRU and of their gradients; see the package's essay.

Shapes: N sequences of T steps, I inputs, H units, G gates; x (N, T, I), w (I, G H), r (H, G H),
b and rb (G H), states h and c (N, H). The columns are those of the gates in order: i, f, g and o of
an LSTM, z, s and n of a GRU.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _float64(*arrays: Any) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(array, np.float64) for array in arrays)


def _input_gradients(d: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    """The gradients of x, w and b from those of x w + b (N, T, G H)."""
    return d @ w.T, np.einsum("nti,ntg->ig", x, d), d.sum((0, 1))


def _lstm_steps(x, w, r, b, h, c):
    """Gates, states before, tanh of the cell, h and c, for each step."""
    steps = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ w + h @ r + b, 4, 1)
        i, f, o, g = _sigmoid(i), _sigmoid(f), _sigmoid(o), np.tanh(g)
        before = h, c
        c = f * c + i * g
        h = o * np.tanh(c)
        steps.append(((i, f, g, o), before, np.tanh(c), h, c))
    return steps


def lstm(
    x: Any, w: Any, r: Any, b: Any, h: Any, c: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """i, f, o = sigmoid(x w + h r + b), g = tanh(x w + h r + b), c = f c + i g, h = o tanh(c)
    -> h after every step (N, T, H), the last h and c"""
    steps = _lstm_steps(*_float64(x, w, r, b, h, c))
    return np.stack([h for *_, h, _ in steps], 1), *steps[-1][3:]


def lstm_backward(
    x: Any, w: Any, r: Any, b: Any, h: Any, c: Any, dy: Any, dh: Any, dc: Any
) -> tuple[np.ndarray, ...]:
    """dy (N, T, H), dh and dc of the last states -> dx, dw, dr, db, dh, dc"""
    x, w, r, b, h, c, dy, dh, dc = _float64(x, w, r, b, h, c, dy, dh, dc)
    steps = _lstm_steps(x, w, r, b, h, c)
    d = np.empty((*x.shape[:2], w.shape[1]))
    dr = np.zeros_like(r)
    for t in reversed(range(x.shape[1])):
        (i, f, g, o), (h0, c0), tanh, _, _ = steps[t]
        dh = dh + dy[:, t]
        dc = dc + dh * o * (1 - tanh**2)
        parts = (
            dc * g * i * (1 - i),
            dc * c0 * f * (1 - f),
            dc * i * (1 - g**2),
            dh * tanh * o * (1 - o),
        )
        d[:, t] = np.concatenate(parts, 1)
        dr += h0.T @ d[:, t]
        dh, dc = d[:, t] @ r.T, dc * f
    dx, dw, db = _input_gradients(d, x, w)
    return dx, dw, dr, db, dh, dc


def _gru_steps(x, w, r, b, rb, h, reset_after):
    """Gates, recurrent part of n, state before and after, for each step."""
    first = 2 * r.shape[0]
    steps = []
    for t in range(x.shape[1]):
        outer = x[:, t] @ w + b
        z, s = np.split(_sigmoid(outer[:, :first] + h @ r[:, :first] + rb[:first]), 2, 1)
        if reset_after:
            part = h @ r[:, first:] + rb[first:]
            n = np.tanh(outer[:, first:] + s * part)
        else:
            part = s * h
            n = np.tanh(outer[:, first:] + part @ r[:, first:] + rb[first:])
        before, h = h, (1 - z) * n + z * h
        steps.append((z, s, n, part, before, h))
    return steps


def gru(
    x: Any, w: Any, r: Any, b: Any, rb: Any, h: Any, *, reset_after: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """z, s = sigmoid(x w + b + h r + rb), h = (1 - z) n + z h, n = tanh(x w + b + s (h r + rb)) or,
    with `reset_after` False, tanh(x w + b + (s h) r + rb) -> h after every step, the last h"""
    x, w, r, b, rb, h = _float64(x, w, r, b, rb, h)
    steps = _gru_steps(x, w, r, b, rb, h, reset_after)
    return np.stack([h for *_, h in steps], 1), steps[-1][-1]


def gru_backward(
    x: Any, w: Any, r: Any, b: Any, rb: Any, h: Any, dy: Any, dh: Any, *, reset_after: bool = True
) -> tuple[np.ndarray, ...]:
    """dy (N, T, H), dh of the last state -> dx, dw, dr, db, drb, dh"""
    x, w, r, b, rb, h, dy, dh = _float64(x, w, r, b, rb, h, dy, dh)
    steps = _gru_steps(x, w, r, b, rb, h, reset_after)
    first = 2 * r.shape[0]
    d = np.empty((*x.shape[:2], w.shape[1]))
    dr, drb = np.zeros_like(r), np.zeros_like(rb)
    for t in reversed(range(x.shape[1])):
        z, s, n, part, before, _ = steps[t]
        dh = dh + dy[:, t]
        dn, dz = dh * (1 - z) * (1 - n**2), dh * (before - n) * z * (1 - z)
        back = dh * z
        if reset_after:
            ds, inner = dn * part, dn * s
            dr[:, first:] += before.T @ inner
            back = back + inner @ r[:, first:].T
        else:
            inner, through = dn, dn @ r[:, first:].T
            dr[:, first:] += part.T @ dn
            ds, back = through * before, back + through * s
        gates = np.concatenate((dz, ds * s * (1 - s)), 1)
        dr[:, :first] += before.T @ gates
        drb += np.concatenate((gates, inner), 1).sum(0)
        d[:, t] = np.concatenate((gates, dn), 1)
        dh = back + gates @ r[:, :first].T
    dx, dw, db = _input_gradients(d, x, w)
    return dx, dw, dr, db, drb, dh
