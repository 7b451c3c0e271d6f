# The rule of an optimizer, for other modules whose ops end with an update.
from libc.stdint cimport int64_t
from fastconv._ext._kernels cimport fc_update, fc_update_rule


cdef class Rule:
    cdef readonly tuple arrays  # all arrays to keep alive
    cdef readonly object w
    cdef readonly tuple slots
    cdef readonly bint needs_gradient
    cdef fc_update problem
    cdef fc_update_rule apply
    cdef double *hyper
    cdef int64_t hyper_size
    cdef void read_hyper(self) noexcept nogil
