"""Ops on bfloat16 activations: operations/dot.c.

A bfloat16 is the upper half of a float32, stored as uint16, because NumPy does not have the type.
Filters are rounded to bfloat16 when they are packed; sums, bias and epilogue are float32. The order
of the sums depends on the shape alone, so results are the same bits on every instruction set
(kernels/simd_bf16_scalar.h).
"""

cimport cython

from fastconv._ext._algorithm cimport ConvPass
from fastconv._ext._core cimport (
    current_dot_table,
    current_table,
    operations,
    pointer,
    schedule,
)
from fastconv._ext._kernels cimport FC_BF16, fc_conv, fc_dot, fc_pool
from fastconv._ext._operations cimport fc_dot_op, fc_op, fc_pool_op, fc_quantize_op
from fastconv._ext._program cimport FilterOp, Op

import numpy as np


cdef int _check(str name, array, dtypes, shape) except -1:
    if array.dtype not in dtypes or array.shape != shape:
        expected = " or ".join(str(np.dtype(dtype)) for dtype in dtypes)
        raise ValueError(
            f"expected `{name}` {expected} of shape {shape}, "
            f"received {array.dtype} of shape {array.shape}"
        )
    return 0


cdef int _bind(Op self, fc_op *op, tuple arrays) except -1:
    self.op, self.arrays = op, arrays
    op.table, op.target = current_table(False), current_dot_table(FC_BF16).target
    return 0


_EITHER = (np.uint16, np.float32)


@cython.final
cdef class BFloat16Convolution(FilterOp):
    """y = limit(scale * conv2d(x, w) + bias + residual), rounded to even if y is bfloat16.

    x (N, H, W, C) bfloat16, w (KH, KW, C / groups, K), scale and bias (K,) float32, y (N, OH, OW,
    K) bfloat16 or float32, residual of the shape of y, bfloat16; limit(v) = min(max(v, low), high).
    """

    cdef fc_dot_op c
    cdef ConvPass chosen
    cdef public object renew  # computes scale and bias again; None if they are variables

    def invalidate(self):
        if self.renew is not None:
            self.renew()
        FilterOp.invalidate(self)

    def __init__(
        self, geometry, x, w, bias, y, float low=-np.inf, float high=np.inf, residual=None,
        scale=None
    ):
        self.chosen = ConvPass(geometry, "forward", np.float32, "direct", True)
        g = self.chosen.geometry
        _check("x", x, (np.uint16,), (g.batch, g.height, g.width, g.channels))
        shape = (g.kernel_h, g.kernel_w, g.channels // g.groups, g.filters)
        _check("w", w, (np.float32,), shape)
        if bias is not None:
            _check("bias", bias, (np.float32,), (g.filters,))
        if scale is not None:
            _check("scale", scale, (np.float32,), (g.filters,))
        _check("y", y, _EITHER, (g.batch, g.out_h, g.out_w, g.filters))
        if residual is not None:
            _check("residual", residual, (np.uint16,), y.shape)
        _bind(self, &self.c.filters.op, (x, w, scale, bias, residual, y))
        self.c.kernels = current_dot_table(FC_BF16)
        cdef fc_dot *p = &self.c.problem
        schedule.describe_forward(&self.chosen.sizes, &p.conv, &self.c.view)
        p.conv.x, p.conv.bias, p.conv.y = pointer(x), pointer(bias), pointer(y)
        self.c.view.w = pointer(w)
        p.scale = <const float *> pointer(scale)
        p.residual, p.residual_scale = pointer(residual), 1.0
        p.low, p.high, p.wide = low, high, y.dtype == np.float32
        operations.prepare_dot(&self.c)

    def details(self):
        cdef fc_conv *p = &self.c.problem.conv
        return {
            "algorithm": "direct",
            "variant": "depthwise" if p.depthwise else "panels",
            "instruction_set": self.c.kernels.isa.decode(),
            "store": "float32" if self.c.problem.wide else "bfloat16",
            "gathers_input": bool(p.copies_rows),
            "reduction": (p.taps, p.run),
            "items": {
                "rows": p.row_items, "columns": p.col_items, "panels": p.panel_items,
                "groups": p.groups,
            },
        }


cdef class _Conversion(Op):
    cdef fc_quantize_op c

    cdef int _describe(self, x, y) except -1:
        _bind(self, &self.c.stretch.op, (x, y))
        self.c.kernels = current_dot_table(FC_BF16)
        self.c.stretch.size = x.size
        self.c.x, self.c.y = <const char *> pointer(x), <char *> pointer(y)
        return 0

    def details(self):
        return {"instruction_set": self.c.kernels.isa.decode()}


@cython.final
cdef class Narrow(_Conversion):
    """y = x as bfloat16, rounded to even; a NaN stays one."""

    def __init__(self, x, y):
        _check("x", x, (np.float32,), y.shape)
        _check("y", y, (np.uint16,), x.shape)
        self._describe(x, y)
        operations.prepare_quantize(&self.c)


@cython.final
cdef class Widen(_Conversion):
    """y = x as float32"""

    def __init__(self, x, y):
        _check("x", x, (np.uint16,), y.shape)
        _check("y", y, (np.float32,), x.shape)
        self._describe(x, y)
        operations.prepare_dequantize(&self.c)


@cython.final
cdef class BFloat16MaxPool(Op):
    """y = the maximum of each window of x (N, H, W, C)"""

    cdef fc_pool_op c

    def __init__(self, geometry, x, y):
        g = geometry
        _check("x", x, (np.uint16,), (g.batch, g.height, g.width, g.channels))
        _check("y", y, (np.uint16,), (g.batch, g.out_h, g.out_w, g.channels))
        _bind(self, &self.c.op, (x, y))
        cdef fc_pool *p = &self.c.problem
        g = g.compact()
        p.batch, p.height, p.width, p.channels = g.batch, g.height, g.width, g.channels
        p.pool_h, p.pool_w, p.out_h, p.out_w = g.pool_h, g.pool_w, g.out_h, g.out_w
        p.stride_h, p.stride_w = g.stride_h, g.stride_w
        p.pad_top, p.pad_left = g.pad_top, g.pad_left
        p.x, p.y = pointer(x), pointer(y)
        operations.prepare_quantized_max_pool(&self.c, current_dot_table(FC_BF16))
