"""im2col and col2im: images as matrices of receptive fields, and the transpose.

x (N, H, W, C), cols (KH, KW, C, N, OH, OW), both C-contiguous; x is zero outside the image:

    cols[kh, kw, c, n, oh, ow] = x[n, oh*sh - pt + kh*dh, ow*sw - pl + kw*dw, c]

col2im is the transpose: it adds every element of cols to the pixel of that element
(operations/columns.c).
"""

cimport cython

from fastconv._ext._core cimport operations, pointer
from fastconv._ext._kernels cimport fc_geometry
from fastconv._ext._operations cimport fc_columns_op
from fastconv._ext._program cimport Op, bind


cdef class _Columns(Op):
    cdef fc_columns_op c

    cdef int _describe(self, g, x, cols) except -1:
        bind(self, &self.c.op, (x, cols))
        expected = (
            (g.batch, g.height, g.width, g.channels),
            (g.kernel_h, g.kernel_w, g.channels, g.batch, g.out_h, g.out_w),
        )
        if (x.shape, cols.shape) != expected:
            raise ValueError(
                f"expected shapes (images, columns) {expected}, received {(x.shape, cols.shape)}"
            )
        cdef fc_geometry *to = &self.c.geometry
        to.batch, to.height, to.width, to.channels = x.shape
        to.kernel_h, to.kernel_w = g.kernel_h, g.kernel_w
        to.out_h, to.out_w = g.out_h, g.out_w
        to.stride_h, to.stride_w = g.stride_h, g.stride_w
        to.dilation_h, to.dilation_w = g.dilation_h, g.dilation_w
        to.pad_top, to.pad_left = g.pad_top, g.pad_left
        self.c.x, self.c.columns = pointer(x), pointer(cols)
        return 0


@cython.final
cdef class Im2col(_Columns):
    """cols from x"""

    def __init__(self, geometry, x, cols):
        self._describe(geometry, x, cols)
        operations.prepare_im2col(&self.c)


@cython.final
cdef class Col2im(_Columns):
    """x from cols"""

    def __init__(self, geometry, x, cols):
        self._describe(geometry, x, cols)
        operations.prepare_col2im(&self.c)
