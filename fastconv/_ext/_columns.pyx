"""im2col and col2im: images as matrices of receptive fields, and the transpose.

x (N, H, W, C), cols (KH, KW, C, N, OH, OW), both C-contiguous; x is zero outside the image:

    cols[kh, kw, c, n, oh, ow] = x[n, oh*sh - pt + kh*dh, ow*sw - pl + kw*dw, c]

col2im is the transpose: it adds every element of cols to the pixel of that element.  An
item of im2col is an image of one (kh, kw, c); an item of col2im is a row of x, summed in
the order (kh, kw).
"""

cimport cython
from libc.stdint cimport int64_t

from fastconv._ext._core cimport element_kind, pointer
from fastconv._ext._program cimport Op

ctypedef fused real:
    float
    double


cdef class _Columns(Op):
    cdef int64_t batch, height, width, channels, kernel_h, kernel_w, out_h, out_w
    cdef int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left
    cdef bint is_double
    cdef void *x
    cdef void *cols

    def __init__(self, geometry, x, cols):
        g = geometry
        self.arrays = (x, cols)
        self.is_double = element_kind(self.arrays)
        expected = (
            (g.batch, g.height, g.width, g.channels),
            (g.kernel_h, g.kernel_w, g.channels, g.batch, g.out_h, g.out_w),
        )
        if (x.shape, cols.shape) != expected:
            raise ValueError(
                f"expected shapes (images, columns) {expected}, received {(x.shape, cols.shape)}"
            )
        self.batch, self.height, self.width, self.channels = x.shape
        self.kernel_h, self.kernel_w = g.kernel_h, g.kernel_w
        self.out_h, self.out_w = g.out_h, g.out_w
        self.stride_h, self.stride_w = g.stride_h, g.stride_w
        self.dilation_h, self.dilation_w = g.dilation_h, g.dilation_w
        self.pad_top, self.pad_left = g.pad_top, g.pad_left
        self.x, self.cols = pointer(x), pointer(cols)
        self.work = 16.0 * cols.size  # bytes moved, one element at a time

    cdef void inside(self, int64_t kw, int64_t *first, int64_t *last) noexcept nogil:
        """The columns first <= ow < last whose tap kw is inside the image."""
        cdef int64_t shift = kw * self.dilation_w - self.pad_left, beyond = self.width - 1 - shift
        first[0] = (
            min((-shift + self.stride_w - 1) // self.stride_w, self.out_w) if shift < 0 else 0
        )
        last[0] = (
            max(min(beyond // self.stride_w + 1, self.out_w), first[0])
            if beyond >= 0
            else first[0]
        )


cdef void gather(_Columns op, const real *x, real *cols, int64_t item) noexcept nogil:
    """Writes one (kh, kw, c) of one image: cols (OH, OW)."""
    cdef int64_t image = item % op.batch, c = item // op.batch % op.channels
    cdef int64_t tap = item // op.batch // op.channels
    cdef int64_t kh = tap // op.kernel_w, kw = tap % op.kernel_w, oh, ow, h, first, last
    cdef const real *pixel
    op.inside(kw, &first, &last)
    cols += item * op.out_h * op.out_w
    for oh in range(op.out_h):
        h = oh * op.stride_h - op.pad_top + kh * op.dilation_h
        if h < 0 or h >= op.height:
            for ow in range(op.out_w):
                cols[ow] = 0
        else:
            pixel = x + (image * op.height + h) * op.width * op.channels + c
            for ow in range(first):
                cols[ow] = 0
            for ow in range(first, last):
                cols[ow] = pixel[
                    (ow * op.stride_w - op.pad_left + kw * op.dilation_w) * op.channels
                ]
            for ow in range(last, op.out_w):
                cols[ow] = 0
        cols += op.out_w


cdef void add_up(_Columns op, const real *cols, real *x, int64_t item) noexcept nogil:
    """Writes row `item` of x (N * H, W, C)."""
    cdef int64_t image = item // op.height, h = item % op.height
    cdef int64_t places = op.batch * op.out_h * op.out_w
    cdef int64_t kh, kw, c, oh, ow, i, first, last
    cdef const real *field
    x += item * op.width * op.channels
    for i in range(op.width * op.channels):
        x[i] = 0
    for kh in range(op.kernel_h):
        oh = h + op.pad_top - kh * op.dilation_h
        if oh < 0 or oh % op.stride_h or oh // op.stride_h >= op.out_h:
            continue
        oh //= op.stride_h
        for kw in range(op.kernel_w):
            op.inside(kw, &first, &last)
            for c in range(op.channels):
                field = (
                    cols + ((kh * op.kernel_w + kw) * op.channels + c) * places
                    + (image * op.out_h + oh) * op.out_w
                )
                for ow in range(first, last):
                    x[
                        (ow * op.stride_w - op.pad_left + kw * op.dilation_w) * op.channels + c
                    ] += field[ow]


@cython.final
cdef class Im2col(_Columns):
    """cols from x"""

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.kernel_h * self.kernel_w * self.channels * self.batch

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        if self.is_double:
            gather[double](self, <double *> self.x, <double *> self.cols, item)
        else:
            gather[float](self, <float *> self.x, <float *> self.cols, item)


@cython.final
cdef class Col2im(_Columns):
    """x from cols"""

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.batch * self.height

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        if self.is_double:
            add_up[double](self, <double *> self.cols, <double *> self.x, item)
        else:
            add_up[float](self, <float *> self.cols, <float *> self.x, item)
