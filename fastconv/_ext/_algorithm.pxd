# Declarations of passes with their algorithms, for the ops of `_conv`.
from fastconv._ext._kernels cimport fc_geometry


cdef class ConvPass:
    cdef readonly object geometry  # a compact `fastconv.shapes.Conv2DGeometry`
    cdef readonly str algorithm
    cdef fc_geometry sizes         # the same geometry, for the schedules
    cdef bint frozen               # the filters do not change between runs
    cdef int code                  # FC_FORWARD, FC_BACKWARD_INPUT or FC_BACKWARD_KERNEL


# The code of the algorithm with a name, and the name of that with a code.
cdef int algorithm_code(str name) except -1
cdef str algorithm_name(int code)
