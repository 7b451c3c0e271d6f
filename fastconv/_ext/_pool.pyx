"""Max and average pooling: x (N, H, W, C), y and dy (N, OH, OW, C); forward and gradient.

Forward, an item is one row of y; backward, one row of dx or, where windows tile the image,
the rows under one row of windows.
"""

cimport cython
from libc.stdint cimport int64_t
import numpy as np

from fastconv._ext._core cimport pointer, schedule
from fastconv._ext._kernels cimport fc_pool
from fastconv._ext._program cimport Op, bind, describe_activation_gradient

cdef enum:
    EXACT_FLOAT32 = 1 << 24         # float32 represents all integers up to this one

ctypedef void (*item_function)(const fc_pool *, int64_t) noexcept nogil


cdef class _PoolOp(Op):
    cdef fc_pool problem
    cdef item_function item
    cdef int64_t items

    cdef int _describe(self, g, x, y) except -1:
        expected = (
            (g.batch, g.height, g.width, g.channels), (g.batch, g.out_h, g.out_w, g.channels)
        )
        if (x.shape, y.shape) != expected:
            raise ValueError(
                f"expected shapes (input, output) {expected}, received {(x.shape, y.shape)}"
            )
        g = g.compact()
        cdef fc_pool *p = &self.problem
        p.batch, p.height, p.width, p.channels = g.batch, g.height, g.width, g.channels
        p.pool_h, p.pool_w, p.out_h, p.out_w = g.pool_h, g.pool_w, g.out_h, g.out_w
        p.stride_h, p.stride_w = g.stride_h, g.stride_w
        p.pad_top, p.pad_left = g.pad_top, g.pad_left
        p.wide_argmax = p.pool_h * p.pool_w > 256
        self.items = g.batch * g.out_h
        # Bytes moved, at least one vector per pixel.
        cdef int64_t outputs = p.out_h * p.out_w
        cdef int64_t pixels = max(p.height * p.width, outputs * p.pool_h * p.pool_w) + outputs
        self.work = 4.0 * p.batch * pixels * max(p.channels, self.table.target.lanes)
        return 0

    cdef void *_argmax(self, argmax, y) except? NULL:
        cdef int64_t places = self.problem.pool_h * self.problem.pool_w
        # Window indices are in lanes of the dtype.
        if self.table.target.element_size == 4 and places > EXACT_FLOAT32:
            raise ValueError(
                f"`pool_size` must have at most {EXACT_FLOAT32} places in all "
                "to locate a maximum in float32, "
                f"received {(self.problem.pool_h, self.problem.pool_w)}"
            )
        expected = np.int32 if self.problem.wide_argmax else np.uint8
        if argmax.dtype != expected or argmax.shape != y.shape:
            raise ValueError(
                f"expected an argmax of {np.dtype(expected)} and shape {y.shape}, "
                f"received {argmax.dtype} and {argmax.shape}"
            )
        return pointer(argmax)

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.item(&self.problem, item)


@cython.final
cdef class MaxPoolForward(_PoolOp):
    """y = the maximum of each window; argmax, if given, its index in the window (row-major)."""

    def __init__(self, geometry, x, y, argmax):
        bind(self, (x, y, argmax), (x, y))
        self._describe(geometry, x, y)
        self.problem.x, self.problem.y = pointer(x), pointer(y)
        if argmax is not None:
            self.problem.argmax = self._argmax(argmax, y)
        self.item = self.table.max_pool_item


@cython.final
cdef class MaxPoolBackward(_PoolOp):
    """dx = dy at the position of each window's maximum.

    With `activation_gradient` = (kind, slope, y) an activation precedes the pooling, and dx is the
    gradient with respect to its input.  Only the outputs at the maxima matter, which are y.
    """

    def __init__(self, geometry, dy, argmax, dx, activation_gradient=None):
        bind(self, (dy, argmax, dx), (dy, dx))
        self._describe(geometry, dx, dy)
        describe_activation_gradient(
            self, &self.problem.activation_gradient, activation_gradient, dy
        )
        self.problem.dy, self.problem.dx = pointer(dy), pointer(dx)
        self.problem.argmax = self._argmax(argmax, dy)
        self.items = schedule.pool_backward_items(&self.problem)
        self.item = self.table.max_pool_backward_item


@cython.final
cdef class AveragePoolForward(_PoolOp):
    """y = the mean of the pixels of each window inside the image."""

    def __init__(self, geometry, x, y):
        bind(self, (x, y))
        self._describe(geometry, x, y)
        self.problem.x, self.problem.y = pointer(x), pointer(y)
        self.item = self.table.average_pool_item


@cython.final
cdef class AveragePoolBackward(_PoolOp):
    """dx = dy divided equally among the pixels of each window inside the image.

    With `activation_gradient` = (kind, slope, x) dx is the gradient with respect to the input of
    the activation that has the output x.
    """

    def __init__(self, geometry, dy, dx, activation_gradient=None):
        bind(self, (dy, dx))
        self._describe(geometry, dx, dy)
        describe_activation_gradient(
            self, &self.problem.activation_gradient, activation_gradient, dx
        )
        self.problem.dy, self.problem.dx = pointer(dy), pointer(dx)
        self.items = schedule.pool_backward_items(&self.problem)
        self.item = self.table.average_pool_backward_item
