"""Merges of arrays and their gradients: sums, products, maxima, concatenation, broadcasts.

operations/merge.c distributes them over threads.
"""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from fastconv._ext._core cimport operations, pointer
from fastconv._ext._kernels cimport (
    FC_ADD,
    FC_AVERAGE,
    FC_BROADCAST_AXES,
    FC_MAXIMUM,
    FC_MINIMUM,
    FC_MULTIPLY,
    FC_SUBTRACT,
    fc_broadcast,
)
from fastconv._ext._operations cimport (
    fc_broadcast_op,
    fc_merge_op,
    fc_pieces_op,
    fc_scale_op,
    fc_stretch_op,
)
from fastconv._ext._program cimport Op, arrays_with_output, bind, describe_activation_gradient

cdef dict _kinds = {
    "add": FC_ADD,
    "subtract": FC_SUBTRACT,
    "multiply": FC_MULTIPLY,
    "average": FC_AVERAGE,
    "maximum": FC_MAXIMUM,
    "minimum": FC_MINIMUM,
}


cdef int _begin(Op self, fc_stretch_op *stretch, tuple arrays) except -1:
    """Binds arrays of one shape."""
    bind(self, &stretch.op, arrays)
    shape = arrays[0].shape
    for array in arrays:
        if array is not None and array.shape != shape:
            raise ValueError(f"expected arrays of one shape, received {shape} and {array.shape}")
    stretch.size = arrays[0].size
    return 0


cdef class _Merging(Op):
    cdef fc_merge_op c
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
        self.c.problem.kind, self.c.problem.count = _kinds[kind], count
        self.c.problem.x = self.x
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
        _begin(self, &self.c.stretch, (y, *xs))
        self._describe(kind, xs)
        self.c.problem.y, self.c.problem.relu = pointer(y), relu
        describe_activation_gradient(
            self, &self.c.problem.activation_gradient, activation_gradient, y
        )
        operations.prepare_merge(&self.c)

    def record(self):
        p, g = self.c.problem, self.c.problem.activation_gradient
        y, *others = arrays_with_output(self, p.count + 1, &self.c.problem.activation_gradient)
        *xs, output = others
        integers = self.c.stretch.size, p.kind, p.relu, g.kind
        return "merge", (*xs, y, output), (p.count,), integers, (g.slope,)


@cython.final
cdef class MergeBackward(_Merging):
    """dx, the gradient with respect to xs[index], of "multiply", "maximum" or
    "minimum"; dx may be dy.

    Where several xs attain the maximum or minimum y, the first one gets the gradient.
    """

    def __init__(self, str kind, xs, y, int index, dy, dx):
        xs = tuple(xs)
        _begin(self, &self.c.stretch, (dy, dx, *xs, y))
        self._describe(kind, xs)
        self.c.problem.y = pointer(y)
        self.c.index = index
        self.c.dy, self.c.dx = <char *> pointer(dy), <char *> pointer(dx)
        operations.prepare_merge_backward(&self.c)

    def record(self):
        p = self.c.problem
        dy, dx, *others = self.arrays
        integers = self.c.stretch.size, p.kind, self.c.index
        return "merge_input", (*others, dy, dx), (p.count + 2,), integers, ()


@cython.final
cdef class Scale(Op):
    """y = factor * x; y may be x."""

    cdef fc_scale_op c

    def __init__(self, x, y, double factor=1.0):
        _begin(self, &self.c.stretch, (x, y))
        self.c.factor = factor
        self.c.x, self.c.y = <char *> pointer(x), <char *> pointer(y)
        operations.prepare_scale(&self.c)

    def record(self):
        return "scale", self.arrays, (1,), (self.c.stretch.size,), (self.c.factor,)


# ---- concatenation ----


cdef class _Pieces(Op):
    """A whole and its pieces along one axis (operations.h)."""

    cdef fc_pieces_op c
    cdef char **pieces
    cdef int64_t *widths

    def __dealloc__(self):
        free(self.pieces)
        free(self.widths)

    cdef int _describe(self, pieces, whole, int axis) except -1:
        """An integer in `pieces` stands for a piece of that size, neither read nor written."""
        cdef fc_pieces_op *c = &self.c
        c.count = len(pieces)
        self.pieces = <char **> malloc(c.count * sizeof(char *))
        self.widths = <int64_t *> malloc(c.count * sizeof(int64_t))
        if self.pieces == NULL or self.widths == NULL:
            raise MemoryError(f"cannot allocate a list of {c.count} arrays")
        c.pieces, c.widths = self.pieces, self.widths
        bind(self, &c.op, (whole, *(piece for piece in pieces if not isinstance(piece, int))))
        c.rows = 1
        for size in whole.shape[:axis]:
            c.rows *= size
        c.width = whole.nbytes // c.rows if c.rows else 0
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
        if total != c.width:
            raise ValueError(f"expected pieces that fill axis {axis} of {whole.shape}")
        c.whole = <char *> pointer(whole)
        return 0


@cython.final
cdef class Concatenate(_Pieces):
    """whole = the pieces, one after the other along `axis`."""

    def __init__(self, pieces, whole, int axis):
        self._describe(pieces, whole, axis)
        operations.prepare_concatenate(&self.c)

    def record(self):
        whole, *pieces = self.arrays
        widths = (self.widths[i] for i in range(self.c.count))
        return "concatenate", (*pieces, whole), (len(pieces),), (self.c.rows, *widths), ()


@cython.final
cdef class Split(_Pieces):
    """The pieces = the parts of whole along `axis`; an integer skips a part of that width."""

    def __init__(self, pieces, whole, int axis):
        self._describe(pieces, whole, axis)
        operations.prepare_split(&self.c)

    def record(self):
        whole, *written = self.arrays
        remaining = iter(written)
        count = self.c.count
        pieces = [next(remaining) if self.pieces[i] != NULL else None for i in range(count)]
        widths = (self.widths[i] for i in range(count))
        return "split", (*pieces, whole), tuple(range(count)), (self.c.rows, *widths), ()


# ---- broadcasts along axes of size 1 ----


cdef class _Repeating(Op):
    cdef fc_broadcast_op c

    cdef int _describe(self, x, y) except -1:
        """x has the rank of y; each of its sizes is that of y, or 1."""
        if x.ndim != y.ndim or any(a not in (1, b) for a, b in zip(x.shape, y.shape)):
            raise ValueError(
                f"expected a shape that can be repeated to {y.shape}, received {x.shape}"
            )
        bind(self, &self.c.op, (x, y))
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
        cdef fc_broadcast *p = &self.c.problem
        p.axes = len(axes)
        cdef int64_t stride = 1
        cdef int i = len(axes)
        for size, repeated in reversed(axes):
            i -= 1
            p.size[i], p.stride[i] = size, 0 if repeated else stride
            stride *= 1 if repeated else size
        p.x, p.y = pointer(x), pointer(y)
        return 0

    cdef tuple _axes(self):
        p = self.c.problem
        return (p.axes, *[each for i in range(p.axes) for each in (p.size[i], p.stride[i])])


@cython.final
cdef class Repeat(_Repeating):
    """y = x, repeated along the axes where x has size 1 and y does not."""

    def __init__(self, x, y):
        self._describe(x, y)
        operations.prepare_repeat(&self.c)

    def record(self):
        return "repeat", self.arrays, (1,), self._axes(), ()


@cython.final
cdef class RepeatBackward(_Repeating):
    """dx = the sum of dy over the axes where dx has size 1 and dy does not."""

    def __init__(self, x, y):
        self._describe(x, y)
        operations.prepare_repeat_backward(&self.c)

    def record(self):
        return "repeat_input", self.arrays, (0,), self._axes(), ()
