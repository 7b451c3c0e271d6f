"""Linear maps along the axes of an array (padding, cropping, repetition, interpolation, permuted
axes), and affine maps of images.

`Resample` takes the map of every axis as a sparse matrix in rows (`fastconv.resampling.AxisMap`),
or None for the identity.  Neighbouring identity axes are merged, and the last of them becomes the
run of contiguous elements that the kernel moves at a time.  operations/resample.c distributes rows
of y, images or tiles over threads.
"""

cimport cython
from libc.stdint cimport int64_t
import numpy as np

from fastconv._ext._core cimport operations, pointer
from fastconv._ext._kernels cimport (
    FC_AXES,
    FC_FILL_CONSTANT,
    FC_FILL_NEAREST,
    FC_FILL_REFLECT,
    FC_FILL_WRAP,
    fc_resample,
    fc_transpose,
    fc_warp,
)
from fastconv._ext._operations cimport fc_resample_op, fc_transpose_op, fc_warp_op
from fastconv._ext._program cimport Op, bind


@cython.wraparound(True)
def _merged(x_shape, maps, axes):
    """The axes of y as [size, stride in x, map]; neighbours contiguous in both are joined."""
    strides = [int(np.prod(x_shape[axis + 1:], dtype=np.int64)) for axis in range(len(x_shape))]
    merged = []
    for axis in axes:
        size, stride, axis_map = x_shape[axis], strides[axis], maps[axis]
        if axis_map is not None:
            if axis_map.input_size != size:
                raise ValueError(
                    f"expected a map of axis {axis} with {size} elements, "
                    f"received {axis_map.input_size}"
                )
            merged.append([axis_map.output_size, stride, axis_map])
        elif merged and merged[-1][2] is None and merged[-1][1] == size * stride:
            merged[-1][:2] = merged[-1][0] * size, stride
        else:
            merged.append([size, stride, None])
    return merged


@cython.wraparound(True)
def _stretches(begin, offset, weight, run):
    """Number of positions from each one on that are one copy (> 0) or only fill (< 0); 0: a sum."""
    count = np.diff(begin)
    first = np.append(offset, 0)[np.minimum(begin[:-1], len(offset))]
    single = count == 1
    if weight is not None:
        single &= np.append(weight, 0.0)[np.minimum(begin[:-1], len(offset))] == 1
    follows = np.zeros(len(count), bool)  # position i continues the stretch of i - 1
    follows[1:] = (single[1:] & single[:-1] & (np.diff(first) == run)) | (
        (count[1:] == 0) & (count[:-1] == 0)
    )
    ends = np.append(np.flatnonzero(~follows)[1:], len(count))
    runs = np.diff(np.append(np.flatnonzero(~follows), len(count)))
    length = np.repeat(ends, runs) - np.arange(len(count))
    return np.where(single, length, np.where(count == 0, -length, 0)).astype(np.int64)


@cython.final
cdef class Resample(Op):
    """y = x mapped along each axis by `maps` (one per axis of x, None for identity),
    its axes in the order `axes`.

    Elements of y to which no element of x contributes are `fill`.
    """

    cdef fc_resample_op c
    cdef tuple kept  # the arrays that the problem points into

    @cython.wraparound(True)
    def __init__(self, x, y, maps, axes=None, double fill=0.0):
        axes = tuple(range(x.ndim)) if axes is None else tuple(axes)
        if len(maps) != x.ndim or sorted(axes) != list(range(x.ndim)):
            raise ValueError(
                f"expected a map for each of {x.ndim} axes and a permutation of them, "
                f"received {axes}"
            )
        merged = _merged(x.shape, maps, axes)
        shape = tuple(x.shape[a] if maps[a] is None else maps[a].output_size for a in axes)
        if y.shape != shape:
            raise ValueError(f"expected y of shape {shape}, received {y.shape}")
        run = merged.pop()[0] if merged and merged[-1][1] == 1 and merged[-1][2] is None else 1
        if not merged:
            merged = [[1, 0, None]]
        if len(merged) > FC_AXES:
            raise ValueError(f"expected at most {FC_AXES} axes, received {len(merged)}")
        bind(self, &self.c.op, (x, y))
        cdef fc_resample *p = &self.c.problem
        p.x, p.y, p.run, p.fill, p.rank = pointer(x), pointer(y), run, fill, len(merged)
        kept = []
        for a, (size, stride, axis_map) in enumerate(merged):
            if axis_map is None:
                begin, weight = np.arange(size + 1, dtype=np.int64), None
                offset = np.arange(size, dtype=np.int64) * stride
            else:
                begin, weight = axis_map.begin, axis_map.weight
                offset = axis_map.index * stride
            kept += [begin, offset, weight]
            p.size[a] = size
            p.begin[a], p.offset[a] = <int64_t *> pointer(begin), <int64_t *> pointer(offset)
            p.weight[a] = <double *> pointer(weight)
        stretch = _stretches(begin, offset, weight, run)
        p.stretch = <int64_t *> pointer(stretch)
        self.kept = (*kept, stretch)
        self.c.op.work = 4.0 * (x.size + y.size)
        operations.prepare_resample(&self.c)

    def record(self):
        p = self.c.problem
        x, y = self.arrays
        *maps, stretch = self.kept
        sizes = (
            each for a in range(p.rank) for each in (p.size[a], len(maps[3 * a + 1]))
        )
        arrays = x, stretch, *maps, y
        return "resample", arrays, (2 + 3 * p.rank,), (p.rank, p.run, x.size, *sizes), (p.fill,)


@cython.final
cdef class Transpose(Op):
    """x (batch, rows, columns) -> y (batch, columns, rows)."""

    cdef fc_transpose_op c

    def __init__(self, x, y):
        if x.ndim != 3 or y.shape != (x.shape[0], x.shape[2], x.shape[1]):
            raise ValueError(
                f"expected shapes (b, r, c) and (b, c, r), received {x.shape} and {y.shape}"
            )
        bind(self, &self.c.op, (x, y))
        cdef fc_transpose *p = &self.c.problem
        self.c.batch, p.rows, p.columns = x.shape
        p.x, p.y = pointer(x), pointer(y)
        operations.prepare_transpose(&self.c)

    def record(self):
        p = self.c.problem
        return "transpose", self.arrays, (1,), (self.c.batch, p.rows, p.columns), ()


# ---- affine maps of images ----

_FILL = {
    "constant": FC_FILL_CONSTANT, "nearest": FC_FILL_NEAREST, "reflect": FC_FILL_REFLECT,
    "wrap": FC_FILL_WRAP,
}


cdef class _Warp(Op):
    cdef fc_warp_op c

    cdef int _describe(
        self, image, output, transforms, interpolation, fill_mode, double fill_value
    ) except -1:
        if (
            image.ndim != 4
            or output.ndim != 4
            or (image.shape[0], image.shape[3]) != (output.shape[0], output.shape[3])
        ):
            raise ValueError(
                "expected shapes (n, h, w, c), equal in n and c, "
                f"received {image.shape}, {output.shape}"
            )
        if transforms.dtype != np.float64 or transforms.shape != (image.shape[0], 6):
            raise ValueError(
                f"expected transforms of float64 and shape {(image.shape[0], 6)}, "
                f"received {transforms.dtype} and {transforms.shape}"
            )
        bind(self, &self.c.op, (image, output, transforms), (image, output))
        cdef fc_warp *p = &self.c.problem
        p.in_h, p.in_w, p.channels = image.shape[1:]
        p.out_h, p.out_w = output.shape[1:3]
        p.transforms = <double *> pointer(transforms)
        p.bilinear = {"nearest": 0, "bilinear": 1}[interpolation]
        p.fill, p.fill_value = _FILL[fill_mode], fill_value
        self.c.batch = image.shape[0]
        return 0


@cython.final
cdef class Warp(_Warp):
    """y[n, i, j] = x[n] at column a0 j + a1 i + a2 and row b0 j + b1 i + b2;
    transforms[n] = (a0, a1, a2, b0, b1, b2).

    Every run reads `transforms` again.
    """

    def __init__(
        self, x, y, transforms, str interpolation="bilinear", str fill_mode="constant",
        double fill_value=0.0
    ):
        self._describe(x, y, transforms, interpolation, fill_mode, fill_value)
        self.c.problem.x, self.c.problem.y = pointer(x), pointer(y)
        operations.prepare_warp(&self.c)


@cython.final
cdef class WarpBackward(_Warp):
    """dx = each element of dy, distributed over the pixels that its output interpolates."""

    def __init__(self, dy, dx, transforms, str interpolation="bilinear", str fill_mode="constant"):
        self._describe(dx, dy, transforms, interpolation, fill_mode, 0.0)
        self.c.problem.dy, self.c.problem.dx = pointer(dy), pointer(dx)
        operations.prepare_warp_backward(&self.c)
