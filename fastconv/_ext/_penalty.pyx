"""Penalties on weights and activities, and bounds on norms of weights: operations/update.c."""

cimport cython
import numpy as np

from fastconv._ext._core cimport operations, pointer
from fastconv._ext._kernels cimport fc_norms
from fastconv._ext._operations cimport fc_limit_op, fc_penalty_op
from fastconv._ext._program cimport Op, bind


@cython.final
cdef class Penalty(Op):
    """value[0] = scale * (l1 sum|x| + l2 sum x^2); the gradient is added to g, if given."""

    cdef fc_penalty_op c
    # One sum per item; the next op overwrites shared scratch while the total is computed.
    cdef object parts

    def __init__(self, x, g, value, double l1, double l2, double scale=1.0):
        bind(self, &self.c.stretch.op, (x, g, value), (x, g))
        if g is not None and g.shape != x.shape:
            raise ValueError(f"expected arrays of one shape, {x.shape}, received {g.shape}")
        if value.dtype != np.float64 or value.shape != (1,):
            raise ValueError(
                "expected `value` float64 of shape (1,), "
                f"received {value.dtype} of shape {value.shape}"
            )
        self.c.x, self.c.g = <char *> pointer(x), <char *> pointer(g)
        self.c.value = <double *> pointer(value)
        self.c.l1, self.c.l2, self.c.scale = l1, l2, scale
        self.c.stretch.size = x.size
        operations.prepare_penalty(&self.c)
        self.parts = np.empty(self.op.kind.phase_items(self.op, 0))
        self.c.parts = <double *> pointer(self.parts)

    def record(self):
        c = self.c
        arrays = *self.arrays, self.parts
        return "penalty", arrays, (1, 2, 3), (c.stretch.size,), (c.l1, c.l2, c.scale)


@cython.final
cdef class LimitNorms(Op):
    """Scales the columns of w (outer, reduced, inner) to norms between `low` and `high`."""

    cdef fc_limit_op c

    def __init__(self, w, double low, double high, double rate, double epsilon):
        bind(self, &self.c.op, (w,))
        if w.ndim != 3:
            raise ValueError(
                f"expected weights of shape (outer, reduced, inner), received {w.shape}"
            )
        cdef fc_norms *p = &self.c.problem
        p.w = pointer(w)
        p.outer, p.reduced, p.inner = w.shape
        p.low, p.high, p.rate, p.epsilon = low, high, rate, epsilon
        operations.prepare_limit_norms(&self.c)

    def record(self):
        p = self.c.problem
        reals = p.low, p.high, p.rate, p.epsilon
        return "limit_norms", self.arrays, (0,), (p.outer, p.reduced, p.inner), reals
