"""Operations per channel: scale and shift; masks; sums and maxima over rows; noise.

operations/channels.c distributes them over threads.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t
import numpy as np

from fastconv._ext._core cimport operations, pointer
from fastconv._ext._kernels cimport FC_AXES
from fastconv._ext._operations cimport (
    fc_gaussian_op,
    fc_masked_op,
    fc_reduce_op,
    fc_scale_shift_op,
)
from fastconv._ext._program cimport Op, bind

cdef enum:
    PERIOD = 1024    # elements to which few channels are repeated, so that every vector is full


@cython.final
cdef class ScaleShift(Op):
    """y = x * scale + shift, x (..., C), scale and shift (C,) or None; y may be x.

    Every run reads scale and shift again.
    """

    cdef fc_scale_shift_op c
    cdef tuple kept

    @cython.wraparound(True)
    def __init__(self, x, scale, shift, y):
        if x.shape != y.shape:
            raise ValueError(f"expected y of shape {x.shape}, received {y.shape}")
        cdef fc_scale_shift_op *c = &self.c
        bind(self, &c.op, (x, scale, shift, y))
        c.size, c.channels = x.size, x.shape[-1]
        c.period = c.channels * max(1, PERIOD // max(c.channels, 1))
        c.x, c.y = <char *> pointer(x), <char *> pointer(y)
        kept = []
        for i, factor in enumerate((scale, shift)):
            c.factors[i] = <char *> pointer(factor)
            if factor is None:
                continue
            if factor.shape != (c.channels,):
                raise ValueError(
                    f"expected scale and shift of shape {(c.channels,)}, received {factor.shape}"
                )
            if c.period > c.channels:
                kept.append(np.empty(c.period, x.dtype))
                c.repeated[i] = <char *> pointer(kept[-1])
        self.kept = tuple(kept)
        operations.prepare_scale_shift(c)

    def record(self):
        kept = iter(self.kept)
        repeated = [next(kept) if self.c.repeated[i] != NULL else None for i in range(2)]
        sizes = self.c.size, self.c.channels, self.c.period
        return "scale_shift", (*self.arrays, *repeated), (3, 4, 5), sizes, ()


@cython.final
cdef class Masked(Op):
    """y = x * mask; each axis of mask has the size of that axis of x, or 1; y may be x."""

    cdef fc_masked_op c

    @cython.wraparound(True)
    def __init__(self, x, mask, y):
        if x.shape != y.shape or mask.ndim != x.ndim or any(
            m not in (1, n) for m, n in zip(mask.shape, x.shape)
        ):
            raise ValueError(
                f"expected a mask that fits {x.shape} and y of that shape, "
                f"received {mask.shape}, {y.shape}"
            )
        cdef fc_masked_op *c = &self.c
        bind(self, &c.op, (x, mask, y))
        merged = []  # [size, size in the mask]; neighbouring axes of one kind are joined
        for n, m in zip(x.shape, mask.shape):
            if merged and (m == 1) == (merged[-1][1] == 1):
                merged[-1] = [merged[-1][0] * n, merged[-1][1] * m]
            else:
                merged.append([n, m])
        c.length, last = merged.pop()
        c.one = last == 1
        if len(merged) > FC_AXES:
            raise ValueError(
                f"expected at most {FC_AXES} changes between masked and free axes, "
                f"received {len(merged)}"
            )
        c.rank = len(merged)
        c.rows, stride = 1, last
        for a in range(c.rank - 1, -1, -1):
            n, m = merged[a]
            c.size[a], c.stride[a] = n, 0 if m == 1 else stride
            stride *= m
            c.rows *= n
        c.x, c.mask, c.y = <char *> pointer(x), <char *> pointer(mask), <char *> pointer(y)
        operations.prepare_masked(c)

    def record(self):
        c = self.c
        axes = (each for a in range(c.rank) for each in (c.size[a], c.stride[a] != 0))
        return "masked", self.arrays, (2,), (c.length, c.one, c.rank, *axes), ()


cdef int _describe_rows(fc_reduce_op *c, x) except -1:
    """Sets the sizes of x (batch, rows, channels)."""
    if x.ndim != 3 or x.shape[1] == 0:
        raise ValueError(f"expected x of shape (batch, rows, channels), received {x.shape}")
    c.batch, c.rows, c.channels = x.shape
    return 0


@cython.final
cdef class ColumnSums(Op):
    """y[b, c] = scale * sum over r of x[b, r, c]; x (batch, rows, C), y (batch, C)."""

    cdef fc_reduce_op c

    def __init__(self, x, y, double scale=1.0):
        bind(self, &self.c.op, (x, y))
        _describe_rows(&self.c, x)
        if y.shape != (x.shape[0], x.shape[2]):
            raise ValueError(f"expected y of shape {(x.shape[0], x.shape[2])}, received {y.shape}")
        self.c.scale, self.c.x, self.c.y = scale, <char *> pointer(x), <char *> pointer(y)
        operations.prepare_column_sums(&self.c)

    def record(self):
        sizes = self.c.batch, self.c.rows, self.c.channels
        return "column_sums", self.arrays, (1,), sizes, (self.c.scale,)


@cython.final
cdef class ColumnMax(Op):
    """y[b, c] = the maximum of x[b, r, c] over r, argmax[b, c] its first r;
    a NaN counts as the maximum.

    x (batch, rows, C), y (batch, C), argmax (batch, C) int32 or None.
    """

    cdef fc_reduce_op c

    def __init__(self, x, y, argmax):
        bind(self, &self.c.op, (x, y, argmax), (x, y))
        _describe_rows(&self.c, x)
        shape = (x.shape[0], x.shape[2])
        if y.shape != shape or (
            argmax is not None and (argmax.shape, argmax.dtype) != (shape, np.int32)
        ):
            raise ValueError(
                f"expected y and an int32 argmax of shape {shape}, received {y.shape}, {argmax!r}"
            )
        self.c.x, self.c.y = <char *> pointer(x), <char *> pointer(y)
        self.c.argmax = <int32_t *> pointer(argmax)
        operations.prepare_column_max(&self.c)
        if self.c.block >= 1 << 24 or self.c.rows >= 1 << 31:
            raise ValueError(f"expected fewer rows, received {self.c.rows}")

    def record(self):
        sizes = self.c.batch, self.c.rows, self.c.channels
        return "column_max", self.arrays, (1, 2), sizes, ()


@cython.final
cdef class ColumnMaxBackward(Op):
    """dx[b, r, c] = dy[b, c] where r is argmax[b, c], else 0; dx (batch, rows, C)."""

    cdef fc_reduce_op c

    def __init__(self, dy, argmax, dx):
        bind(self, &self.c.op, (dy, argmax, dx), (dy, dx))
        _describe_rows(&self.c, dx)
        shape = (dx.shape[0], dx.shape[2])
        if dy.shape != shape or argmax.shape != shape or argmax.dtype != np.int32:
            raise ValueError(
                f"expected dy and an int32 argmax of shape {shape}, received {dy.shape}, {argmax!r}"
            )
        self.c.x, self.c.y = <char *> pointer(dy), <char *> pointer(dx)
        self.c.argmax = <int32_t *> pointer(argmax)
        operations.prepare_column_max_backward(&self.c)

    def record(self):
        sizes = self.c.batch, self.c.rows, self.c.channels
        return "column_max_input", self.arrays, (2,), sizes, ()


@cython.final
cdef class Gaussian(Op):
    """y = x + z, or with `multiply` y = x * (1 + z), z normal with standard deviation
    `stddev`; y may be x.

    `set_state` selects the noise of the next run.  Equal seeds and equal states give equal noise.
    """

    cdef fc_gaussian_op c

    def __init__(self, x, y, double stddev, uint64_t seed, bint multiply=False):
        if x.shape != y.shape:
            raise ValueError(f"expected y of shape {x.shape}, received {y.shape}")
        bind(self, &self.c.stretch.op, (x, y))
        self.c.stretch.size, self.c.stddev, self.c.seed = x.size, stddev, seed
        self.c.multiply = multiply
        self.c.x, self.c.y = <char *> pointer(x), <char *> pointer(y)
        operations.prepare_gaussian(&self.c)

    @property
    def stddev(self):
        """Standard deviation of the noise."""
        return self.c.stddev

    @property
    def multiply(self):
        """Whether x is multiplied by 1 + z."""
        return bool(self.c.multiply)

    def record(self):
        integers = self.c.stretch.size, self.c.multiply, self.c.seed
        return "gaussian", self.arrays, (1,), integers, (self.c.stddev,)

    def set_state(self, uint64_t draws, int64_t first=0):
        """Set the number of the next draw; x begins at element `first` of the noise."""
        self.c.draws, self.c.first = draws, first
