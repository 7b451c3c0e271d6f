"""Ops on uint8 activations and int8 filters: operations/dot.c.

A uint8 q with (scale, zero_point) stands for the real number (q - zero_point) * scale; filters have
one scale per output channel and no zero point. Sums are int32 and exact, so all results are the
same bits on every instruction set.
"""

cimport cython
from libc.stdint cimport int64_t

from fastconv._ext._algorithm cimport ConvPass
from fastconv._ext._core cimport (
    current_dot_table,
    current_table,
    operations,
    pointer,
    schedule,
)
from fastconv._ext._kernels cimport FC_U8, fc_conv, fc_dot, fc_pool
from fastconv._ext._operations cimport fc_dot_op, fc_op, fc_pool_op, fc_quantize_op
from fastconv._ext._program cimport FilterOp, Op

import numpy as np

# The largest number of products in an output element: more could overflow int32.
MAX_PRODUCTS = (2**31 - 1) // (255 * 128)  # 65,793


cdef int _check(str name, array, dtype, shape) except -1:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"expected `{name}` {np.dtype(dtype)} of shape {shape}, "
            f"received {array.dtype} of shape {array.shape}"
        )
    return 0


cdef int _bind(Op self, fc_op *op, tuple arrays) except -1:
    self.op, self.arrays = op, arrays
    op.table, op.target = current_table(False), current_dot_table(FC_U8).target
    return 0


cdef int _zero_point(value) except -1:
    if not 0 <= value <= 255:
        raise ValueError(f"`zero_point` must be in [0, 255], received {value}")
    return value


@cython.final
cdef class QuantizedConvolution(FilterOp):
    """y = limit(scale * conv2d(x - zero_point, w) + bias + residual_scale * residual), rounded to
    even if y is uint8.

    x (N, H, W, C) uint8, w (KH, KW, C / groups, K) int8, scale and bias (K,) float32,
    y (N, OH, OW, K) uint8 or float32, residual like a uint8 y; limit(v) = min(max(v, low), high).
    Zeros of the padding have the value zero_point.
    """

    cdef fc_dot_op c
    cdef ConvPass chosen
    cdef public object renew  # computes w, scale and bias again; None if they never change

    def invalidate(self):
        if self.renew is not None:
            self.renew()
        FilterOp.invalidate(self)

    def __init__(
        self, geometry, x, w, scale, bias, y, int zero_point=0, float low=0.0, float high=255.0,
        residual=None, float residual_scale=0.0
    ):
        self.chosen = ConvPass(geometry, "forward", np.float32, "direct", True)
        g = self.chosen.geometry
        of_y = y.dtype if y.dtype in (np.uint8, np.float32) else np.dtype(np.uint8)
        _check("x", x, np.uint8, (g.batch, g.height, g.width, g.channels))
        _check("w", w, np.int8, (g.kernel_h, g.kernel_w, g.channels // g.groups, g.filters))
        _check("scale", scale, np.float32, (g.filters,))
        if bias is not None:
            _check("bias", bias, np.float32, (g.filters,))
        _check("y", y, of_y, (g.batch, g.out_h, g.out_w, g.filters))
        if residual is not None:
            _check("residual", residual, np.uint8, y.shape)
        products = g.kernel_h * g.kernel_w * (g.channels // g.groups)
        if products > MAX_PRODUCTS:
            raise ValueError(
                f"sums of int32 hold at most {MAX_PRODUCTS} products of uint8 and int8, "
                f"received filters of {products} weights"
            )
        if y.dtype == np.uint8 and not 0 <= low <= high <= 255:
            raise ValueError(
                f"`low` and `high` of a uint8 y must be in [0, 255], received {low} and {high}"
            )
        _bind(self, &self.c.filters.op, (x, w, scale, bias, residual, y))
        self.c.kernels = current_dot_table(FC_U8)
        cdef fc_dot *p = &self.c.problem
        schedule.describe_forward(&self.chosen.sizes, &p.conv, &self.c.view)
        p.conv.x, p.conv.bias, p.conv.y = pointer(x), pointer(bias), pointer(y)
        self.c.view.w = pointer(w)
        p.scale, p.residual = <const float *> pointer(scale), pointer(residual)
        p.residual_scale, p.low, p.high = residual_scale, low, high
        p.zero_point, p.wide = _zero_point(zero_point), y.dtype == np.float32
        operations.prepare_dot(&self.c)

    def details(self):
        cdef fc_conv *p = &self.c.problem.conv
        return {
            "algorithm": "direct",
            "variant": "depthwise" if p.depthwise else "panels",
            "instruction_set": self.c.kernels.isa.decode(),
            "store": "float32" if self.c.problem.wide else "uint8",
            "gathers_input": bool(p.copies_rows),
            "reduction": (p.taps, p.run),
            "items": {
                "rows": p.row_items, "columns": p.col_items, "panels": p.panel_items,
                "groups": p.groups,
            },
        }


cdef class _Conversion(Op):
    cdef fc_quantize_op c

    cdef int _describe(self, x, y, double scale, zero_point) except -1:
        if not 0 < scale < float("inf"):
            raise ValueError(f"`scale` must be positive and finite, received {scale}")
        _bind(self, &self.c.stretch.op, (x, y))
        self.c.kernels = current_dot_table(FC_U8)
        self.c.stretch.size = x.size
        self.c.x, self.c.y = <const char *> pointer(x), <char *> pointer(y)
        self.c.scale, self.c.zero_point = scale, _zero_point(zero_point)
        return 0

    def details(self):
        return {"instruction_set": self.c.kernels.isa.decode()}


@cython.final
cdef class Quantize(_Conversion):
    """y = x / scale + zero_point, limited to [0, 255] and rounded to even; a NaN becomes 0."""

    def __init__(self, x, y, double scale, zero_point):
        _check("x", x, np.float32, y.shape)
        _check("y", y, np.uint8, x.shape)
        self._describe(x, y, scale, zero_point)
        operations.prepare_quantize(&self.c)


@cython.final
cdef class Dequantize(_Conversion):
    """y = (x - zero_point) * scale"""

    def __init__(self, x, y, double scale, zero_point):
        _check("x", x, np.uint8, y.shape)
        _check("y", y, np.float32, x.shape)
        self._describe(x, y, scale, zero_point)
        operations.prepare_dequantize(&self.c)


@cython.final
cdef class QuantizedMaxPool(Op):
    """y = the maximum of each window of x (N, H, W, C), uint8; y has the scale and zero point of x.
    """

    cdef fc_pool_op c

    def __init__(self, geometry, x, y):
        g = geometry
        _check("x", x, np.uint8, (g.batch, g.height, g.width, g.channels))
        _check("y", y, np.uint8, (g.batch, g.out_h, g.out_w, g.channels))
        _bind(self, &self.c.op, (x, y))
        cdef fc_pool *p = &self.c.problem
        g = g.compact()
        p.batch, p.height, p.width, p.channels = g.batch, g.height, g.width, g.channels
        p.pool_h, p.pool_w, p.out_h, p.out_w = g.pool_h, g.pool_w, g.out_h, g.out_w
        p.stride_h, p.stride_w = g.stride_h, g.stride_w
        p.pad_top, p.pad_left = g.pad_top, g.pad_left
        p.x, p.y = pointer(x), pointer(y)
        operations.prepare_quantized_max_pool(&self.c, current_dot_table(FC_U8))
