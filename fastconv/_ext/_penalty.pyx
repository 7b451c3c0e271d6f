"""Penalties on weights and activities, and bounds on norms of weights: kernels/penalty.inc."""

cimport cython
from libc.stdint cimport int64_t
import numpy as np

from fastconv._ext._core cimport pointer
from fastconv._ext._kernels cimport fc_norms
from fastconv._ext._program cimport Op, Workspace, bind

cdef enum:
    STRETCH = 8192  # elements per item
    COLUMNS = 64


@cython.final
cdef class Penalty(Op):
    """value[0] = scale * (l1 sum|x| + l2 sum x^2); the gradient is added to g, if given."""

    cdef char *x
    cdef char *g
    cdef double *value
    cdef double l1, l2, scale
    cdef int64_t size
    # One sum per item; the next op overwrites shared scratch while `end` reads.
    cdef Workspace parts

    def __init__(self, x, g, value, double l1, double l2, double scale=1.0):
        bind(self, (x, g, value), (x, g))
        if g is not None and g.shape != x.shape:
            raise ValueError(f"expected arrays of one shape, {x.shape}, received {g.shape}")
        if value.dtype != np.float64 or value.shape != (1,):
            raise ValueError(
                "expected `value` float64 of shape (1,), "
                f"received {value.dtype} of shape {value.shape}"
            )
        self.x, self.g = <char *> pointer(x), <char *> pointer(g)
        self.value = <double *> pointer(value)
        self.l1, self.l2, self.scale = l1, l2, scale
        self.size = x.size
        self.work = 8.0 * self.size  # bytes moved
        self.parts = Workspace()
        self.parts.require(8 * self.phase_items(0))

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return (self.size + STRETCH - 1) // STRETCH

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t begin = item * STRETCH, at = begin * self.table.target.element_size
        (<double *> self.parts.data)[item] = self.table.penalty(
            self.x + at,
            NULL if self.g == NULL else self.g + at,
            min(<int64_t> STRETCH, self.size - begin),
            self.l1,
            self.l2,
            self.scale,
        )

    cdef void end(self) noexcept nogil:
        cdef double total = 0
        cdef int64_t item
        for item in range(self.phase_items(0)):
            total += (<double *> self.parts.data)[item]
        self.value[0] = self.scale * total


@cython.final
cdef class LimitNorms(Op):
    """Scales the columns of w (outer, reduced, inner) to norms between `low` and `high`."""

    cdef fc_norms problem
    cdef int64_t blocks

    def __init__(self, w, double low, double high, double rate, double epsilon):
        bind(self, (w,))
        if w.ndim != 3:
            raise ValueError(
                f"expected weights of shape (outer, reduced, inner), received {w.shape}"
            )
        self.problem.w = pointer(w)
        self.problem.outer, self.problem.reduced, self.problem.inner = w.shape
        self.problem.low, self.problem.high = low, high
        self.problem.rate, self.problem.epsilon = rate, epsilon
        self.blocks = (self.problem.inner + COLUMNS - 1) // COLUMNS
        self.work = 12.0 * w.size  # bytes moved

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.problem.outer * self.blocks

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t begin = item % self.blocks * COLUMNS
        self.table.limit_norms(
            &self.problem, item // self.blocks, begin,
            min(<int64_t> COLUMNS, self.problem.inner - begin)
        )
