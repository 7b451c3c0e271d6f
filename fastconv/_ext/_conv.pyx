"""2-D convolution ops: three passes, each by direct sums, by a scatter or by Winograd's algorithm.

x (N, H, W, C), w (KH, KW, C / groups, K), y and dy (N, OH, OW, K), all C-contiguous.

    conv2d_forward          y = pool(activation(conv2d(x, w) + b))
    conv2d_backward_input   dx from dy and w
    conv2d_backward_kernel  dw and db from x and dy

These functions choose an algorithm (`_algorithm`) and return an op of its class.  An op describes
its pass as one or more *problems* and distributes their items over threads; schedule/ partitions
the problems, kernels/ does the arithmetic.
"""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from fastconv._ext._algorithm cimport ConvPass
from fastconv._ext._core cimport fused_activation_code, pointer, schedule
from fastconv._ext._kernels cimport (
    FC_POOL_AVERAGE,
    FC_POOL_MAX,
    FC_POOL_NONE,
    FC_WINO_DOWN,
    FC_WINO_SPREAD,
    FC_WINO_UP,
    fc_conv,
    fc_filter_gradient,
    fc_filter_view,
    fc_residue,
    fc_scatter,
    fc_tile_extent,
    fc_tiling,
    fc_winograd,
    fc_winograd_gradient,
)
from fastconv._ext._program cimport FilterOp, Op, bind, round_up_64

cdef dict _poolings = {None: FC_POOL_NONE, "max": FC_POOL_MAX, "average": FC_POOL_AVERAGE}


# ---- the passes ----


def conv2d_forward(
    geometry, x, w, b, y, str activation="linear", double slope=0.0, algorithm="auto", pool=None,
    bint frozen=False
):
    """The op y = pool(activation(conv2d(x, w) + b)).

    `pool` is None, "max" or "average": pooling over whole 2x2 windows with stride 2 (one
    group).  The convolution's output is not stored, and a last row or column that is in no
    window is not computed.  The result has the bits of a separate pooling after a convolution
    with that many rows and columns.

    `frozen`: the caller will freeze the op's weights; "auto" takes that into account.
    """
    if pool:
        geometry = geometry.whole_windows(2)
    chosen = ConvPass(geometry, "forward", x.dtype, algorithm, frozen)
    cls = DirectForward if chosen.algorithm == "direct" else WinogradForward
    return cls(chosen, x, w, b, y, activation, slope, pool)


def conv2d_backward_input(geometry, dy, w, dx, algorithm="auto"):
    """The op dx = gradient of conv2d with respect to its input."""
    chosen = ConvPass(geometry, "backward_input", dy.dtype, algorithm)
    cls = {"direct": DirectBackwardInput, "scatter": ScatterBackwardInput}.get(
        chosen.algorithm, WinogradBackwardInput
    )
    return cls(chosen, dy, w, dx)


def conv2d_backward_kernel(geometry, x, dy, dw, db, algorithm="auto"):
    """The op (dw, db) = gradients of conv2d with respect to its filters and bias."""
    chosen = ConvPass(geometry, "backward_kernel", x.dtype, algorithm)
    cls = DirectBackwardKernel if chosen.algorithm == "direct" else WinogradBackwardKernel
    return cls(chosen, x, dy, dw, db)


cdef int _check_shapes(g, x, w, y, pool=None) except -1:
    """Raises ValueError unless the arrays, under their forward names, fit the geometry."""
    side = 2 if pool else 1
    expected = (
        (g.batch, g.height, g.width, g.channels),
        (g.kernel_h, g.kernel_w, g.channels // g.groups, g.filters),
        (g.batch, g.out_h // side, g.out_w // side, g.filters),
    )
    received = (x.shape, w.shape, y.shape)
    if received != expected:
        raise ValueError(
            f"expected shapes (input, filters, output) {expected}, received {received}"
        )
    return 0


cdef int _check_bias(g, b, str what) except -1:
    if b is not None and b.shape != (g.filters,):
        raise ValueError(f"expected {what} of shape {(g.filters,)}, received {b.shape}")
    return 0


cdef int _pool_code(g, pool) except -1:
    """The code of a 2x2 pooling with stride 2; ValueError if this convolution cannot fuse it."""
    if pool not in _poolings:
        raise ValueError(
            f"pooling {pool!r} cannot be fused; expected one of {', '.join(map(repr, _poolings))}"
        )
    if pool and g.groups > 1:
        raise ValueError(
            f"a pooling can end a convolution of one group, received {g.groups} groups"
        )
    return _poolings[pool]


# ---- direct sums ----


cdef class _Problems(FilterOp):
    """Forward-like problems in one op: phase 0 packs all filters, phase 1 runs all items."""

    cdef readonly str algorithm
    cdef int count
    cdef fc_conv *problems
    cdef fc_filter_view *views
    cdef int64_t *packed            # offset of each problem's packed filters, in bytes
    cdef int64_t *first_item        # prefix sums over problems
    cdef int64_t *first_pack

    cdef int _allocate(self, int count) except -1:
        self.count = count
        self.problems = <fc_conv *> calloc(count, sizeof(fc_conv))
        self.views = <fc_filter_view *> calloc(count, sizeof(fc_filter_view))
        self.packed = <int64_t *> calloc(count, sizeof(int64_t))
        self.first_item = <int64_t *> calloc(count + 1, sizeof(int64_t))
        self.first_pack = <int64_t *> calloc(count + 1, sizeof(int64_t))
        if not (
            self.problems and self.views and self.packed and self.first_item and self.first_pack
        ):
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
            schedule.plan_conv(&self.target, p)
            self.first_item[i + 1] = self.first_item[i] + p.items
            self.first_pack[i + 1] = self.first_pack[i] + schedule.pack_items(p)
            self.scratch_bytes = max(self.scratch_bytes, round_up_64(p.scratch_bytes))
        self.lay_out(threads)

    cdef int _plan(self) except -1:
        """Partition every problem into items, and lay out the packed filters."""
        cdef int i
        cdef int64_t bytes = 0
        cdef fc_conv *p
        self.fit(1)
        for i in range(self.count):
            p = &self.problems[i]
            self.packed[i] = bytes
            bytes += round_up_64(p.packed_size * self.table.target.element_size)
            self.work += (  # with few pixels, reading the filters dominates
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

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
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
            own.w = self.own_filters(&scratch) + self.packed[i]
            p = &own
        if phase == 0:
            self.table.pack_item(p, &self.views[i], <void *> p.w, item)
        else:
            self.table.conv_item(p, item, scratch)

    def details(self):
        return {
            "algorithm": self.algorithm,
            "problems": [self._detail(i) for i in range(self.count)],
        }

    def _detail(self, int i):
        cdef fc_conv *p = &self.problems[i]
        if p.depthwise:
            variant = "depthwise"
        elif p.few_filters:
            variant = "few_filters"
        elif p.pools_registers:
            variant = "pooled_in_registers"
        else:
            variant = "pooled_in_scratch" if p.pool else "panels"
        return {
            "variant": variant,
            "store": "nontemporal" if p.streams else "cached",
            "gathers_input": bool(p.copies_rows),
            "reduction": (p.taps, p.run),
            "reduction_block": (p.tap_block, p.run_block),
            "items": {
                "rows": p.row_items, "columns": p.col_items, "panels": p.panel_items,
                "groups": p.groups,
            },
        }


@cython.final
cdef class DirectForward(_Problems):
    """y = pool(activation(conv2d(x, w) + b)) by direct sums: one problem."""

    cdef readonly str pool

    def __init__(self, ConvPass chosen, x, w, b, y, str activation, double slope, pool):
        bind(self, (x, w, b, y))
        self.algorithm, self.pool = chosen.algorithm, pool
        _check_shapes(chosen.geometry, x, w, y, pool)
        _check_bias(chosen.geometry, b, "a bias")
        self._allocate(1)
        cdef fc_conv *p = &self.problems[0]
        schedule.describe_forward(&chosen.sizes, p, &self.views[0])
        p.activation, p.slope = fused_activation_code(activation), slope
        p.pool = _pool_code(chosen.geometry, pool)
        p.x, p.bias, p.y = pointer(x), pointer(b), pointer(y)
        self.views[0].w = pointer(w)
        self._plan()


def residues(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad):
    """(first position, positions, taps) of every residue of an axis of dx."""
    cdef fc_residue residue
    found = []
    for at in residue_starts(size, kernel, stride, dilation, pad):
        residue = schedule.residue_from(at, size, kernel, stride, dilation, pad)
        found.append((residue.first, residue.count, residue.taps))
    return found


cdef list residue_starts(
    int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad
):
    """First positions of the residues of an axis of dx (schedule/geometry.h)."""
    cdef int64_t at = 0, end = schedule.residue_end(size, stride)
    starts = []
    while at < end:
        starts.append(at)
        at = schedule.residue_from(at, size, kernel, stride, dilation, pad).next
    return starts


@cython.final
cdef class DirectBackwardInput(_Problems):
    """dx from dy and w by direct sums.

    For every residue of the position modulo the strides, a forward problem over dy with flipped and
    transposed filters.
    """

    def __init__(self, ConvPass chosen, dy, w, dx):
        bind(self, (dy, w, dx))
        self.algorithm = chosen.algorithm
        g = chosen.geometry
        _check_shapes(g, dx, w, dy)
        rows = residue_starts(g.height, g.kernel_h, g.stride_h, g.dilation_h, g.pad_top)
        columns = residue_starts(g.width, g.kernel_w, g.stride_w, g.dilation_w, g.pad_left)
        cdef int64_t row, column, first
        cdef int i = 0
        self._allocate(len(rows) * len(columns))
        for row in rows:
            for column in columns:
                schedule.describe_backward_input(
                    &chosen.sizes, row, column, &self.problems[i], &self.views[i], &first
                )
                self.problems[i].x = pointer(dy)
                self.problems[i].y = <char *> pointer(dx) + first * self.table.target.element_size
                self.views[i].w = pointer(w)
                i += 1
        self._plan()


@cython.final
cdef class ScatterBackwardInput(FilterOp):
    """dx from dy and w by a product and a scatter; one group, column dilation 1."""

    cdef readonly str algorithm
    cdef fc_scatter problem
    cdef const void *w

    def __init__(self, ConvPass chosen, dy, w, dx):
        bind(self, (dy, w, dx))
        self.algorithm = chosen.algorithm
        _check_shapes(chosen.geometry, dx, w, dy)
        cdef fc_scatter *p = &self.problem
        schedule.describe_scatter(&chosen.sizes, p)
        p.dy, p.dx = pointer(dy), pointer(dx)
        self.w = pointer(w)
        self.fit(1)
        self.need_filter_bytes(p.packed_size * self.table.target.element_size)
        self.work = (
            2.0 * p.batch * p.out_h * p.out_w * p.kernel_h * p.kernel_w * p.channels * p.filters
        )

    cdef void fit(self, int threads) noexcept nogil:
        schedule.plan_scatter(&self.target, &self.problem)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)
        self.lay_out(threads)

    cdef void place_filters(self, char *memory) noexcept nogil:
        self.problem.w = memory

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if phase == 0:
            return 0 if self.is_packed else self.problem.pack_items
        return self.problem.items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef fc_scatter own
        cdef fc_scatter *p = &self.problem
        if self.packs_apart:
            own = p[0]
            own.w = self.own_filters(&scratch)
            p = &own
        if phase == 0:
            self.table.scatter_pack_item(p, self.w, <void *> p.w, item)
        else:
            self.table.scatter_item(p, item, scratch)

    def details(self):
        p = self.problem
        return {
            "algorithm": self.algorithm, "variant": "scatter", "store": "cached",
            "items": {"images": p.batch, "rows": p.row_items},
        }


cdef class _BackwardKernel(Op):
    """dw and db from x and dy."""

    cdef readonly str algorithm

    cdef int _begin(self, ConvPass chosen, x, dy, dw, db) except -1:
        bind(self, (x, dy, dw, db))
        self.algorithm = chosen.algorithm
        _check_shapes(chosen.geometry, x, dw, dy)
        _check_bias(chosen.geometry, db, "a bias gradient")
        return 0


@cython.final
cdef class DirectBackwardKernel(_BackwardKernel):
    """dw and db from x and dy by direct sums."""

    cdef fc_filter_gradient problem

    def __init__(self, ConvPass chosen, x, dy, dw, db):
        self._begin(chosen, x, dy, dw, db)
        cdef fc_filter_gradient *p = &self.problem
        schedule.describe_backward_kernel(&chosen.sizes, p)
        p.x, p.dy, p.dw, p.db = pointer(x), pointer(dy), pointer(dw), pointer(db)
        self.fit(1)
        self.shared_bytes = round_up_64(p.partial_size * self.table.target.element_size)
        self.phases = 2
        self.work = 2.0 * p.batch * p.out_h * p.out_w * p.kernel_h * p.kernel_w * p.channels
        if not p.depthwise:
            self.work *= chosen.sizes.filters

    cdef void fit(self, int threads) noexcept nogil:
        self.problem.threads = threads
        schedule.plan_filter_gradient(&self.target, &self.problem)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)

    cdef void begin(self, char *workspace) noexcept nogil:
        self.problem.partial = workspace

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.problem.items if phase == 0 else self.problem.reduce_items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        if phase == 0:
            self.table.filter_gradient_item(&self.problem, item, scratch)
        else:
            self.table.filter_gradient_reduce(&self.problem, item)

    def details(self):
        p = self.problem
        variant = (
            "depthwise" if p.depthwise
            else "merged_taps" if p.merges_taps
            else "whole_splits" if p.whole
            else "parts"
        )
        return {
            "algorithm": self.algorithm, "variant": variant, "store": "cached",
            "packs_x": bool(p.packs_x), "packs_dy": bool(p.packs_dy), "splits": p.splits,
            "rows": {"split": p.rows_per_split, "block": p.rows_per_block},
            "items": {
                "splits": p.splits, "groups": p.groups, "panels": p.panel_items,
                "taps": p.tap_items, "run": p.run_items,
            },
        }


# ---- Winograd ----


cdef list _tile_sizes(fc_tiling *t):
    """The number of outputs of each tile of a dimension."""
    return [fc_tile_extent(t, i) for i in range(t.count)]


cdef int _tile(ConvPass chosen) noexcept:
    """Outputs of a whole tile in each dimension."""
    return 4 if chosen.algorithm == "winograd4" else 2


cdef class _Winograd(FilterOp):
    """A forward pass, or the gradient with respect to the input.

    The gradient is a forward pass over dy with flipped and transposed filters; for stride 2,
    over dy with zeros between its pixels.  Where dy has fewer tiles than dx
    (`FC_WINO_SPREAD`), it is the transpose of the forward pass instead: the contributions of
    tiles of dy to dx are added up."""

    cdef readonly str algorithm
    cdef fc_winograd problem
    cdef fc_filter_view view

    cdef int _begin(self, ConvPass chosen, arrays, w) except -1:
        """Sets the arrays, the sizes and the filters."""
        bind(self, arrays)
        self.algorithm = chosen.algorithm
        schedule.describe_winograd(
            &self.target, &chosen.sizes, chosen.code, _tile(chosen), &self.problem, &self.view
        )
        self.view.w = pointer(w)
        return 0

    cdef int _plan(self) except -1:
        cdef fc_winograd *p = &self.problem
        cdef int64_t size = self.table.target.element_size
        self.fit(1)
        self.need_filter_bytes(p.packed_size * size, p.v_size * size)
        cdef int64_t pixels = p.in_h * p.in_w if p.sampling == FC_WINO_UP else p.out_h * p.out_w
        self.work = 2.0 * p.batch * pixels * p.kernel * p.kernel * p.channels * p.filters
        return 0

    cdef void fit(self, int threads) noexcept nogil:
        self.problem.threads = threads
        schedule.plan_winograd(&self.target, &self.problem)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)
        self.lay_out(threads)

    cdef void place_filters(self, char *memory) noexcept nogil:
        self.problem.w = memory

    cdef void begin(self, char *workspace) noexcept nogil:
        FilterOp.begin(self, workspace)
        self.problem.v = self.other_memory(workspace)

    # With streamed filters, phase 0 also transforms the input.
    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if phase:
            return self.problem.items
        return self.problem.transform_items + (0 if self.is_packed else self.problem.pack_items)

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        cdef fc_winograd own
        cdef fc_winograd *p = &self.problem
        if self.packs_apart:
            own = p[0]
            own.w = self.own_filters(&scratch)
            p = &own
        if phase:
            self.table.winograd_item(p, &self.view, item, scratch)
        elif item < p.transform_items:
            self.table.winograd_transform_item(p, item, scratch)
        else:
            self.table.winograd_pack_item(
                p, &self.view, <void *> p.w, item - p.transform_items, scratch
            )

    def details(self):
        cdef fc_winograd *p = &self.problem
        samplings = {
            FC_WINO_DOWN: "stride_2",
            FC_WINO_UP: "stride_2_transposed",
            FC_WINO_SPREAD: "transposed",
        }
        return {
            "algorithm": self.algorithm,
            "variant": "streamed_filters" if p.streams else "resident_filters",
            "store": "nontemporal" if p.nontemporal else "cached",
            "sampling": samplings.get(p.sampling, "stride_1"),
            "tiles": (_tile_sizes(&p.rows), _tile_sizes(&p.cols)),
            "components": p.components,
            "items": (
                {"columns": p.items}
                if p.streams
                else {"tiles": p.tile_items, "panels": p.panel_items}
            ),
        }


@cython.final
cdef class WinogradForward(_Winograd):
    """y = pool(activation(conv2d(x, w) + b)) by Winograd's algorithm"""

    cdef readonly str pool

    def __init__(self, ConvPass chosen, x, w, b, y, str activation, double slope, pool):
        self.pool = pool
        _check_shapes(chosen.geometry, x, w, y, pool)
        _check_bias(chosen.geometry, b, "a bias")
        self._begin(chosen, (x, w, b, y), w)
        cdef fc_winograd *p = &self.problem
        p.pool = _pool_code(chosen.geometry, pool)
        p.activation, p.slope = fused_activation_code(activation), slope
        p.x, p.bias, p.y = pointer(x), pointer(b), pointer(y)
        self._plan()


@cython.final
cdef class WinogradBackwardInput(_Winograd):
    """dx from dy and w by Winograd's algorithm"""

    def __init__(self, ConvPass chosen, dy, w, dx):
        _check_shapes(chosen.geometry, dx, w, dy)
        self._begin(chosen, (dy, w, dx), w)
        self.problem.x, self.problem.y = pointer(dy), pointer(dx)
        self._plan()


@cython.final
cdef class WinogradBackwardKernel(_BackwardKernel):
    """dw and db from x and dy by Winograd's algorithm"""

    cdef fc_winograd_gradient problem

    def __init__(self, ConvPass chosen, x, dy, dw, db):
        self._begin(chosen, x, dy, dw, db)
        cdef fc_winograd_gradient *p = &self.problem
        schedule.describe_winograd_gradient(&chosen.sizes, _tile(chosen), p)
        p.x, p.dy, p.dw, p.db = pointer(x), pointer(dy), pointer(dw), pointer(db)
        self.fit(1)
        self.phases = 2 if p.own_sums else 2 * p.blocks + 1
        self.work = 2.0 * p.batch * p.out_h * p.out_w * p.kernel * p.kernel * p.channels * p.filters

    cdef void fit(self, int threads) noexcept nogil:
        self.problem.threads = threads
        schedule.plan_winograd_gradient(&self.target, &self.problem)
        self.shared_bytes = round_up_64(
            self.problem.workspace_size * self.table.target.element_size
        )
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)

    # With `own_sums`: the splits, then their reduction.  Otherwise one item that writes the zeros
    # that all others read (`begin` would be too early, because earlier ops use the same memory),
    # then two phases per block of tiles.
    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if self.problem.own_sums:
            return self.problem.reduce_items if phase else self.problem.split_items
        if phase == 0:
            return 1
        if phase % 2:
            return self.problem.transform_items
        return self.problem.product_items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
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
            self.table.winograd_gradient_product(
                &self.problem, workspace, (phase - 1) // 2, item, scratch
            )

    def details(self):
        cdef fc_winograd_gradient *p = &self.problem
        return {
            "algorithm": self.algorithm,
            "variant": "own_sums" if p.own_sums else "shared_sums",
            "store": "cached",
            "tiles": (_tile_sizes(&p.rows), _tile_sizes(&p.cols)),
            "components": p.components,
            "splits": p.splits,
            "tiles_per_block": p.tiles_per_block,
            "blocks": p.blocks,
            "items": {"splits": p.splits, "channels": p.channel_parts, "filters": p.filter_parts}
            if p.own_sums
            else {"blocks": p.blocks, "transforms": p.transform_items, "products": p.product_items},
        }
