"""2-D convolution ops: which algorithm runs a pass of a given shape.

Algorithms, and the passes they exist for:

    direct                any shape; sums in order, exact on small integers
    scatter               backward_input only: the same sums as a product and a scatter;
                          one group, column dilation 1
    winograd4, winograd2  F(4x4, 3x3) and F(2x2, 3x3) for 3x3 filters, F(2x2, 5x5) for 5x5 ones;
                          winograd4 has tiles of 3 and 2 outputs where 4 do not fit;
                          stride 1, dilation 1, one group; for 3x3 filters also stride 2,
                          backward_kernel excepted

`"auto"` estimates the time of each that applies and takes the least.  The estimate counts vector
operations; it looks at the shape and the instruction set, never at the number of threads, so that
the choice (and with it every bit of the result) is the same on one thread and on many.  In float64,
which is asked for where accuracy matters more than time, it leaves Winograd out.
"""

from __future__ import annotations

import numpy as np

from fastconv._ext import _core
from fastconv._ext._conv_direct import (
    DirectBackwardInput,
    DirectBackwardKernel,
    DirectForward,
    ScatterBackwardInput,
    is_depthwise,
    residue_classes,
)
from fastconv._ext._conv_winograd import (
    WinogradBackwardInput,
    WinogradBackwardKernel,
    WinogradForward,
)
from fastconv._ext._tiling import input_gradient_sides, tile_sizes, transformed_sides

ALGORITHMS = ("auto", "direct", "scatter", "winograd2", "winograd4")

# Vector operations that a Winograd transform takes per component of a transformed tile and vector
# of channels, memory included, measured against the micro-kernel's multiply-adds: (input side,
# output or filter side), ...
_TRANSFORM = (9.4, 8.5)
_STRIDED_TRANSFORM = {9: (13.6, 6.8), 5: (13.2, 6)}  # ... of stride 2: (x or dx, y or dy)
# The gradient's planes live in L3, not in L2, and are streamed by ...
_GRADIENT_TRANSFORM = 1.75
# ... products of at least so many rows: fewer channels do not make them faster.
_GRADIENT_ROWS = 8
# Of writing and reading a vector of transformed filters, in a cache of so many bytes or beyond it;
# those of a gradient stay where they are summed up.
_FILTER_CACHE, _FILTER_MEMORY, _CACHE_BYTES = 8, 40, 3 << 20
_FILTER_SUM = 12
# Of reading a vector of frozen filters beyond that cache, and of transposing one, which direct sums
# for the gradient of the input need.  (To pack others costs all algorithms about the same.)
_READ_MEMORY, _TRANSPOSE_MEMORY = 14, 24
# Unless there are few tiles and many filters, which are then transformed on the fly (tuning.h), by
# whose side the products go through L2.
_RESIDENT_BYTES, _STREAM_TILES = 4 << 20, 128
_STREAMED = {6: 1.3, 5: 1.5, 4: 1.7, 9: 1.5}
# Of adding one vector of a product to dx, a whole one and the part of one at the end of a stretch.
_SCATTER, _SCATTER_TAIL = 8, 15

# Up to so many filters may have pixels in their lanes (few_filters.inc), which costs so much for
# every number that is read, because channels have to be taken apart.
_FEW_FILTERS, _FEW_SPLIT = 8, 6


POLICIES = ("auto", "direct")
_policy = "auto"


def policy():
    """What `"auto"` may choose: anything ("auto"), or nothing but direct sums ("direct")."""
    return _policy


def set_policy(name):
    """Set what `"auto"` may choose, for ops constructed from now on."""
    global _policy
    if name not in POLICIES:
        valid = ", ".join(map(repr, POLICIES))
        raise ValueError(f"`policy` must be one of {valid}, received {name!r}")
    _policy = name


def _vectors(n, lanes):
    return -(-n // lanes)


def _row_cost(g, cols, k, lanes):
    """Vector operations per tap and channel of a row of outputs: filters in lanes, or pixels."""
    if g.groups == 1 and k < lanes and k <= _FEW_FILTERS:
        return min(cols, _vectors(cols, lanes) * k)
    return cols * _vectors(k, lanes)


def _filters_cost(g, lanes, pass_name, frozen):
    """What untransformed filters beyond the cache cost on their way to the sums."""
    c, k = g.channels // g.groups, g.filters
    if pass_name == "backward_input":
        c, k = k, c
    vectors = g.kernel_h * g.kernel_w * c * _vectors(k, lanes)
    if 4 * vectors * lanes <= _CACHE_BYTES:
        return 0
    if pass_name == "backward_input":
        return vectors * _TRANSPOSE_MEMORY
    return vectors * _READ_MEMORY if frozen else 0


def _direct_cost(g, lanes, pass_name):
    if is_depthwise(g):
        return 0  # always direct
    c, k = g.channels // g.groups, g.filters // g.groups
    if pass_name != "backward_input":
        rows, cols = g.batch * g.out_h, g.out_w
        row = _row_cost(g, cols, k, lanes) if pass_name == "forward" else cols * _vectors(k, lanes)
        split = _FEW_SPLIT * cols * g.stride_h * g.stride_w if row < cols else 0
        return g.groups * rows * c * (row * g.kernel_h * g.kernel_w + split)
    rows = residue_classes(g.height, g.out_h, g.kernel_h, g.stride_h, g.dilation_h, g.pad_top)
    cols = residue_classes(g.width, g.out_w, g.kernel_w, g.stride_w, g.dilation_w, g.pad_left)
    taps_h = sum(count * taps for _, count, _, taps, *_ in rows)
    taps_w = sum(_row_cost(g, count, c, lanes) * taps for _, count, _, taps, *_ in cols)
    split = 0
    if g.stride_w < g.width:  # else every position is by itself, or only zeros are written
        split = sum(count for _, count, *_ in cols if _row_cost(g, count, c, lanes) < count)
    split *= _FEW_SPLIT * sum(count for _, count, *_ in rows)
    return g.groups * g.batch * k * (taps_h * taps_w + split)


def _scatter_cost(g, lanes):
    pixels = g.batch * g.out_h * g.out_w
    product = g.filters * _vectors(g.kernel_h * g.kernel_w * g.channels, lanes)
    whole, tail = divmod(g.kernel_w * g.channels, lanes)
    return pixels * (product + g.kernel_h * (_SCATTER * whole + _SCATTER_TAIL * bool(tail)))


def _winograd_cost(g, lanes, pass_name, tile, frozen):
    upwards = pass_name == "backward_input"
    out_h, out_w = (g.height, g.width) if upwards else (g.out_h, g.out_w)
    c, k = (g.filters, g.channels) if upwards else (g.channels, g.filters)
    if g.stride_h == 1:
        if upwards:
            rows, cols = input_gradient_sides(g, tile)
        else:
            rows, cols = (transformed_sides(n, tile, g.kernel_h) for n in (out_h, out_w))
        side = matrices = max(rows + cols)
        components = g.batch * sum(rows) * sum(cols)
        near, far = _TRANSFORM
    else:  # several components share a matrix of filters
        side, matrices = 2 * tile + 1, tile + 2
        near, far = _STRIDED_TRANSFORM[side]
        if upwards:
            near, far = far, near
        step = 2 * tile if upwards else tile
        rows, cols = tile_sizes(out_h, step, False), tile_sizes(out_w, step, False)
        components = g.batch * len(rows) * len(cols) * side**2
    tiles = g.batch * len(rows) * len(cols)
    transforms = near * _vectors(c, lanes) + far * _vectors(k, lanes)
    depth = c
    if pass_name == "backward_kernel":
        transforms *= _GRADIENT_TRANSFORM
        depth = max(c, _GRADIENT_ROWS)
    products = components * depth * _vectors(k, lanes)
    # The filters' own transform, once per call: written and read again through whatever holds them.
    # Frozen ones are only read, unless they stream.
    size = matrices**2 * c * _vectors(k, lanes)
    if (
        pass_name != "backward_kernel"
        and 4 * size * lanes >= _RESIDENT_BYTES
        and tiles <= _STREAM_TILES
    ):
        own = far * side**2 * c * _vectors(k, lanes)
        return components * transforms + _STREAMED[side] * products + own
    beyond = 4 * size * lanes > _CACHE_BYTES
    if pass_name == "backward_kernel":
        filters = size * _FILTER_SUM
    elif frozen:
        filters = size * (_READ_MEMORY if beyond else 0)
    else:
        filters = size * (_FILTER_MEMORY if beyond else _FILTER_CACHE)
    return components * transforms + products + filters


# The filters of each tile size.
_WINOGRAD_KERNELS = {4: ((3, 3),), 2: ((3, 3), (5, 5))}


def _winograd_obstacle(g, pass_name, tile):
    """Why F(tile x tile, ...) does not apply to a geometry, or None."""
    if (g.kernel_h, g.kernel_w) not in _WINOGRAD_KERNELS[tile]:
        valid = " or ".join(f"{h}x{w}" for h, w in _WINOGRAD_KERNELS[tile])
        return f"the filters are {g.kernel_h}x{g.kernel_w}, not {valid}"
    strides = (g.stride_h, g.stride_w)
    may_stride = g.kernel_h == 3 and pass_name != "backward_kernel"
    if strides != (1, 1) and not (may_stride and strides == (2, 2)):
        return f"the strides are {strides}, not (1, 1)" + (" or (2, 2)" if may_stride else "")
    if (g.dilation_h, g.dilation_w) != (1, 1):
        return f"the dilation rate is {(g.dilation_h, g.dilation_w)}, not (1, 1)"
    if g.groups != 1:
        return f"there are {g.groups} groups, not 1"
    if g.padding_mode != "zeros":
        return f"the padding mode is {g.padding_mode!r}, not 'zeros'"
    return None


def _scatter_obstacle(g):
    if g.groups != 1:
        return f"there are {g.groups} groups, not 1"
    if g.dilation_w != 1:
        return f"the column dilation is {g.dilation_w}, not 1"
    return None


def choose_algorithm(geometry, pass_name, dtype, algorithm="auto", frozen=False):
    """The algorithm that runs `pass_name` ("forward", "backward_input" or "backward_kernel").

    `frozen`: the filters stay as they are from run to run (`FilterOp.freeze_weights`).
    Raises ValueError for an unknown algorithm, or for a forced one that does not apply, saying why.
    """
    if algorithm not in ALGORITHMS or (algorithm == "scatter" and pass_name != "backward_input"):
        apart = () if pass_name == "backward_input" else ("scatter",)
        valid = ", ".join(repr(name) for name in ALGORITHMS if name not in apart)
        raise ValueError(
            f"unknown `algorithm` for {pass_name}: received {algorithm!r}, expected one of {valid}"
        )
    if pass_name != "forward" and geometry.padding_mode != "zeros":
        raise ValueError(
            f"gradients need `padding_mode` 'zeros', received {geometry.padding_mode!r}"
        )
    geometry = geometry.compact()
    obstacles = {
        "direct": None,
        "scatter": _scatter_obstacle(geometry),
        "winograd2": _winograd_obstacle(geometry, pass_name, 2),
        "winograd4": _winograd_obstacle(geometry, pass_name, 4),
    }
    if algorithm != "auto":
        obstacle = obstacles[algorithm]
        if obstacle:
            raise ValueError(f"`algorithm` {algorithm!r} does not apply here: {obstacle}")
        return algorithm
    lanes = _core.lanes()
    costs = {"direct": _direct_cost(geometry, lanes, pass_name)}
    if pass_name == "backward_input" and obstacles["scatter"] is None:
        costs["scatter"] = _scatter_cost(geometry, lanes)
    filters = _filters_cost(geometry, lanes, pass_name, frozen)
    costs = {name: cost + filters for name, cost in costs.items()}
    if np.dtype(dtype).itemsize == 4 and _policy == "auto":
        for tile in (4, 2):
            if obstacles[f"winograd{tile}"] is None:
                costs[f"winograd{tile}"] = _winograd_cost(geometry, lanes, pass_name, tile, frozen)
    return min(costs, key=costs.get)


def Conv2DForward(
    geometry, x, w, b, y, activation="linear", slope=0.0, algorithm="auto", pool=None, frozen=False
):
    """The op y = pool(activation(conv2d(x, w) + b)).

    `pool` is None, or "max" or "average" over whole windows of 2x2 with stride 2 (one group): the
    convolution's output never exists, and a last row or column in no window is not computed.  The
    bits are those of a pooling of its own after a convolution of so many rows and columns.

    `frozen`: the caller will freeze the op's weights, which `"auto"` should know.
    """
    geometry = geometry.whole_windows(2).compact() if pool else geometry.compact()
    chosen = choose_algorithm(geometry, "forward", x.dtype, algorithm, frozen)
    if chosen == "direct":
        op = DirectForward(geometry, x, w, b, y, activation, slope, pool)
    else:
        op = WinogradForward(geometry, x, w, b, y, activation, slope, int(chosen[-1]), pool)
    op.algorithm, op.pool = chosen, pool
    return op


def Conv2DBackwardInput(geometry, dy, w, dx, algorithm="auto"):
    """The op dx = gradient of conv2d with respect to its input."""
    geometry = geometry.compact()
    chosen = choose_algorithm(geometry, "backward_input", dy.dtype, algorithm)
    if chosen == "direct":
        op = DirectBackwardInput(geometry, dy, w, dx)
    elif chosen == "scatter":
        op = ScatterBackwardInput(geometry, dy, w, dx)
    else:
        op = WinogradBackwardInput(geometry, dy, w, dx, int(chosen[-1]))
    op.algorithm = chosen
    return op


def Conv2DBackwardKernel(geometry, x, dy, dw, db, algorithm="auto"):
    """The op (dw, db) = gradients of conv2d with respect to its filters and bias."""
    geometry = geometry.compact()
    chosen = choose_algorithm(geometry, "backward_kernel", x.dtype, algorithm)
    if chosen == "direct":
        op = DirectBackwardKernel(geometry, x, dy, dw, db)
    else:
        op = WinogradBackwardKernel(geometry, x, dy, dw, db, int(chosen[-1]))
    op.algorithm = chosen
    return op
