"""3x3 and 5x5 convolutions by Winograd's algorithm: all three passes, and but for the gradient of the filters 3x3 with
stride 2 as well.  The arithmetic is in kernels/winograd*.inc.

`tile` is m of F(m x m, r x r): 4 or 2 for r = 3, 2 for r = 5.  The gradient with respect to the input is a forward pass
over dy, with the filters flipped and transposed and with padding r - 1 - p; for stride 2 over dy with zeros in between.
Or, where `spreads_tiles` says so, it is the forward pass transposed: tiles of dy, whose contributions to dx are added up.
"""

cimport cython
from libc.stdint cimport int64_t

from fastconv._ext._core cimport (
    FilterOp,
    Op,
    current_table,
    element_kind,
    fc_end_part,
    fused_activation_code,
    pointer,
    round_up_64,
)
from fastconv._ext._kernels cimport (
    FC_WINO_DOWN,
    FC_WINO_SAME,
    FC_WINO_SPREAD,
    FC_WINO_UP,
    fc_filter_view,
    fc_table,
    fc_winograd,
    fc_winograd_gradient,
)
from fastconv._ext._conv_direct import check_shapes, pool_code
from fastconv._ext._tiling import spreads_tiles


cdef class _Winograd(FilterOp):
    cdef fc_winograd problem
    cdef fc_filter_view view
    cdef readonly int stride  # of the convolution

    cdef int _plan(self) except -1:
        cdef fc_winograd *p = &self.problem
        self.fit(1)
        self.need_filter_bytes(p.packed_size * self.table.element_size, p.v_size * self.table.element_size)
        cdef int64_t pixels = p.in_h * p.in_w if p.sampling == FC_WINO_UP else p.out_h * p.out_w
        self.work = 2.0 * p.batch * pixels * p.kernel * p.kernel * p.channels * p.filters
        return 0

    cdef void fit(self, int threads) noexcept nogil:
        self.problem.threads = threads
        self.table.plan_winograd(&self.problem)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)
        self.lay_out(threads)

    cdef void place_filters(self, char *memory) noexcept nogil:
        self.problem.w = memory

    cdef void begin(self, char *workspace) noexcept nogil:
        FilterOp.begin(self, workspace)
        self.problem.v = self.other_memory(workspace)

    # Where filters stream, the input is transformed beside them, before the products.
    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if phase:
            return self.problem.items
        return self.problem.transform_items + (0 if self.is_packed else self.problem.pack_items)

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        cdef fc_winograd own
        cdef fc_winograd *p = &self.problem
        if self.packs_apart:
            own = p[0]
            own.w = scratch
            p = &own
            fc_end_part(scratch + self.filters_end)
            scratch += self.filter_bytes
        if phase:
            self.table.winograd_item(p, &self.view, item, scratch)
        elif item < p.transform_items:
            self.table.winograd_transform_item(p, item, scratch)
        else:
            self.table.winograd_pack_item(p, &self.view, <void *> p.w, item - p.transform_items, scratch)


@cython.final
cdef class WinogradForward(_Winograd):
    """y = pool(activation(conv2d(x, w) + b))"""

    def __init__(self, geometry, x, w, b, y, str activation, double slope, int tile, pool=None):
        g = geometry
        self.arrays = (x, w, b, y)
        self.table = current_table(element_kind(self.arrays))
        check_shapes(g, x.shape, w.shape, y.shape, pool)
        self.problem.pool = pool_code(pool)
        if b is not None and b.shape != (g.filters,):
            raise ValueError(f"expected a bias of shape {(g.filters,)}, received {b.shape}")
        cdef fc_winograd *p = &self.problem
        p.batch, p.in_h, p.in_w, p.channels = g.batch, g.height, g.width, g.channels
        p.out_h, p.out_w, p.filters = g.out_h, g.out_w, g.filters
        p.pad_top, p.pad_left, p.tile, p.kernel = g.pad_top, g.pad_left, tile, g.kernel_h
        self.stride = g.stride_h
        p.sampling = FC_WINO_DOWN if self.stride == 2 else FC_WINO_SAME
        p.activation, p.slope = fused_activation_code(activation), slope
        p.x, p.bias, p.y = pointer(x), pointer(b), pointer(y)
        self.view.w = pointer(w)
        self.view.sk = 1
        self.view.sc = p.filters
        self.view.skw = p.channels * p.filters
        self.view.skh = p.kernel * self.view.skw
        self._plan()


@cython.final
cdef class WinogradBackwardInput(_Winograd):
    """dx from dy and w; `spreads`: by adding up what tiles of dy contribute to it"""

    cdef readonly bint spreads

    def __init__(self, geometry, dy, w, dx, int tile):
        g = geometry
        self.arrays = (dy, w, dx)
        self.table = current_table(element_kind(self.arrays))
        check_shapes(g, dx.shape, w.shape, dy.shape)
        cdef fc_winograd *p = &self.problem
        p.batch, p.in_h, p.in_w, p.channels = g.batch, g.out_h, g.out_w, g.filters
        p.out_h, p.out_w, p.filters = g.height, g.width, g.channels
        p.tile, p.kernel, p.transposed = tile, g.kernel_h, True
        self.stride = g.stride_h
        p.x, p.y = pointer(dy), pointer(dx)
        self.view.w = pointer(w)
        self.view.sc = 1
        self.view.sk = p.channels
        self.spreads = spreads_tiles(g, tile)
        if self.spreads:
            p.sampling = FC_WINO_SPREAD
            p.pad_top, p.pad_left = g.pad_top, g.pad_left
            self.view.skw = p.channels * p.filters
        else:
            p.sampling = FC_WINO_UP if self.stride == 2 else FC_WINO_SAME
            p.pad_top, p.pad_left = p.kernel - 1 - g.pad_top, p.kernel - 1 - g.pad_left
            self.view.skw = -p.channels * p.filters
            self.view.base = (p.kernel * p.kernel - 1) * p.channels * p.filters
        self.view.skh = p.kernel * self.view.skw
        self._plan()


@cython.final
cdef class WinogradBackwardKernel(Op):
    """dw and db from x and dy"""

    cdef const fc_table *table
    cdef fc_winograd_gradient problem
    cdef public str algorithm

    def __init__(self, geometry, x, dy, dw, db, int tile):
        g = geometry
        self.arrays = (x, dy, dw, db)
        self.table = current_table(element_kind(self.arrays))
        check_shapes(g, x.shape, dw.shape, dy.shape)
        if db is not None and db.shape != (g.filters,):
            raise ValueError(f"expected a bias gradient of shape {(g.filters,)}, received {db.shape}")
        cdef fc_winograd_gradient *p = &self.problem
        p.batch, p.in_h, p.in_w, p.channels = g.batch, g.height, g.width, g.channels
        p.out_h, p.out_w, p.filters = g.out_h, g.out_w, g.filters
        p.pad_top, p.pad_left, p.tile, p.kernel = g.pad_top, g.pad_left, tile, g.kernel_h
        p.x, p.dy, p.dw, p.db = pointer(x), pointer(dy), pointer(dw), pointer(db)
        self.fit(1)
        self.phases = 2 if p.own_sums else 2 * p.blocks + 1
        self.work = 2.0 * p.batch * p.out_h * p.out_w * p.kernel * p.kernel * p.channels * p.filters

    cdef void fit(self, int threads) noexcept nogil:
        self.problem.threads = threads
        self.table.plan_winograd_gradient(&self.problem)
        self.shared_bytes = round_up_64(self.problem.workspace_size * self.table.element_size)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)

    # With sums of its own: splits, then their reduction.  Otherwise one that writes the zeros that all others read (the
    # memory is shared with the ops before this one, so `begin` would be too early), and two for every block of tiles.
    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if self.problem.own_sums:
            return self.problem.reduce_items if phase else self.problem.split_items
        if phase == 0:
            return 1
        if phase % 2:
            return self.problem.transform_items
        return self.problem.product_items

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        if self.problem.own_sums:
            if phase == 0:
                self.table.winograd_gradient_split(&self.problem, workspace, item, scratch)
            else:
                self.table.winograd_gradient_reduce(&self.problem, workspace, item)
        elif phase == 0:
            self.table.winograd_gradient_begin(&self.problem, workspace)
        elif phase % 2:
            self.table.winograd_gradient_transform(&self.problem, workspace, (phase - 1) // 2, item)
        else:
            self.table.winograd_gradient_product(&self.problem, workspace, (phase - 1) // 2, item, scratch)
