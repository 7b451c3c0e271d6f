"""Operations per channel: scale and shift; masks; sums and maxima over rows; noise."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset
import numpy as np

from fastconv._ext._core cimport pointer
from fastconv._ext._kernels cimport FC_AXES
from fastconv._ext._program cimport Op, bind, round_up_64

cdef enum:
    STRETCH = 8192   # elements per item: 32 KiB of float32, an L1 cache
    PERIOD = 1024    # elements to which few channels are repeated, so that every vector is full
    BLOCK_ROWS = 64  # fewest rows per block; the sums of a block's rows are summed next
    BLOCKS = 512     # most blocks


@cython.final
cdef class ScaleShift(Op):
    """y = x * scale + shift, x (..., C), scale and shift (C,) or None; y may be x.

    Every run reads scale and shift again.
    """

    cdef int64_t size, channels, period, rows_per_item
    cdef char *x
    cdef char *y
    cdef char *factors[2]   # C elements
    cdef char *repeated[2]  # `period` elements
    cdef tuple kept

    @cython.wraparound(True)
    def __init__(self, x, scale, shift, y):
        if x.shape != y.shape:
            raise ValueError(f"expected y of shape {x.shape}, received {y.shape}")
        bind(self, (x, scale, shift, y))
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
                raise ValueError(
                    f"expected scale and shift of shape {(self.channels,)}, received {factor.shape}"
                )
            if self.period > self.channels:
                kept.append(np.empty(self.period, x.dtype))
                self.repeated[i] = <char *> pointer(kept[-1])
                self.phases = 2  # the first phase repeats the factors
        self.kept = tuple(kept)
        self.work = 8.0 * self.size

    cdef void _repeat(self) noexcept nogil:
        cdef int64_t bytes = self.channels * self.table.target.element_size, at
        cdef int i
        for i in range(2):
            if self.factors[i] != NULL and self.factors[i] != self.repeated[i]:
                at = 0
                while at < self.period * self.table.target.element_size:
                    memcpy(self.repeated[i] + at, self.factors[i], bytes)
                    at += bytes

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        cdef int64_t length = self.period * self.rows_per_item
        if phase < self.phases - 1:
            return 1
        return (self.size + length - 1) // length if length else 0

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t begin = item * self.rows_per_item * self.period
        cdef int64_t stop = min(self.size, begin + self.rows_per_item * self.period), at
        if phase < self.phases - 1:
            self._repeat()
            return
        while begin < stop:
            at = begin * self.table.target.element_size
            self.table.scale_shift(
                self.x + at, self.repeated[0], self.repeated[1], self.y + at,
                min(self.period, stop - begin)
            )
            begin += self.period


@cython.final
cdef class Masked(Op):
    """y = x * mask; each axis of mask has the size of that axis of x, or 1; y may be x."""

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
        if x.shape != y.shape or mask.ndim != x.ndim or any(
            m not in (1, n) for m, n in zip(mask.shape, x.shape)
        ):
            raise ValueError(
                f"expected a mask that fits {x.shape} and y of that shape, "
                f"received {mask.shape}, {y.shape}"
            )
        bind(self, (x, mask, y))
        merged = []  # [size, size in the mask]; neighbouring axes of one kind are joined
        for n, m in zip(x.shape, mask.shape):
            if merged and (m == 1) == (merged[-1][1] == 1):
                merged[-1] = [merged[-1][0] * n, merged[-1][1] * m]
            else:
                merged.append([n, m])
        self.length, last = merged.pop()
        self.one = last == 1
        self.rank = len(merged)
        if self.rank > FC_AXES:
            raise ValueError(
                f"expected at most {FC_AXES} changes between masked and free axes, "
                f"received {self.rank}"
            )
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

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t rest = item, at = 0, bytes = self.table.target.element_size
        cdef int a
        for a in range(self.rank - 1, -1, -1):
            at += rest % self.size[a] * self.stride[a]
            rest //= self.size[a]
        self.table.masked_run(
            self.x + item * self.length * bytes, self.mask + at * bytes, self.one,
            self.y + item * self.length * bytes, self.length,
        )


cdef class _Columns(Op):
    """x (batch, rows, C) in blocks of rows: phase 0 reduces each block,
    phase 1 reduces the blocks' results.

    The number of blocks depends on the shape alone.
    """

    cdef int64_t batch, rows, channels, block, blocks, row_bytes
    cdef char *x

    cdef int _describe(self, x, int numbers) except -1:
        """Sets sizes; the workspace holds `numbers` values per block and channel."""
        if x.ndim != 3 or x.shape[1] == 0:
            raise ValueError(f"expected x of shape (batch, rows, channels), received {x.shape}")
        self.batch, self.rows, self.channels = x.shape
        self.block = max(<int64_t> BLOCK_ROWS, (self.rows + BLOCKS - 1) // BLOCKS)
        self.blocks = (self.rows + self.block - 1) // self.block
        self.row_bytes = self.channels * self.table.target.element_size
        self.phases = 2
        self.shared_bytes = round_up_64(numbers * self.batch * self.blocks * self.row_bytes)
        self.x = <char *> pointer(x)
        self.work = 4.0 * x.size
        return 0

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.batch * self.blocks if phase == 0 else self.batch

    cdef char *_rows_of(self, int64_t item, int64_t *rows) noexcept nogil:
        cdef int64_t first = item % self.blocks * self.block
        rows[0] = min(self.block, self.rows - first)
        return self.x + (item // self.blocks * self.rows + first) * self.row_bytes


@cython.final
cdef class ColumnSums(_Columns):
    """y[b, c] = scale * sum over r of x[b, r, c]; x (batch, rows, C), y (batch, C)."""

    cdef double scale
    cdef char *y

    def __init__(self, x, y, double scale=1.0):
        bind(self, (x, y))
        self._describe(x, 1)
        if y.shape != (x.shape[0], x.shape[2]):
            raise ValueError(f"expected y of shape {(x.shape[0], x.shape[2])}, received {y.shape}")
        self.scale, self.y = scale, <char *> pointer(y)

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t rows
        cdef char *x
        if phase == 0:
            x = self._rows_of(item, &rows)
            self.table.column_sums(x, rows, self.channels, 1.0, workspace + item * self.row_bytes)
        else:
            self.table.column_sums(
                workspace + item * self.blocks * self.row_bytes, self.blocks, self.channels,
                self.scale,
                self.y + item * self.row_bytes,
            )


@cython.final
cdef class ColumnMax(_Columns):
    """y[b, c] = the maximum of x[b, r, c] over r, argmax[b, c] its first r;
    a NaN counts as the maximum.

    x (batch, rows, C), y (batch, C), argmax (batch, C) int32 or None.
    """

    cdef char *y
    cdef int32_t *argmax

    def __init__(self, x, y, argmax):
        bind(self, (x, y, argmax), (x, y))
        self._describe(x, 2)
        shape = (x.shape[0], x.shape[2])
        if y.shape != shape or (
            argmax is not None and (argmax.shape, argmax.dtype) != (shape, np.int32)
        ):
            raise ValueError(
                f"expected y and an int32 argmax of shape {shape}, received {y.shape}, {argmax!r}"
            )
        if self.block >= 1 << 24 or self.rows >= 1 << 31:
            raise ValueError(f"expected fewer rows, received {self.rows}")
        self.y, self.argmax = <char *> pointer(y), <int32_t *> pointer(argmax)

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t rows
        cdef char *x
        cdef char *part
        if phase == 0:
            x = self._rows_of(item, &rows)
            part = workspace + 2 * item * self.row_bytes
            self.table.column_max(x, rows, self.channels, part, part + self.row_bytes)
        else:
            self.table.join_max(
                workspace + 2 * item * self.blocks * self.row_bytes, self.blocks, self.block,
                self.channels, self.y + item * self.row_bytes,
                self.argmax + item * self.channels if self.argmax else NULL,
            )


@cython.final
cdef class ColumnMaxBackward(_Columns):
    """dx[b, r, c] = dy[b, c] where r is argmax[b, c], else 0; dx (batch, rows, C)."""

    cdef char *dy
    cdef int32_t *argmax

    def __init__(self, dy, argmax, dx):
        bind(self, (dy, argmax, dx), (dy, dx))
        self._describe(dx, 0)
        shape = (dx.shape[0], dx.shape[2])
        if dy.shape != shape or argmax.shape != shape or argmax.dtype != np.int32:
            raise ValueError(
                f"expected dy and an int32 argmax of shape {shape}, received {dy.shape}, {argmax!r}"
            )
        self.dy, self.argmax = <char *> pointer(dy), <int32_t *> pointer(argmax)

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t rows, c, size = self.table.target.element_size
        cdef char *dx
        if phase == 0:
            dx = self._rows_of(item, &rows)
            memset(dx, 0, rows * self.row_bytes)
            return
        dx = self.x + item * self.rows * self.row_bytes
        for c in range(item * self.channels, (item + 1) * self.channels):
            memcpy(
                dx + self.argmax[c] * self.row_bytes + c % self.channels * size, self.dy + c * size,
                size
            )


@cython.final
cdef class Gaussian(Op):
    """y = x + z, or with `multiply` y = x * (1 + z), z normal with standard deviation
    `stddev`; y may be x.

    `set_state` selects the noise of the next run.  Equal seeds and equal states give equal noise.
    """

    cdef int64_t size
    cdef readonly double stddev
    cdef readonly bint multiply
    cdef uint64_t seed, draws
    cdef char *x
    cdef char *y

    def __init__(self, x, y, double stddev, uint64_t seed, bint multiply=False):
        if x.shape != y.shape:
            raise ValueError(f"expected y of shape {x.shape}, received {y.shape}")
        bind(self, (x, y))
        self.size, self.stddev, self.seed, self.multiply = x.size, stddev, seed, multiply
        self.x, self.y = <char *> pointer(x), <char *> pointer(y)
        self.work = 60.0 * self.size  # a logarithm, a root, a sine and a cosine per two elements

    def set_state(self, uint64_t draws):
        """Set the number of the next draw."""
        self.draws = draws

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return (self.size + STRETCH - 1) // STRETCH

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t begin = item * STRETCH, at = begin * self.table.target.element_size
        self.table.gaussian(
            self.x + at, self.y + at, begin, min(<int64_t> STRETCH, self.size - begin), self.stddev,
            self.seed + self.draws * <uint64_t> 0xD1342543DE82EF95, self.multiply,
        )
