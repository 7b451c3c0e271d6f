"""The same for every row of channels: scale and shift; masks; sums over rows; and normal noise."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
import numpy as np

from fastconv._ext._core cimport Op, current_table, element_kind, pointer, round_up_64
from fastconv._ext._kernels cimport FC_AXES, fc_table

cdef enum:
    STRETCH = 8192   # elements of one item: 32 KiB of float32, an L1 cache
    PERIOD = 1024    # few channels are repeated up to so many elements, so that every vector is full
    SUM_ROWS = 64    # rows that are summed in order; their sums are summed next
    SUM_BLOCKS = 512  # ... and at most so many of them


@cython.final
cdef class ScaleShift(Op):
    """y = x * scale + shift, x (..., C), scale and shift (C,) or None; y may be x.

    scale and shift are read anew at every run.
    """

    cdef const fc_table *table
    cdef int64_t size, channels, period, rows_per_item
    cdef char *x
    cdef char *y
    cdef char *factors[2]   # of C
    cdef char *repeated[2]  # of a whole period
    cdef tuple kept

    @cython.wraparound(True)
    def __init__(self, x, scale, shift, y):
        if x.shape != y.shape:
            raise ValueError(f"expected y of shape {x.shape}, received {y.shape}")
        self.arrays = (x, scale, shift, y)
        self.table = current_table(element_kind(self.arrays))
        self.size, self.channels = x.size, x.shape[-1]
        self.period = self.channels * max(1, PERIOD // max(self.channels, 1))
        self.rows_per_item = max(1, STRETCH // max(self.period, 1))
        self.x, self.y = <char *> pointer(x), <char *> pointer(y)
        kept = []
        for i, factor in enumerate((scale, shift)):
            self.factors[i] = self.repeated[i] = <char *> pointer(factor)
            if factor is None:
                continue
            if factor.shape != (self.channels,):
                raise ValueError(f"expected scale and shift of shape {(self.channels,)}, received {factor.shape}")
            if self.period > self.channels:
                kept.append(np.empty(self.period, x.dtype))
                self.repeated[i] = <char *> pointer(kept[-1])
                self.phases = 2  # the first one repeats the factors
        self.kept = tuple(kept)
        self.work = 8.0 * self.size

    cdef void _repeat(self) noexcept nogil:
        cdef int64_t bytes = self.channels * self.table.element_size, at
        cdef int i
        for i in range(2):
            if self.factors[i] != NULL and self.factors[i] != self.repeated[i]:
                at = 0
                while at < self.period * self.table.element_size:
                    memcpy(self.repeated[i] + at, self.factors[i], bytes)
                    at += bytes

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        cdef int64_t length = self.period * self.rows_per_item
        if phase < self.phases - 1:
            return 1
        return (self.size + length - 1) // length if length else 0

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        cdef int64_t begin = item * self.rows_per_item * self.period
        cdef int64_t stop = min(self.size, begin + self.rows_per_item * self.period), at
        if phase < self.phases - 1:
            self._repeat()
            return
        while begin < stop:
            at = begin * self.table.element_size
            self.table.scale_shift(
                self.x + at, self.repeated[0], self.repeated[1], self.y + at, min(self.period, stop - begin)
            )
            begin += self.period


@cython.final
cdef class Masked(Op):
    """y = x * mask, whose shape is that of x with any axes of size 1 instead; y may be x."""

    cdef const fc_table *table
    cdef int64_t rows, length
    cdef int rank
    cdef int64_t size[FC_AXES]
    cdef int64_t stride[FC_AXES]
    cdef bint one
    cdef char *x
    cdef char *mask
    cdef char *y

    @cython.wraparound(True)
    def __init__(self, x, mask, y):
        if x.shape != y.shape or mask.ndim != x.ndim or any(m not in (1, n) for m, n in zip(mask.shape, x.shape)):
            raise ValueError(f"expected a mask that fits {x.shape} and y of that shape, received {mask.shape}, {y.shape}")
        self.arrays = (x, mask, y)
        self.table = current_table(element_kind(self.arrays))
        merged = []  # [size, size in the mask], neighbours of one kind joined
        for n, m in zip(x.shape, mask.shape):
            if merged and (m == 1) == (merged[-1][1] == 1):
                merged[-1] = [merged[-1][0] * n, merged[-1][1] * m]
            else:
                merged.append([n, m])
        self.length, last = merged.pop()
        self.one = last == 1
        self.rank = len(merged)
        if self.rank > FC_AXES:
            raise ValueError(f"expected at most {FC_AXES} changes between masked and free axes, received {self.rank}")
        self.rows, stride = 1, last
        for a in range(self.rank - 1, -1, -1):
            n, m = merged[a]
            self.size[a], self.stride[a] = n, 0 if m == 1 else stride
            stride *= m
            self.rows *= n
        self.x, self.mask, self.y = <char *> pointer(x), <char *> pointer(mask), <char *> pointer(y)
        self.work = 8.0 * x.size

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.rows

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        cdef int64_t rest = item, at = 0, bytes = self.table.element_size
        cdef int a
        for a in range(self.rank - 1, -1, -1):
            at += rest % self.size[a] * self.stride[a]
            rest //= self.size[a]
        self.table.masked_run(
            self.x + item * self.length * bytes, self.mask + at * bytes, self.one,
            self.y + item * self.length * bytes, self.length,
        )


@cython.final
cdef class ColumnSums(Op):
    """y[b, c] = scale * sum over r of x[b, r, c]; x (batch, rows, C), y (batch, C).

    Two phases: blocks of rows, then the sums of the blocks.  How many blocks there are depends on the shape alone.
    """

    cdef const fc_table *table
    cdef int64_t batch, rows, channels, block, blocks
    cdef double scale
    cdef char *x
    cdef char *y

    def __init__(self, x, y, double scale=1.0):
        if x.ndim != 3 or y.shape != (x.shape[0], x.shape[2]):
            raise ValueError(f"expected shapes (b, r, c) and (b, c), received {x.shape} and {y.shape}")
        self.arrays = (x, y)
        self.table = current_table(element_kind(self.arrays))
        self.batch, self.rows, self.channels = x.shape
        self.scale = scale
        self.block = max(<int64_t> SUM_ROWS, (self.rows + SUM_BLOCKS - 1) // SUM_BLOCKS)
        self.blocks = (self.rows + self.block - 1) // self.block
        self.phases = 2
        self.shared_bytes = round_up_64(self.batch * self.blocks * self.channels * self.table.element_size)
        self.x, self.y = <char *> pointer(x), <char *> pointer(y)
        self.work = 4.0 * x.size

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.batch * self.blocks if phase == 0 else self.batch

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        cdef int64_t row_bytes = self.channels * self.table.element_size, first
        if phase == 0:
            first = item % self.blocks * self.block
            self.table.column_sums(
                self.x + (item // self.blocks * self.rows + first) * row_bytes,
                min(self.block, self.rows - first), self.channels, 1.0, workspace + item * row_bytes,
            )
        else:
            self.table.column_sums(
                workspace + item * self.blocks * row_bytes, self.blocks, self.channels, self.scale,
                self.y + item * row_bytes,
            )


@cython.final
cdef class Gaussian(Op):
    """y = x + z, or with `multiply` y = x * (1 + z), z normal with `stddev`, drawn anew at every run; y may be x.

    Equal seeds and equal `set_state` give equal noise.
    """

    cdef const fc_table *table
    cdef int64_t size
    cdef readonly double stddev
    cdef readonly bint multiply
    cdef uint64_t seed, draws
    cdef char *x
    cdef char *y

    def __init__(self, x, y, double stddev, uint64_t seed, bint multiply=False):
        if x.shape != y.shape:
            raise ValueError(f"expected y of shape {x.shape}, received {y.shape}")
        self.arrays = (x, y)
        self.table = current_table(element_kind(self.arrays))
        self.size, self.stddev, self.seed, self.multiply = x.size, stddev, seed, multiply
        self.x, self.y = <char *> pointer(x), <char *> pointer(y)
        self.work = 60.0 * self.size  # a logarithm, a root, a sine and a cosine for two elements

    def set_state(self, uint64_t draws):
        """Number the next draw."""
        self.draws = draws

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return (self.size + STRETCH - 1) // STRETCH

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        cdef int64_t begin = item * STRETCH, at = begin * self.table.element_size
        self.table.gaussian(
            self.x + at, self.y + at, begin, min(<int64_t> STRETCH, self.size - begin), self.stddev,
            self.seed + self.draws * <uint64_t> 0xD1342543DE82EF95, self.multiply,
        )
