"""Merges of arrays and their gradients: sums, products, maxima, concatenation, broadcasts.

Single passes over memory, partitioned into stretches of elements of fixed size,
or into runs along the last axis.
"""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastconv._ext._core cimport pointer
from fastconv._ext._kernels cimport (
    FC_ADD,
    FC_AVERAGE,
    FC_BROADCAST_AXES,
    FC_MAXIMUM,
    FC_MINIMUM,
    FC_MULTIPLY,
    FC_SUBTRACT,
    fc_broadcast,
    fc_merge,
)
from fastconv._ext._program cimport Op, bind, describe_activation_gradient

cdef enum:
    STRETCH = 8192  # elements per item: 32 KiB of float32, an L1 cache

cdef dict _kinds = {
    "add": FC_ADD,
    "subtract": FC_SUBTRACT,
    "multiply": FC_MULTIPLY,
    "average": FC_AVERAGE,
    "maximum": FC_MAXIMUM,
    "minimum": FC_MINIMUM,
}


cdef class _Stretches(Op):
    """Arrays of one shape; an item is a stretch of their elements."""

    cdef int64_t size

    cdef int _begin(self, tuple arrays) except -1:
        bind(self, arrays)
        shape = arrays[0].shape
        for array in arrays:
            if array is not None and array.shape != shape:
                raise ValueError(
                    f"expected arrays of one shape, received {shape} and {array.shape}"
                )
        self.size = arrays[0].size
        self.work = 4.0 * len(arrays) * self.size  # bytes moved
        return 0

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return (self.size + STRETCH - 1) // STRETCH


cdef class _Merging(_Stretches):
    cdef fc_merge problem
    cdef const void **x

    def __dealloc__(self):
        free(self.x)

    cdef int _describe(self, str kind, tuple xs) except -1:
        cdef int count = len(xs)
        self.x = <const void **> malloc(count * sizeof(void *))
        if self.x == NULL:
            raise MemoryError(f"cannot allocate a list of {count} arrays")
        for i in range(count):
            self.x[i] = pointer(xs[i])
        self.problem.kind, self.problem.count = _kinds[kind], count
        self.problem.x = self.x
        return 0


@cython.final
cdef class Merge(_Merging):
    """y = xs[0] . xs[1] . ... for kind "add", "subtract", "multiply", "average",
    "maximum" or "minimum".

    y may be one of the xs.  With `relu`, then y = max(y, 0).  With
    `activation_gradient` = (kind, slope, output), y is a gradient, and is multiplied by the
    derivative of the activation that has that output.
    """

    def __init__(self, str kind, xs, y, bint relu=False, activation_gradient=None):
        xs = tuple(xs)
        self._begin((y, *xs))
        self._describe(kind, xs)
        self.problem.y, self.problem.relu = pointer(y), relu
        describe_activation_gradient(
            self, &self.problem.activation_gradient, activation_gradient, y
        )

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.table.merge(
            &self.problem, item * STRETCH, min(<int64_t> STRETCH, self.size - item * STRETCH)
        )


@cython.final
cdef class MergeBackward(_Merging):
    """dx, the gradient with respect to xs[index], of "multiply", "maximum" or
    "minimum"; dx may be dy.

    Where several xs attain the maximum or minimum y, the first one gets the gradient.
    """

    cdef int index
    cdef char *dy
    cdef char *dx

    def __init__(self, str kind, xs, y, int index, dy, dx):
        xs = tuple(xs)
        self._begin((dy, dx, *xs, y))
        self._describe(kind, xs)
        self.problem.y = pointer(y)
        self.index = index
        self.dy, self.dx = <char *> pointer(dy), <char *> pointer(dx)

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t begin = item * STRETCH
        self.table.merge_backward(
            &self.problem, self.index, self.dy, self.dx, begin,
            min(<int64_t> STRETCH, self.size - begin)
        )


@cython.final
cdef class Scale(_Stretches):
    """y = factor * x; y may be x."""

    cdef double factor
    cdef char *x
    cdef char *y

    def __init__(self, x, y, double factor=1.0):
        self._begin((x, y))
        self.factor = factor
        self.x, self.y = <char *> pointer(x), <char *> pointer(y)

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t begin = item * STRETCH, at = begin * self.table.target.element_size
        self.table.scale(
            self.factor, self.x + at, self.y + at, min(<int64_t> STRETCH, self.size - begin)
        )


# ---- concatenation ----


cdef class _Pieces(Op):
    """A whole and its pieces along one axis: a row of the whole is the concatenation of one
    row of each piece.

    A row comprises that axis and all axes after it; an item is a few rows.
    """

    cdef char *whole
    cdef char **pieces
    cdef int64_t *widths  # bytes of a row of each piece
    cdef int count
    cdef int64_t rows, width, rows_per_item

    def __dealloc__(self):
        free(self.pieces)
        free(self.widths)

    def __init__(self, pieces, whole, int axis):
        """An integer in `pieces` stands for a piece of that size, neither read nor written."""
        self.count = len(pieces)
        self.pieces = <char **> malloc(self.count * sizeof(char *))
        self.widths = <int64_t *> malloc(self.count * sizeof(int64_t))
        if self.pieces == NULL or self.widths == NULL:
            raise MemoryError(f"cannot allocate a list of {self.count} arrays")
        bind(self, (whole, *(piece for piece in pieces if not isinstance(piece, int))))
        self.rows = 1
        for size in whole.shape[:axis]:
            self.rows *= size
        self.width = whole.nbytes // self.rows if self.rows else 0
        cdef int64_t inner = whole.itemsize, total = 0
        for size in whole.shape[axis + 1:]:
            inner *= size
        for i, piece in enumerate(pieces):
            if isinstance(piece, int):
                self.pieces[i], self.widths[i] = NULL, piece * inner
            else:
                if (
                    piece.shape[:axis] != whole.shape[:axis]
                    or piece.shape[axis + 1:] != whole.shape[axis + 1:]
                ):
                    raise ValueError(
                        f"expected pieces of {whole.shape} along axis {axis}, "
                        f"received {piece.shape}"
                    )
                self.pieces[i], self.widths[i] = <char *> pointer(piece), piece.shape[axis] * inner
            total += self.widths[i]
        if total != self.width:
            raise ValueError(f"expected pieces that fill axis {axis} of {whole.shape}")
        self.whole = <char *> pointer(whole)
        self.work = 2.0 * whole.nbytes  # bytes moved
        self.rows_per_item = max(<int64_t> 1, 4 * STRETCH // max(<int64_t> 1, self.width))

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return (self.rows + self.rows_per_item - 1) // self.rows_per_item

    cdef void _row(self, char *whole, char *piece, int64_t width) noexcept nogil:
        pass

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef int64_t row, first = item * self.rows_per_item
        cdef char *whole
        cdef int i
        for row in range(first, min(first + self.rows_per_item, self.rows)):
            whole = self.whole + row * self.width
            for i in range(self.count):
                if self.pieces[i] != NULL:
                    self._row(whole, self.pieces[i] + row * self.widths[i], self.widths[i])
                whole += self.widths[i]


@cython.final
cdef class Concatenate(_Pieces):
    """whole = the pieces, one after the other along `axis`."""

    cdef void _row(self, char *whole, char *piece, int64_t width) noexcept nogil:
        memcpy(whole, piece, width)


@cython.final
cdef class Split(_Pieces):
    """The pieces = the parts of whole along `axis`; an integer skips a part of that width."""

    cdef void _row(self, char *whole, char *piece, int64_t width) noexcept nogil:
        memcpy(piece, whole, width)


# ---- broadcasts along axes of size 1 ----


cdef class _Repeating(Op):
    cdef fc_broadcast problem

    def __init__(self, x, y):
        """x has the rank of y; each of its sizes is that of y, or 1."""
        if x.ndim != y.ndim or any(a not in (1, b) for a, b in zip(x.shape, y.shape)):
            raise ValueError(
                f"expected a shape that can be repeated to {y.shape}, received {x.shape}"
            )
        bind(self, (x, y))
        # Neighbouring axes that are both repeated, or both not, are joined.
        axes = []  # (size, repeated)
        for a, b in zip(x.shape, y.shape):
            if b == 1:
                continue
            size, repeated = axes.pop() if axes else (1, a != b)
            if repeated != (a != b):
                axes.append((size, repeated))
                size = 1
            axes.append((size * b, a != b))
        axes = axes or [(1, False)]
        if len(axes) > FC_BROADCAST_AXES:
            raise ValueError(
                f"expected at most {FC_BROADCAST_AXES} alternations of repeated and other axes"
            )
        self.problem.axes = len(axes)
        cdef int64_t stride = 1
        cdef int i = len(axes)
        for size, repeated in reversed(axes):
            i -= 1
            self.problem.size[i], self.problem.stride[i] = size, 0 if repeated else stride
            stride *= 1 if repeated else size
        self.problem.x, self.problem.y = pointer(x), pointer(y)
        self.work = 4.0 * y.size  # bytes moved


@cython.final
cdef class Repeat(_Repeating):
    """y = x, repeated along the axes where x has size 1 and y does not."""

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        cdef int64_t items = 1
        cdef int axis
        for axis in range(self.problem.axes - 1):
            items *= self.problem.size[axis]
        return items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.table.broadcast_item(&self.problem, item)


@cython.final
cdef class RepeatBackward(_Repeating):
    """dx = the sum of dy over the axes where dx has size 1 and dy does not."""

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.table.broadcast_backward_items(&self.problem)

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.table.broadcast_backward_item(&self.problem, item)
