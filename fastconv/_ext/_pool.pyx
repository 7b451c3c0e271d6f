"""Max and average pooling: x (N, H, W, C), y and dy (N, OH, OW, C); forward and gradient.

operations/pool.c distributes the rows over threads.
"""

cimport cython
from libc.stdint cimport int64_t
import numpy as np

from fastconv._ext._core cimport operations, pointer
from fastconv._ext._kernels cimport fc_pool
from fastconv._ext._operations cimport fc_pool_op
from fastconv._ext._program cimport Op, arrays_with_output, bind, describe_activation_gradient

cdef enum:
    EXACT_FLOAT32 = 1 << 24         # float32 represents all integers up to this one


cdef class _PoolOp(Op):
    cdef fc_pool_op c

    cdef int _describe(self, g, x, y) except -1:
        expected = (
            (g.batch, g.height, g.width, g.channels), (g.batch, g.out_h, g.out_w, g.channels)
        )
        if (x.shape, y.shape) != expected:
            raise ValueError(
                f"expected shapes (input, output) {expected}, received {(x.shape, y.shape)}"
            )
        g = g.compact()
        cdef fc_pool *p = &self.c.problem
        p.batch, p.height, p.width, p.channels = g.batch, g.height, g.width, g.channels
        p.pool_h, p.pool_w, p.out_h, p.out_w = g.pool_h, g.pool_w, g.out_h, g.out_w
        p.stride_h, p.stride_w = g.stride_h, g.stride_w
        p.pad_top, p.pad_left = g.pad_top, g.pad_left
        p.wide_argmax = p.pool_h * p.pool_w > 256
        return 0

    cdef tuple _sizes(self):
        p = self.c.problem
        return (
            p.batch, p.height, p.width, p.channels, p.pool_h, p.pool_w, p.out_h, p.out_w,
            p.stride_h, p.stride_w, p.pad_top, p.pad_left,
        )

    cdef tuple _gradient_record(self, str kind, int arrays):
        g = self.c.problem.activation_gradient
        all_arrays = arrays_with_output(self, arrays, &self.c.problem.activation_gradient)
        return kind, all_arrays, (arrays - 1,), (*self._sizes(), g.kind), (g.slope,)

    cdef void *_argmax(self, argmax, y) except? NULL:
        cdef int64_t places = self.c.problem.pool_h * self.c.problem.pool_w
        # Window indices are in lanes of the dtype.
        if self.op.target.element_size == 4 and places > EXACT_FLOAT32:
            raise ValueError(
                f"`pool_size` must have at most {EXACT_FLOAT32} places in all "
                "to locate a maximum in float32, "
                f"received {(self.c.problem.pool_h, self.c.problem.pool_w)}"
            )
        expected = np.int32 if self.c.problem.wide_argmax else np.uint8
        if argmax.dtype != expected or argmax.shape != y.shape:
            raise ValueError(
                f"expected an argmax of {np.dtype(expected)} and shape {y.shape}, "
                f"received {argmax.dtype} and {argmax.shape}"
            )
        return pointer(argmax)


@cython.final
cdef class MaxPoolForward(_PoolOp):
    """y = the maximum of each window; argmax, if given, its index in the window (row-major)."""

    def __init__(self, geometry, x, y, argmax):
        bind(self, &self.c.op, (x, y, argmax), (x, y))
        self._describe(geometry, x, y)
        self.c.problem.x, self.c.problem.y = pointer(x), pointer(y)
        if argmax is not None:
            self.c.problem.argmax = self._argmax(argmax, y)
        operations.prepare_max_pool(&self.c)

    def record(self):
        return "max_pool", self.arrays, (1, 2), self._sizes(), ()


@cython.final
cdef class MaxPoolBackward(_PoolOp):
    """dx = dy at the position of each window's maximum.

    With `activation_gradient` = (kind, slope, y) an activation precedes the pooling, and dx is the
    gradient with respect to its input.  Only the outputs at the maxima matter, which are y.
    """

    def __init__(self, geometry, dy, argmax, dx, activation_gradient=None):
        bind(self, &self.c.op, (dy, argmax, dx), (dy, dx))
        self._describe(geometry, dx, dy)
        describe_activation_gradient(
            self, &self.c.problem.activation_gradient, activation_gradient, dy
        )
        self.c.problem.dy, self.c.problem.dx = pointer(dy), pointer(dx)
        self.c.problem.argmax = self._argmax(argmax, dy)
        operations.prepare_max_pool_backward(&self.c)

    def record(self):
        return self._gradient_record("max_pool_input", 3)


@cython.final
cdef class AveragePoolForward(_PoolOp):
    """y = the mean of the pixels of each window inside the image."""

    def __init__(self, geometry, x, y):
        bind(self, &self.c.op, (x, y))
        self._describe(geometry, x, y)
        self.c.problem.x, self.c.problem.y = pointer(x), pointer(y)
        operations.prepare_average_pool(&self.c)

    def record(self):
        return "average_pool", self.arrays, (1,), self._sizes(), ()


@cython.final
cdef class AveragePoolBackward(_PoolOp):
    """dx = dy divided equally among the pixels of each window inside the image.

    With `activation_gradient` = (kind, slope, x) dx is the gradient with respect to the input of
    the activation that has the output x.
    """

    def __init__(self, geometry, dy, dx, activation_gradient=None):
        bind(self, &self.c.op, (dy, dx))
        self._describe(geometry, dx, dy)
        describe_activation_gradient(
            self, &self.c.problem.activation_gradient, activation_gradient, dx
        )
        self.c.problem.dy, self.c.problem.dx = pointer(dy), pointer(dx)
        operations.prepare_average_pool_backward(&self.c)

    def record(self):
        return self._gradient_record("average_pool_input", 2)
