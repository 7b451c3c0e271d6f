"""Operations of one program share scratch memory: what one leaves there must not reach another."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import shapes
from fastconv.ops import compiled
from fastconv.ops.compiled import DenseForward, Penalty, Program, scratch_bytes

PASSES = {
    "forward": lambda g, x, w, dy, to, **o: compiled.conv2d_forward(g, x, w, None, to, **o),
    "backward_input": lambda g, x, w, dy, to, **o: compiled.conv2d_backward_input(
        g, dy, w, to, **o
    ),
    "backward_kernel": lambda g, x, w, dy, to, **o: compiled.conv2d_backward_kernel(
        g, x, dy, to, None, **o
    ),
}

STRIDED = (("forward", 2), ("backward_input", 2))  # where all algorithms apply to stride 2


def arrays(geometry, value=None):
    rng = np.random.default_rng(1)
    sizes = (geometry.input_shape, geometry.kernel_shape, geometry.output_shape)
    made = [rng.standard_normal(size, dtype=np.float32) for size in sizes]
    return made if value is None else [np.full_like(array, value) for array in made]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("algorithm", ["direct", "winograd2", "winograd4"])
@pytest.mark.parametrize("channels", [16, 256])  # sums within a thread's cache, and shared ones
@pytest.mark.parametrize("direction, stride", [*((direction, 1) for direction in PASSES), *STRIDED])
def test_scratch_full_of_nan_changes_nothing(direction, stride, channels, algorithm, threads):
    g = shapes.conv2d_geometry(
        (2, 6, 6, channels), (3, 3, channels, channels), strides=stride, padding="same"
    )
    x, w, dy = arrays(g)
    like = {"forward": dy, "backward_input": x, "backward_kernel": w}[direction]
    alone, behind = np.zeros_like(like), np.zeros_like(like)
    PASSES[direction](g, x, w, dy, alone, algorithm=algorithm).run(threads)

    larger = shapes.conv2d_geometry(
        (2, 16, 16, channels), (3, 3, channels, channels), padding="same"
    )
    nx, nw, ndy = arrays(larger, np.nan)
    poison = [
        make(larger, nx, nw, ndy, np.zeros_like(to), algorithm=kind)
        for make, to in zip(PASSES.values(), (ndy, nx, nw), strict=True)
        for kind in ("direct", "winograd4")
    ]
    checked = PASSES[direction](g, x, w, dy, behind, algorithm=algorithm)
    Program([*poison, checked]).run(threads)
    assert np.array_equal(behind, alone)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("direction", PASSES)
@pytest.mark.parametrize("side, stride", [(4, 1), (11, 1), (20, 2)])
def test_scratch_full_of_nan_does_not_reach_a_depthwise_layer(direction, side, stride, threads):
    g = shapes.conv2d_geometry(
        (2, side, side, 70), (3, 3, 1, 70), strides=stride, padding="same", groups=70
    )
    x, w, dy = arrays(g)
    to = {"forward": dy, "backward_input": x, "backward_kernel": w}[direction]
    alone, behind = np.zeros_like(to), np.zeros_like(to)
    PASSES[direction](g, x, w, dy, alone).run(threads)
    poison = PASSES[direction](g, *arrays(g, np.nan), np.zeros_like(to))
    Program([poison, PASSES[direction](g, x, w, dy, behind)]).run(threads)
    assert np.array_equal(behind, alone)


@pytest.mark.parametrize("threads", [1, 2])
def test_scratch_full_of_nan_does_not_reach_a_dense_layer_in_blocks(threads):
    rng = np.random.default_rng(2)
    x, w = (rng.standard_normal(size, dtype=np.float32) for size in ((2, 1001), (1001, 300)))
    alone, behind = np.zeros((2, 2, 300), np.float32)
    DenseForward(x, w, None, alone).run(threads)
    poison = DenseForward(np.full_like(x, np.nan), w, None, np.zeros_like(alone))
    Program([poison, DenseForward(x, w, None, behind)]).run(threads)
    assert np.array_equal(behind, alone)


@pytest.mark.parametrize(
    "shape", [(2, 6, 6, 70), (1, 12, 12, 256)]
)  # streamed filters, packed ones
@pytest.mark.parametrize("algorithm", ["direct", "winograd4"])
def test_frozen_filters_serve_every_number_of_threads(shape, algorithm):
    g = shapes.conv2d_geometry(shape, (3, 3, shape[-1], 470), padding="same")
    x, w, y = arrays(g)
    op = compiled.conv2d_forward(g, x, w, None, y, algorithm=algorithm)
    op.run(1)
    want = y.copy()
    op.freeze_weights(True)
    for threads in (2, 1, 32, 3):
        y.fill(np.nan)
        op.run(threads)
        assert np.array_equal(y, want)
    w *= 2
    op.invalidate()
    op.run(2)
    assert np.array_equal(y, 2 * want)


def test_the_sum_of_a_penalty_is_not_in_shared_scratch():
    """One thread adds it up while others begin the next operation, which may write there."""
    x, value = np.ones(100_000, np.float32), np.zeros(1)
    penalty = Penalty(x, None, value, 0.5, 0.25)
    assert scratch_bytes([penalty], 2) == 0
    g = shapes.conv2d_geometry((2, 6, 6, 64), (3, 3, 64, 64), padding="same")
    Program([penalty, PASSES["forward"](g, *arrays(g), arrays(g)[2])]).run(2)
    assert value[0] == 75_000
