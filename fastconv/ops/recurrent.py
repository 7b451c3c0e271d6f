"""Recurrent networks over a sequence: LSTM and GRU.

Shapes: N sequences of T steps, I inputs, H units, G gates; x (N, T, I), w (I, G H), r (H, G H),
b (G H). The columns of w, r and b are those of the first gate, then those of the second, ...

The product of all inputs with w is one dense product; the compiled core then runs the steps. The
variant of the GRU that multiplies before its recurrent product is computed in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import runtime
from fastconv._ext._recurrent import RecurrentBackward, RecurrentForward
from fastconv.ops._function import Spec, function, sum_to
from fastconv.ops.fully_connected import dense, dense_backward_input, dense_backward_kernel


def _check(gates: int, x: Any, w: Any, r: Any, biases: dict[str, Any], states: dict[str, Any]):
    """Return (N, T, H); ValueError if the shapes do not fit."""
    if len(x.shape) != 3:
        raise ValueError(f"`x` must have the shape (N, T, I), received {x.shape}")
    batch, steps, inputs = x.shape
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
    return batch, steps, units


class _Pass:
    """The steps of the compiled core on arrays, and their gradient."""

    def __init__(self, x, w, r, b, states, bias=None, keeps: bool = False):
        batch, steps, units = x.shape[0], x.shape[1], r.shape[0]
        self.threads = runtime.resolve_num_threads(None)
        self.x, self.w, self.r = x, w, np.ascontiguousarray(r)
        self.starts = states
        self.states = [
            np.ascontiguousarray(np.broadcast_to(state, (batch, units))) for state in states
        ]
        self.is_lstm = len(states) == 2

        def array() -> np.ndarray:
            return np.empty((batch, steps, units), x.dtype)

        self.y = array()
        self.cells = array() if self.is_lstm else None
        self.before = array() if keeps else None
        self.part = array() if keeps and not self.is_lstm else None
        rows = dense(np.ascontiguousarray(x).reshape(-1, x.shape[2]), w, b)
        self.gates = rows.reshape(batch, steps, -1)
        h, c = (*self.states, None)[:2]
        RecurrentForward(
            self.gates, self.r, h, c, bias, self.y, self.cells, self.before, self.part
        ).run(self.threads)

    def backward(self, dy: np.ndarray, dc: np.ndarray | None) -> tuple[list, np.ndarray, list]:
        """Return the gradients of x, w, r and b, that of the bias of h r, and those of the states;
        `dy` includes the gradient of the last h."""
        inner = self.gates if self.is_lstm else np.empty_like(self.gates)
        h, c = (*self.states, None)[:2]
        found = [np.empty_like(state) for state in self.states]
        RecurrentBackward(
            self.gates, self.r, h, c, dy, dc, self.cells, self.before, self.part,
            None if self.is_lstm else inner, found[0], found[1] if self.is_lstm else None,
        ).run(self.threads)  # fmt: skip
        rows, d, inner = (_rows(array) for array in (self.x, self.gates, inner))
        dr, drb = dense_backward_kernel(_rows(self.before), inner)
        dw, db = dense_backward_kernel(rows, d)
        dx = dense_backward_input(d, self.w).reshape(self.x.shape)
        starts = [sum_to(g, s.shape) for g, s in zip(found, self.starts, strict=True)]
        return [dx, dw, dr, db], drb, starts


def _rows(array: Any) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1, array.shape[-1])


def _with_last(dy: np.ndarray, dh: np.ndarray) -> np.ndarray:
    """Return the gradient of h after each step, given that of the last h, too."""
    dy = np.array(dy)
    dy[:, -1] += dh
    return dy


def _last(states: np.ndarray | None, start: np.ndarray) -> np.ndarray:
    """Return a state after the last step; `start` if there are no steps."""
    assert states is not None
    if states.shape[1]:
        return states[:, -1].copy()
    return np.array(np.broadcast_to(start, states.shape[::2]))


def _lstm_shapes(x: Spec, w: Any, r: Any, b: Any, h: Any, c: Any) -> list[tuple]:
    whole = _check(4, x, w, r, {"b": b}, {"h": h, "c": c})
    return [whole, whole[::2], whole[::2]]


def _lstm_gradient(dy, y, x, w, r, b, h, c):
    steps = _Pass(x, w, r, b, [h, c], keeps=True)
    gradients, _, states = steps.backward(_with_last(dy[0], dy[1]), np.ascontiguousarray(dy[2]))
    return *gradients, *states


@function(
    "recurrent", "LSTM", "x w r b h c", gradient=_lstm_gradient, shape=_lstm_shapes, real=True
)
def lstm(x: Any, w: Any, r: Any, b: Any, h: Any, c: Any) -> list[np.ndarray]:
    """The states of a long short-term memory (Hochreiter & Schmidhuber 1997) after each step.

    i, f, o = sigmoid(x w + h r + b);  g = tanh(x w + h r + b);  c = f c + i g;  h = o tanh(c)

    Args:
        x: (N, T, I), sequences of T steps.
        w, r, b: (I, 4 H), (H, 4 H), (4 H,), the columns of the gates i, f, g and o in this order.
        h, c: (N, H) or (1, H): the state before the first step.

    Returns:
        h after each step (N, T, H), and the last h and c (N, H).

    Raises ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> w, r, b = np.ones((2, 12)), np.ones((3, 12)), np.zeros(12)
    >>> ops.lstm(np.ones((1, 5, 2)), w, r, b, np.zeros((1, 3)), np.zeros((1, 3)))[0].shape
    (1, 5, 3)
    """
    shape = _check(4, x, w, r, {"b": b}, {"h": h, "c": c})
    if 0 in (*shape, x.shape[2]):
        empty = np.zeros(shape, x.dtype)
        return [empty, _last(empty, h), _last(empty, c)]
    steps = _Pass(x, w, r, b, [h, c])
    return [steps.y, _last(steps.y, h), _last(steps.cells, c)]


def _gru_shapes(x: Spec, w: Any, r: Any, b: Any, rb: Any, h: Any, reset_after: bool) -> list[tuple]:
    whole = _check(3, x, w, r, {"b": b, "rb": rb}, {"h": h})
    return [whole, whole[::2]]


def _gru_gradient(dy, y, x, w, r, b, rb, h, reset_after):
    dy = _with_last(dy[0], dy[1])
    if not reset_after:
        return _reset_before_gradient(dy, x, w, r, b, rb, h)
    steps = _Pass(x, w, r, b, [h], np.ascontiguousarray(rb), keeps=True)
    gradients, drb, states = steps.backward(dy, None)
    return *gradients, drb, *states


@function("recurrent", "GRU", "x w r b rb h", gradient=_gru_gradient, shape=_gru_shapes, real=True)
def gru(
    x: Any, w: Any, r: Any, b: Any, rb: Any, h: Any, reset_after: bool = True
) -> list[np.ndarray]:
    """The states of gated recurrent units (Cho et al. 2014) after each step.

    z, s = sigmoid(x w + b + h r + rb);  n = tanh(x w + b + s (h r + rb));  h = (1 - z) n + z h

    Args:
        x: (N, T, I), sequences of T steps.
        w, r: (I, 3 H), (H, 3 H), the columns of the gates z, s and of n in this order.
        b, rb: (3 H,), biases of the inputs and of the states.
        h: (N, H) or (1, H): the state before the first step.
        reset_after: False for n = tanh(x w + b + (s h) r + rb).

    Returns:
        h after each step (N, T, H), and the last h (N, H).

    Raises ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> w, r, b = np.ones((2, 9)), np.ones((3, 9)), np.zeros(9)
    >>> ops.gru(np.ones((1, 5, 2)), w, r, b, b, np.zeros((1, 3)))[1].shape
    (1, 3)
    """
    shape = _check(3, x, w, r, {"b": b, "rb": rb}, {"h": h})
    if 0 in (*shape, x.shape[2]):
        y = np.zeros(shape, x.dtype)
    elif reset_after:
        y = _Pass(x, w, r, b, [h], np.ascontiguousarray(rb)).y
    else:
        y = np.stack([state for *_, state in _reset_before(x, w, r, b, rb, h)], 1)
    return [y, _last(y, h)]


# ------------------------------------------------------- GRU with the reset before the product


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _reset_before(x, w, r, b, rb, h):
    """Yield (z, s, n, s h, state before, state) for each step."""
    units = r.shape[0]
    first = 2 * units
    outer = dense(_rows(x), w, b + rb).reshape(*x.shape[:2], -1)
    h = np.broadcast_to(h, (len(x), units))
    for t in range(x.shape[1]):
        z, s = np.split(_sigmoid(outer[:, t, :first] + h @ r[:, :first]), 2, 1)
        part = s * h
        n = np.tanh(outer[:, t, first:] + part @ r[:, first:])
        before, h = h, (1 - z) * n + z * h
        yield z, s, n, part, before, h


def _reset_before_gradient(dy, x, w, r, b, rb, h):
    steps = list(_reset_before(x, w, r, b, rb, h))
    first = 2 * r.shape[0]
    dh, dr = np.zeros_like(dy[:, 0]), np.zeros_like(r)
    inner = np.empty((*x.shape[:2], w.shape[1]), x.dtype)
    for t in reversed(range(x.shape[1])):
        z, s, n, part, before, _ = steps[t]
        dh = dh + dy[:, t]
        dn, dz = dh * (1 - z) * (1 - n * n), dh * (before - n) * z * (1 - z)
        through = dn @ r[:, first:].T
        gates = np.concatenate((dz, through * before * s * (1 - s)), 1)
        dr[:, first:] += part.T @ dn
        dr[:, :first] += before.T @ gates
        inner[:, t] = np.concatenate((gates, dn), 1)
        dh = dh * z + through * s + gates @ r[:, :first].T
    d = _rows(inner)
    dw, db = dense_backward_kernel(_rows(x), d)
    dx = dense_backward_input(d, w).reshape(x.shape)
    return dx, dw, dr, db, db.copy(), sum_to(dh, h.shape)
