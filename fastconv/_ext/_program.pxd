# Declarations of ops and programs, for the modules that define ops.
#
# Free functions instead of methods where possible: adding one does not change the
# layout of a class.
from libc.stdint cimport int64_t

from fastconv._ext._kernels cimport fc_activation_gradient
from fastconv._ext._operations cimport fc_op


cdef class Workspace:
    cdef char *data
    cdef int64_t size
    cdef int require(self, int64_t size) except -1


# One operation of a network, bound to its arrays.
cdef class Op:
    cdef readonly tuple arrays
    cdef fc_op *op  # in the C struct of the subclass
    cdef Workspace own_workspace


# Sets the arrays of an op, the place of its C struct, and its kernels: those for the dtype of
# `of_dtype`, which is `arrays` unless given.
cdef int bind(Op self, fc_op *op, tuple arrays, tuple of_dtype=*) except -1

# Sets an activation gradient, (kind, slope, output) or None, that an op applies to a `gradient` of
# the shape of `output`.
cdef int describe_activation_gradient(
    Op self, fc_activation_gradient *to, given, gradient
) except -1


# The arrays of an op, and after them the output of the activation, or None.
cdef tuple arrays_with_output(Op self, int count, const fc_activation_gradient *gradient)


# An op that packs its filters before it uses them (operations/filters.c).
cdef class FilterOp(Op):
    cdef Workspace filters
