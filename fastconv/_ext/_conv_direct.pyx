"""Direct 2-D convolution: forward, gradient with respect to the input, gradient with respect to the filters.

x (N, H, W, C), w (KH, KW, C / groups, K), y and dy (N, OH, OW, K), all C-contiguous.

This module states each pass as one or more *problems* of the kernels and shares their items out among threads;
the arithmetic is in kernels/.  The forward pass is one problem.  The gradient with respect to the input is a
forward problem too, with dy as its input and the filters flipped and transposed; with strides it falls apart into
one problem per residue of the output position modulo the stride, each of which reads dy densely and writes every
stride-th pixel of dx.  Where that would multiply mostly zeros or leave most lanes of a vector empty, the same
gradient is a product followed by a scatter.
"""

from math import gcd

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

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
    FC_PAD_EDGE,
    FC_PAD_REFLECT,
    FC_PAD_ZEROS,
    FC_POOL_AVERAGE,
    FC_POOL_MAX,
    FC_POOL_NONE,
    fc_conv,
    fc_filter_gradient,
    fc_filter_view,
    fc_scatter,
    fc_table,
)

cdef dict _poolings = {None: FC_POOL_NONE, "max": FC_POOL_MAX, "average": FC_POOL_AVERAGE}
cdef dict _padding_modes = {"zeros": FC_PAD_ZEROS, "edge": FC_PAD_EDGE, "reflect": FC_PAD_REFLECT}


def check_shapes(geometry, x, w, y, pool=None):
    """The arrays of a pass, under their forward names, must be what the geometry says."""
    g = geometry
    side = 2 if pool else 1
    expected = (
        (g.batch, g.height, g.width, g.channels),
        (g.kernel_h, g.kernel_w, g.channels // g.groups, g.filters),
        (g.batch, g.out_h // side, g.out_w // side, g.filters),
    )
    received = (x, w, y)
    if received != expected:
        raise ValueError(f"expected shapes (input, filters, output) {expected}, received {received}")


def pool_code(pool):
    """The number of a pooling of 2x2 windows with stride 2; ValueError if it has none."""
    if pool not in _poolings:
        raise ValueError(f"pooling {pool!r} cannot be fused; expected one of {', '.join(map(repr, _poolings))}")
    return _poolings[pool]


def is_depthwise(geometry):
    return geometry.groups > 1 and geometry.groups == geometry.channels == geometry.filters


def residue_classes(size, out, kernel, stride, dilation, pad):
    """How the gradient of one axis falls apart: (first, count, apart, taps, first_tap, tap_step, dilation, pad), ...

    Input position i meets output o through tap k when i + pad = o*stride + k*dilation.  The positions first,
    first + apart, ... (`count` of them, `apart` = stride) share their taps k = first_tap + j*tap_step, j < taps, because
    k*dilation must leave the remainder (i + pad) mod stride.  As j grows o falls, so the taps are taken in
    reverse: then the positions are a correlation over o with stride 1, the given dilation and padding.

    A stride of at least `size` leaves at most one position per residue; neighbours without taps are one class then.
    """
    classes = []
    common = gcd(stride, dilation)
    step = stride // common
    firsts = range(stride)
    if stride >= size:
        firsts = sorted({(k * dilation - pad) % stride for k in range(min(step, kernel))} | {size})
    done = 0
    for first in firsts:
        if stride >= size and done < min(first, size):
            classes.append((done, min(first, size) - done, 1, 0, 0, step, 1, 0))
        if first >= size:
            break
        done = first + 1
        residue = (first + pad) % stride
        count = -(-(size - first) // stride)
        matching = [k for k in range(min(step, kernel)) if k * dilation % stride == residue]
        if not matching:
            classes.append((first, count, stride, 0, 0, step, 1, 0))
            continue
        first_tap = matching[0]
        taps = -(-(kernel - first_tap) // step)
        spread = dilation // common
        base = (first + pad - first_tap * dilation) // stride
        classes.append((first, count, stride, taps, first_tap, step, spread, (taps - 1) * spread - base))
    return classes


cdef class _Problems(FilterOp):
    """Forward-like problems that run as one: pack all filters, then all items of all problems."""

    cdef int count
    cdef fc_conv *problems
    cdef fc_filter_view *views
    cdef int64_t *packed            # where each problem's packed filters begin, in bytes
    cdef int64_t *first_item        # prefix sums over problems
    cdef int64_t *first_pack

    cdef int _allocate(self, int count) except -1:
        self.count = count
        self.problems = <fc_conv *> calloc(count, sizeof(fc_conv))
        self.views = <fc_filter_view *> calloc(count, sizeof(fc_filter_view))
        self.packed = <int64_t *> calloc(count, sizeof(int64_t))
        self.first_item = <int64_t *> calloc(count + 1, sizeof(int64_t))
        self.first_pack = <int64_t *> calloc(count + 1, sizeof(int64_t))
        if not (self.problems and self.views and self.packed and self.first_item and self.first_pack):
            raise MemoryError("cannot allocate the description of a convolution")
        return 0

    def __dealloc__(self):
        free(self.problems)
        free(self.views)
        free(self.packed)
        free(self.first_item)
        free(self.first_pack)

    cdef void fit(self, int threads) noexcept nogil:
        cdef int i
        cdef fc_conv *p
        self.scratch_bytes = 0
        for i in range(self.count):
            p = &self.problems[i]
            p.threads = threads
            self.table.plan_conv(p)
            self.first_item[i + 1] = self.first_item[i] + p.items
            self.first_pack[i + 1] = self.first_pack[i] + self.table.pack_items(p)
            self.scratch_bytes = max(self.scratch_bytes, round_up_64(p.scratch_bytes))
        self.lay_out(threads)

    cdef int _plan(self) except -1:
        """Let the kernels divide every problem, and lay out the packed filters."""
        cdef int i
        cdef int64_t bytes = 0
        cdef fc_conv *p
        self.fit(1)
        for i in range(self.count):
            p = &self.problems[i]
            self.packed[i] = bytes
            bytes += round_up_64(p.packed_size * self.table.element_size)
            self.work += (  # of few pixels the time goes into reading the filters
                2.0 * max(p.batch * p.out_h * p.out_w, 4) * p.kernel_h * p.kernel_w * p.channels
                * (1.0 if p.depthwise else 1.0 * p.filters * p.groups)
            )
        self.need_filter_bytes(bytes)
        return 0

    cdef void place_filters(self, char *memory) noexcept nogil:
        cdef int i
        for i in range(self.count):
            self.problems[i].w = memory + self.packed[i]

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if phase == 0:
            return 0 if self.is_packed else self.first_pack[self.count]
        return self.first_item[self.count]

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        cdef int64_t *first = self.first_pack if phase == 0 else self.first_item
        cdef fc_conv own
        cdef fc_conv *p
        cdef int i = 0
        while item >= first[i + 1]:
            i += 1
        item -= first[i]
        p = &self.problems[i]
        if self.packs_apart:
            own = p[0]
            own.w = scratch + self.packed[i]
            p = &own
            fc_end_part(scratch + self.filters_end)
            scratch += self.filter_bytes
        if phase == 0:
            self.table.pack_item(p, &self.views[i], <void *> p.w, item)
        else:
            self.table.conv_item(p, item, scratch)


@cython.final
cdef class DirectForward(_Problems):
    """y = pool(activation(conv2d(x, w) + b))"""

    def __init__(self, geometry, x, w, b, y, str activation="linear", double slope=0.0, pool=None):
        g = geometry
        self.arrays = (x, w, b, y)
        self.table = current_table(element_kind(self.arrays))
        check_shapes(g, x.shape, w.shape, y.shape, pool)
        if pool and g.groups > 1:
            raise ValueError(f"a pooling can end a convolution of one group, received {g.groups} groups")
        if b is not None and b.shape != (g.filters,):
            raise ValueError(f"expected a bias of shape {(g.filters,)}, received {b.shape}")
        self._allocate(1)
        cdef fc_conv *p = &self.problems[0]
        cdef fc_filter_view *view = &self.views[0]
        cdef bint depthwise = is_depthwise(g)
        cdef int64_t groups = g.groups, C = g.channels, K = g.filters
        p.depthwise = depthwise
        p.groups = 1 if depthwise else groups
        p.channels = C // p.groups
        p.filters = K // p.groups
        p.batch, p.in_h, p.in_w, p.out_h, p.out_w = g.batch, g.height, g.width, g.out_h, g.out_w
        p.x_sw = C
        p.x_sh = p.in_w * C
        p.x_sn = p.in_h * p.x_sh
        p.y_sw = K
        p.y_sh = p.out_w * K
        p.y_sn = p.out_h * p.y_sh
        p.kernel_h, p.kernel_w = g.kernel_h, g.kernel_w
        p.stride_h, p.stride_w = g.stride_h, g.stride_w
        p.dilation_h, p.dilation_w = g.dilation_h, g.dilation_w
        p.pad_top, p.pad_left = g.pad_top, g.pad_left
        p.padding_mode = _padding_modes[g.padding_mode]
        p.activation = fused_activation_code(activation)
        p.slope = slope
        p.pool = pool_code(pool)
        p.x, p.bias, p.y = pointer(x), pointer(b), pointer(y)
        view.w = pointer(w)
        view.sk = 1
        view.sc = K
        view.skw = (C // groups) * K
        view.skh = p.kernel_w * view.skw
        view.sg = 1 if depthwise else p.filters
        self._plan()


@cython.final
cdef class DirectBackwardInput(_Problems):
    """dx, the gradient with respect to the input of conv2d, from dy and w."""

    def __init__(self, geometry, dy, w, dx):
        g = geometry
        self.arrays = (dy, w, dx)
        cdef int kind = element_kind(self.arrays)
        self.table = current_table(kind)
        check_shapes(g, dx.shape, w.shape, dy.shape)
        rows = residue_classes(g.height, g.out_h, g.kernel_h, g.stride_h, g.dilation_h, g.pad_top)
        cols = residue_classes(g.width, g.out_w, g.kernel_w, g.stride_w, g.dilation_w, g.pad_left)
        self._allocate(len(rows) * len(cols))
        cdef bint depthwise = is_depthwise(g)
        cdef int64_t groups = g.groups, C = g.channels, K = g.filters, H = g.height, W = g.width
        cdef int64_t first_h, first_w
        cdef int i = 0
        cdef fc_conv *p
        cdef fc_filter_view *view
        for row in rows:
            for col in cols:
                p = &self.problems[i]
                view = &self.views[i]
                i += 1
                first_h, p.out_h, apart_h, taps_h, tap_h, step_h, p.dilation_h, p.pad_top = row
                first_w, p.out_w, apart_w, taps_w, tap_w, step_w, p.dilation_w, p.pad_left = col
                if taps_h == 0 or taps_w == 0:  # no filter element reaches these pixels: zeros
                    taps_h = taps_w = 0
                p.depthwise = depthwise
                p.groups = 1 if depthwise else groups
                p.channels = K // p.groups
                p.filters = C // p.groups
                p.batch, p.in_h, p.in_w = g.batch, g.out_h, g.out_w
                p.x_sw = K
                p.x_sh = p.in_w * K
                p.x_sn = p.in_h * p.x_sh
                p.y_sw = apart_w * C
                p.y_sh = apart_h * W * C
                p.y_sn = H * W * C
                p.kernel_h, p.kernel_w = taps_h, taps_w
                p.stride_h = p.stride_w = 1
                p.x = pointer(dy)
                p.y = <char *> pointer(dx) + (first_h * W + first_w) * C * (8 if kind else 4)
                view.w = pointer(w)
                view.sc = 1
                view.sk = K
                view.skw = -step_w * (C // groups) * K
                view.skh = -step_h * g.kernel_w * (C // groups) * K
                view.sg = 1 if depthwise else p.channels
                view.base = -(max(taps_h - 1, 0) * view.skh + max(taps_w - 1, 0) * view.skw)
                view.base += (tap_h * g.kernel_w + tap_w) * (C // groups) * K
        self._plan()


@cython.final
cdef class ScatterBackwardInput(FilterOp):
    """dx again, as a product and a scatter; one group, column dilation 1."""

    cdef fc_scatter problem
    cdef const void *w

    def __init__(self, geometry, dy, w, dx):
        g = geometry
        self.arrays = (dy, w, dx)
        self.table = current_table(element_kind(self.arrays))
        check_shapes(g, dx.shape, w.shape, dy.shape)
        cdef fc_scatter *p = &self.problem
        p.batch, p.in_h, p.in_w, p.channels = g.batch, g.height, g.width, g.channels
        p.out_h, p.out_w, p.filters = g.out_h, g.out_w, g.filters
        p.kernel_h, p.kernel_w, p.dilation_h = g.kernel_h, g.kernel_w, g.dilation_h
        p.stride_h, p.stride_w, p.pad_top, p.pad_left = g.stride_h, g.stride_w, g.pad_top, g.pad_left
        p.dy, p.dx = pointer(dy), pointer(dx)
        self.w = pointer(w)
        self.fit(1)
        self.need_filter_bytes(p.packed_size * self.table.element_size)
        self.work = 2.0 * p.batch * p.out_h * p.out_w * p.kernel_h * p.kernel_w * p.channels * p.filters

    cdef void fit(self, int threads) noexcept nogil:
        self.table.plan_scatter(&self.problem)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)
        self.lay_out(threads)

    cdef void place_filters(self, char *memory) noexcept nogil:
        self.problem.w = memory

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if phase == 0:
            return 0 if self.is_packed else self.problem.pack_items
        return self.problem.items

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        cdef fc_scatter own
        cdef fc_scatter *p = &self.problem
        if self.packs_apart:
            own = p[0]
            own.w = scratch
            p = &own
            fc_end_part(scratch + self.filters_end)
            scratch += self.filter_bytes
        if phase == 0:
            self.table.scatter_pack_item(p, self.w, <void *> p.w, item)
        else:
            self.table.scatter_item(p, item, scratch)


@cython.final
cdef class DirectBackwardKernel(Op):
    """dw and db, the gradients with respect to the filters and the bias of conv2d, from x and dy."""

    cdef const fc_table *table
    cdef fc_filter_gradient problem
    cdef public str algorithm

    def __init__(self, geometry, x, dy, dw, db):
        g = geometry
        self.arrays = (x, dy, dw, db)
        self.table = current_table(element_kind(self.arrays))
        check_shapes(g, x.shape, dw.shape, dy.shape)
        if db is not None and db.shape != (g.filters,):
            raise ValueError(f"expected a bias gradient of shape {(g.filters,)}, received {db.shape}")
        cdef fc_filter_gradient *p = &self.problem
        cdef int64_t C = g.channels, K = g.filters
        p.depthwise = is_depthwise(g)
        p.groups = 1 if p.depthwise else g.groups
        p.channels = C // p.groups
        p.filters = K // p.groups
        p.batch, p.in_h, p.in_w, p.out_h, p.out_w = g.batch, g.height, g.width, g.out_h, g.out_w
        p.x_sw = C
        p.x_sh = p.in_w * C
        p.x_sn = p.in_h * p.x_sh
        p.dy_sw = K
        p.dy_sh = p.out_w * K
        p.dy_sn = p.out_h * p.dy_sh
        p.kernel_h, p.kernel_w = g.kernel_h, g.kernel_w
        p.stride_h, p.stride_w = g.stride_h, g.stride_w
        p.dilation_h, p.dilation_w = g.dilation_h, g.dilation_w
        p.pad_top, p.pad_left = g.pad_top, g.pad_left
        p.x, p.dy, p.dw, p.db = pointer(x), pointer(dy), pointer(dw), pointer(db)
        self.fit(1)
        self.shared_bytes = round_up_64(p.partial_size * self.table.element_size)
        self.phases = 2
        self.work = 2.0 * p.batch * p.out_h * p.out_w * p.kernel_h * p.kernel_w * p.channels
        if not p.depthwise:
            self.work *= K

    cdef void fit(self, int threads) noexcept nogil:
        self.problem.threads = threads
        self.table.plan_filter_gradient(&self.problem)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)

    cdef void begin(self, char *workspace) noexcept nogil:
        self.problem.partial = workspace

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.problem.items if phase == 0 else self.problem.reduce_items

    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil:
        if phase == 0:
            self.table.filter_gradient_item(&self.problem, item, scratch)
        else:
            self.table.filter_gradient_reduce(&self.problem, item)
