"""Optimizer updates over flat buffers, one pass over memory each.  The rules stand in kernels/optim.inc.

`hyper` is a float64 array that is read at every run, so that a schedule may change it between steps.
"""

cimport cython
from libc.math cimport pow, sqrt
from libc.stdint cimport int64_t
import numpy as np

from fastconv._ext._core cimport Op, current_table, element_kind, pointer
from fastconv._ext._kernels cimport fc_table, fc_update

cdef enum:
    STRETCH = 8192


cdef class _Update(Op):
    cdef const fc_table *table
    cdef fc_update problem
    cdef double *hyper
    cdef int64_t size
    cdef void (*rule)(const fc_update *, int64_t, int64_t) noexcept nogil

    cdef int _bind(self, w, g, slot0, slot1, slot2, hyper, names) except -1:
        arrays = (w, g, slot0, slot1, slot2)
        self.table = current_table(element_kind(arrays))
        self.arrays = (*arrays, hyper)
        for array in arrays:
            if array is not None and array.shape != w.shape:
                raise ValueError(f"expected buffers of one shape, {w.shape}, received {array.shape}")
        if hyper.dtype != np.float64 or hyper.shape != (len(names),):
            raise ValueError(
                f"expected `hyper` to be float64 [{', '.join(names)}], received {hyper.dtype} of shape {hyper.shape}"
            )
        self.hyper = <double *> pointer(hyper)
        self.size = w.size
        self.work = 16.0 * self.size  # bytes moved
        self.problem.w, self.problem.g = pointer(w), pointer(g)
        self.problem.slot0, self.problem.slot1 = pointer(slot0), pointer(slot1)
        self.problem.slot2 = pointer(slot2)
        return 0

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return (self.size + STRETCH - 1) // STRETCH

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        self.rule(&self.problem, item * STRETCH, min(<int64_t> STRETCH, self.size - item * STRETCH))


@cython.final
cdef class SGD(_Update):
    """hyper = [learning rate, momentum, Nesterov (0 or 1)]; no velocity buffer means no momentum."""

    def __init__(self, w, g, velocity, hyper):
        self._bind(w, g, velocity, None, None, hyper, ("lr", "momentum", "nesterov"))
        self.rule = self.table.sgd

    cdef void begin(self, char *workspace) noexcept nogil:
        self.problem.a = self.hyper[0]
        self.problem.b = self.hyper[1]
        self.problem.flag = self.hyper[2] != 0.0


@cython.final
cdef class RMSprop(_Update):
    """hyper = [learning rate, rho, momentum, epsilon]; optional mean gradient (centered) and momentum buffers."""

    def __init__(self, w, g, v, mean_gradient, momentum, hyper):
        self._bind(w, g, v, mean_gradient, momentum, hyper, ("lr", "rho", "momentum", "epsilon"))
        self.rule = self.table.rmsprop

    cdef void begin(self, char *workspace) noexcept nogil:
        self.problem.a = self.hyper[0]
        self.problem.b = self.hyper[1]
        self.problem.c = self.hyper[2]
        self.problem.d = self.hyper[3]


@cython.final
cdef class Adam(_Update):
    """hyper = [learning rate, beta_1, beta_2, epsilon, iterations done]; a run adds one to the last."""

    def __init__(self, w, g, m, v, hyper):
        self._bind(w, g, m, v, None, hyper, ("lr", "beta_1", "beta_2", "epsilon", "iterations"))
        self.rule = self.table.adam

    cdef void begin(self, char *workspace) noexcept nogil:
        cdef double t
        self.hyper[4] += 1.0
        t = self.hyper[4]
        self.problem.a = self.hyper[0] * sqrt(1.0 - pow(self.hyper[2], t)) / (1.0 - pow(self.hyper[1], t))
        self.problem.b = self.hyper[1]
        self.problem.c = self.hyper[2]
        self.problem.d = self.hyper[3]
