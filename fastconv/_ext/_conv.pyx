"""2-D convolution ops: three passes, each by direct sums, by a scatter or by Winograd's algorithm.

x (N, H, W, C), w (KH, KW, C / groups, K), y and dy (N, OH, OW, K), all C-contiguous.

    conv2d_forward          y = pool(activation(conv2d(x, w) + b + residual))
    conv2d_backward_input   dx from dy and w
    conv2d_backward_kernel  dw and db from x and dy

These functions choose an algorithm (`_algorithm`) and return an op of its class.  An op describes
its pass as one or more *problems*; operations/conv.c and conv_gradient.c distribute their items,
schedule/ partitions the problems, kernels/ does the arithmetic.
"""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from fastconv._ext._algorithm cimport ConvPass, algorithm_code
from fastconv._ext._core cimport last_activation_code, operations, pointer, schedule
from fastconv._ext._kernels cimport (
    FC_BACKWARD_INPUT,
    FC_BACKWARD_KERNEL,
    FC_FORWARD,
    FC_POOL_AVERAGE,
    FC_POOL_MAX,
    FC_POOL_NONE,
    FC_WINO_DOWN,
    FC_WINO_SPREAD,
    FC_WINO_UP,
    fc_conv,
    fc_filter_gradient,
    fc_residue,
    fc_tile_extent,
    fc_tiling,
    fc_winograd,
    fc_winograd_gradient,
)
from fastconv._ext._operations cimport (
    fc_direct_op,
    fc_direct_part,
    fc_filter_gradient_op,
    fc_scatter_op,
    fc_winograd_gradient_op,
    fc_winograd_op,
)
from fastconv._ext._program cimport FilterOp, Op, bind

cdef dict _poolings = {None: FC_POOL_NONE, "max": FC_POOL_MAX, "average": FC_POOL_AVERAGE}


# ---- the passes ----


def conv2d_forward(
    geometry, x, w, b, y, str activation="linear", double slope=0.0, algorithm="auto", pool=None,
    bint frozen=False, residual=None
):
    """The op y = pool(activation(conv2d(x, w) + b + residual)).

    `residual` has the shape of y and shares no memory with it; without a pooling, and not
    depthwise.

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
    return cls(chosen, x, w, b, y, activation, slope, pool, residual)


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


cdef tuple _record(ConvPass chosen, Op op, str name, tuple extra=(), tuple reals=()):
    """The record of a pass, with the algorithm only if "auto" would choose another one."""
    g = chosen.sizes
    cdef int auto = schedule.choose_algorithm(
        &op.op.table.target, &chosen.sizes, chosen.code, chosen.frozen,
        op.op.target.element_size == 4
    )
    cdef int algorithm = algorithm_code(chosen.algorithm)
    integers = (
        g.batch, g.height, g.width, g.channels, g.kernel_h, g.kernel_w, g.filters, g.out_h,
        g.out_w, g.stride_h, g.stride_w, g.pad_top, g.pad_left, g.dilation_h, g.dilation_w,
        g.groups, g.padding_mode, -1 if algorithm == auto else algorithm, chosen.frozen,
    )
    written = {FC_FORWARD: (3,), FC_BACKWARD_INPUT: (2,), FC_BACKWARD_KERNEL: (2, 3)}[chosen.code]
    return name, op.arrays, written, (*integers, *extra), reals


cdef tuple _input_record(ConvPass chosen, Op op):
    return _record(
        chosen, op, "convolution_input", (operations.input_parts(&chosen.sizes),)
    )


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


cdef int _check_residual(ConvPass chosen, residual, y, pool) except -1:
    if residual is None:
        return 0
    if residual.shape != y.shape or pointer(residual) == pointer(y):
        raise ValueError(
            f"expected a residual of shape {y.shape} beside y, received {residual.shape}"
        )
    if pool or schedule.is_depthwise(&chosen.sizes):
        raise ValueError("a residual needs a convolution that is not depthwise and does not pool")
    return 0


# ---- direct sums ----


cdef class _Problems(FilterOp):
    """Forward-like problems in one op: phase 0 packs all filters, phase 1 runs all items."""

    cdef readonly str algorithm
    cdef fc_direct_op c

    cdef int _allocate(self, int count) except -1:
        self.c.count = count
        self.c.parts = <fc_direct_part *> calloc(max(count, 1), sizeof(fc_direct_part))
        if self.c.parts == NULL:
            raise MemoryError("cannot allocate the description of a convolution")
        return 0

    def __dealloc__(self):
        free(self.c.parts)

    def details(self):
        return {
            "algorithm": self.algorithm,
            "problems": [self._detail(i) for i in range(self.c.count)],
        }

    def _detail(self, int i):
        cdef fc_conv *p = &self.c.parts[i].problem
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
                "groups": p.groups, "outermost": "panels" if p.panels_outermost else "pixels",
            },
        }


@cython.final
cdef class DirectForward(_Problems):
    """y = pool(activation(conv2d(x, w) + b + residual)) by direct sums: one problem."""

    cdef readonly str pool
    cdef ConvPass chosen

    def __init__(self, ConvPass chosen, x, w, b, y, str activation, double slope, pool, residual):
        bind(self, &self.c.filters.op, (x, w, b, y, residual))
        self.algorithm, self.pool, self.chosen = chosen.algorithm, pool, chosen
        _check_shapes(chosen.geometry, x, w, y, pool)
        _check_bias(chosen.geometry, b, "a bias")
        self._allocate(1)
        cdef fc_conv *p = &self.c.parts[0].problem
        operations.describe_direct_forward(&self.c, &chosen.sizes)
        p.activation, p.slope = last_activation_code(activation, pool is not None), slope
        p.pool = _pool_code(chosen.geometry, pool)
        _check_residual(chosen, residual, y, pool)
        p.residual = pointer(residual)
        operations.place_direct(&self.c, pointer(x), pointer(w), pointer(b), pointer(y))
        operations.prepare_direct(&self.c)

    def record(self):
        cdef fc_conv *p = &self.c.parts[0].problem
        return _record(self.chosen, self, "convolution", (p.activation, p.pool), (p.slope,))


def residues(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad):
    """(first position, positions, taps) of every residue of an axis of dx."""
    cdef fc_residue residue
    cdef int64_t at = 0, end = schedule.residue_end(size, stride)
    found = []
    while at < end:
        residue = schedule.residue_from(at, size, kernel, stride, dilation, pad)
        found.append((residue.first, residue.count, residue.taps))
        at = residue.next
    return found


@cython.final
cdef class DirectBackwardInput(_Problems):
    """dx from dy and w by direct sums.

    For every residue of the position modulo the strides, a forward problem over dy with flipped and
    transposed filters.
    """

    cdef ConvPass chosen

    def __init__(self, ConvPass chosen, dy, w, dx):
        bind(self, &self.c.filters.op, (dy, w, dx))
        self.algorithm, self.chosen = chosen.algorithm, chosen
        _check_shapes(chosen.geometry, dx, w, dy)
        self._allocate(operations.input_parts(&chosen.sizes))
        operations.describe_direct_input(&self.c, &chosen.sizes)
        operations.place_direct(&self.c, pointer(dy), pointer(w), NULL, pointer(dx))
        operations.prepare_direct(&self.c)

    def record(self):
        return _input_record(self.chosen, self)


@cython.final
cdef class ScatterBackwardInput(FilterOp):
    """dx from dy and w by a product and a scatter; one group, column dilation 1."""

    cdef readonly str algorithm
    cdef ConvPass chosen
    cdef fc_scatter_op c

    def __init__(self, ConvPass chosen, dy, w, dx):
        bind(self, &self.c.filters.op, (dy, w, dx))
        self.algorithm, self.chosen = chosen.algorithm, chosen
        _check_shapes(chosen.geometry, dx, w, dy)
        schedule.describe_scatter(&chosen.sizes, &self.c.problem)
        self.c.problem.dy, self.c.problem.dx, self.c.w = pointer(dy), pointer(dx), pointer(w)
        operations.prepare_scatter(&self.c)

    def record(self):
        return _input_record(self.chosen, self)

    def details(self):
        p = self.c.problem
        return {
            "algorithm": self.algorithm, "variant": "scatter", "store": "cached",
            "items": {"images": p.batch, "rows": p.row_items},
        }


cdef class _BackwardKernel(Op):
    """dw and db from x and dy."""

    cdef readonly str algorithm
    cdef ConvPass chosen

    cdef int _check(self, ConvPass chosen, x, dy, dw, db) except -1:
        self.algorithm, self.chosen = chosen.algorithm, chosen
        _check_shapes(chosen.geometry, x, dw, dy)
        _check_bias(chosen.geometry, db, "a bias gradient")
        return 0

    def record(self):
        return _record(self.chosen, self, "convolution_kernel")


@cython.final
cdef class DirectBackwardKernel(_BackwardKernel):
    """dw and db from x and dy by direct sums."""

    cdef fc_filter_gradient_op c

    def __init__(self, ConvPass chosen, x, dy, dw, db):
        bind(self, &self.c.op, (x, dy, dw, db))
        self._check(chosen, x, dy, dw, db)
        cdef fc_filter_gradient *p = &self.c.problem
        schedule.describe_backward_kernel(&chosen.sizes, p)
        p.x, p.dy, p.dw, p.db = pointer(x), pointer(dy), pointer(dw), pointer(db)
        operations.prepare_filter_gradient(&self.c)

    def details(self):
        p = self.c.problem
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
    cdef ConvPass chosen
    cdef fc_winograd_op c

    cdef int _begin(self, ConvPass chosen, arrays, w) except -1:
        """Sets the arrays, the sizes and the filters."""
        bind(self, &self.c.filters.op, arrays)
        self.algorithm, self.chosen = chosen.algorithm, chosen
        schedule.describe_winograd(
            &self.op.target, &chosen.sizes, chosen.code, _tile(chosen), &self.c.problem,
            &self.c.view
        )
        self.c.view.w = pointer(w)
        return 0

    def details(self):
        cdef fc_winograd *p = &self.c.problem
        samplings = {
            FC_WINO_DOWN: "stride_2",
            FC_WINO_UP: "stride_2_transposed",
            FC_WINO_SPREAD: "transposed",
        }
        return {
            "algorithm": self.algorithm,
            "variant": (
                "filters_in_registers" if p.in_registers
                else "streamed_filters" if p.streams
                else "resident_filters"
            ),
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
    """y = pool(activation(conv2d(x, w) + b + residual)) by Winograd's algorithm"""

    cdef readonly str pool

    def __init__(self, ConvPass chosen, x, w, b, y, str activation, double slope, pool, residual):
        self.pool = pool
        _check_shapes(chosen.geometry, x, w, y, pool)
        _check_bias(chosen.geometry, b, "a bias")
        _check_residual(chosen, residual, y, pool)
        self._begin(chosen, (x, w, b, y, residual), w)
        cdef fc_winograd *p = &self.c.problem
        p.pool = _pool_code(chosen.geometry, pool)
        p.activation, p.slope = last_activation_code(activation, pool is not None), slope
        p.x, p.bias, p.y, p.residual = pointer(x), pointer(b), pointer(y), pointer(residual)
        operations.prepare_winograd(&self.c)

    def record(self):
        cdef fc_winograd *p = &self.c.problem
        return _record(self.chosen, self, "convolution", (p.activation, p.pool), (p.slope,))


@cython.final
cdef class WinogradBackwardInput(_Winograd):
    """dx from dy and w by Winograd's algorithm"""

    def __init__(self, ConvPass chosen, dy, w, dx):
        _check_shapes(chosen.geometry, dx, w, dy)
        self._begin(chosen, (dy, w, dx), w)
        self.c.problem.x, self.c.problem.y = pointer(dy), pointer(dx)
        operations.prepare_winograd(&self.c)

    def record(self):
        return _input_record(self.chosen, self)


@cython.final
cdef class WinogradBackwardKernel(_BackwardKernel):
    """dw and db from x and dy by Winograd's algorithm"""

    cdef fc_winograd_gradient_op c

    def __init__(self, ConvPass chosen, x, dy, dw, db):
        bind(self, &self.c.op, (x, dy, dw, db))
        self._check(chosen, x, dy, dw, db)
        cdef fc_winograd_gradient *p = &self.c.problem
        schedule.describe_winograd_gradient(&chosen.sizes, _tile(chosen), p)
        p.x, p.dy, p.dw, p.db = pointer(x), pointer(dy), pointer(dw), pointer(db)
        operations.prepare_winograd_gradient(&self.c)

    def details(self):
        cdef fc_winograd_gradient *p = &self.c.problem
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
