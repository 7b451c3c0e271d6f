# The rule of an optimizer, for other modules whose ops end with an update.
from fastconv._ext._operations cimport fc_rule


cdef class Rule:
    cdef readonly tuple arrays  # all arrays to keep alive
    cdef readonly object w
    cdef readonly tuple slots
    cdef readonly bint needs_gradient
    cdef int number             # FC_SGD ... FC_MOVING_AVERAGE
    cdef fc_rule c
