"""Optimizer updates over flat buffers, one pass over memory each.  The rules stand in kernels/optim.inc."""

cimport cython
from libc.stdint cimport int64_t
import numpy as np

from fastconv._ext._core cimport Op, current_table, element_kind, pointer
from fastconv._ext._kernels cimport (
    FC_ADADELTA,
    FC_ADAGRAD,
    FC_ADAM,
    FC_ADAMAX,
    FC_MOVING_AVERAGE,
    FC_FTRL,
    FC_LION,
    FC_NADAM,
    FC_RMSPROP,
    FC_SGD,
    fc_table,
    fc_update,
)

cdef enum:
    STRETCH = 8192
    HYPER = 6
    SLOTS = 3

# rule -> its place in the kernel table, and how many of its slots it cannot do without
_RULES = {
    "sgd": (FC_SGD, 0),
    "rmsprop": (FC_RMSPROP, 1),
    "adam": (FC_ADAM, 2),
    "nadam": (FC_NADAM, 2),
    "adamax": (FC_ADAMAX, 2),
    "adagrad": (FC_ADAGRAD, 1),
    "adadelta": (FC_ADADELTA, 2),
    "lion": (FC_LION, 1),
    "ftrl": (FC_FTRL, 2),
    "average": (FC_MOVING_AVERAGE, 1),
}


@cython.final
cdef class Update(Op):
    """w changes by `rule` with gradient g and `slots`, up to three buffers or None of which the rule may ask for.

    `hyper` holds up to six float64 numbers, which are read at every run: a schedule may change them between steps.
    """

    cdef const fc_table *table
    cdef fc_update problem
    cdef double *hyper
    cdef int64_t size, hyper_size
    cdef void (*rule)(const fc_update *, int64_t, int64_t) noexcept nogil

    def __init__(self, str rule, w, g, slots, hyper):
        if rule not in _RULES:
            raise ValueError(f"unknown rule {rule!r}; expected one of {', '.join(_RULES)}")
        cdef int number
        number, needed = _RULES[rule]
        slots = tuple(slots) + (None,) * (SLOTS - len(slots))
        if len(slots) > SLOTS or any(slot is None for slot in slots[:needed]):
            raise ValueError(f"rule {rule!r} needs {needed} to {SLOTS} slots, received {slots}")
        arrays = (w, g, *slots)
        self.table = current_table(element_kind(arrays))
        self.arrays = (*arrays, hyper)
        for array in arrays:
            if array is not None and array.shape != w.shape:
                raise ValueError(f"expected buffers of one shape, {w.shape}, received {array.shape}")
        if hyper.dtype != np.float64 or hyper.ndim != 1 or hyper.size > HYPER:
            raise ValueError(
                f"expected `hyper` to be up to {HYPER} numbers of float64, received {hyper.dtype} of shape {hyper.shape}"
            )
        self.hyper, self.hyper_size = <double *> pointer(hyper), hyper.size
        self.rule = self.table.update[number]
        self.size = w.size
        self.work = 16.0 * self.size  # bytes moved
        self.problem.w, self.problem.g = pointer(w), pointer(g)
        for i in range(SLOTS):
            self.problem.slot[<int> i] = pointer(slots[i])

    cdef void begin(self, char *workspace) noexcept nogil:
        cdef int64_t i
        for i in range(self.hyper_size):
            self.problem.h[i] = self.hyper[i]

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return (self.size + STRETCH - 1) // STRETCH

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        self.rule(&self.problem, item * STRETCH, min(<int64_t> STRETCH, self.size - item * STRETCH))
