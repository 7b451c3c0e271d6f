"""Small filters that change at every run are packed by every thread for itself."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import shapes
from fastconv.ops import compiled

# pass, algorithm, strides
OPS = (
    ("forward", "direct", 1),
    ("forward", "winograd4", 1),
    ("forward", "winograd2", 2),
    ("backward_input", "direct", 1),
    ("backward_input", "direct", 2),  # four problems, each with filters of its own
    ("backward_input", "scatter", 2),
    ("backward_input", "winograd4", 1),
    ("backward_input", "winograd4", 2),
)


def bound(direction, algorithm, strides, *, channels=24, filters=40, groups=1):
    """An operation, its filters and its result."""
    g = shapes.conv2d_geometry(
        (12, 14, 14, channels),
        (3, 3, channels // groups, filters),
        strides=strides,
        padding="same",
        groups=groups,
    )
    rng = np.random.default_rng(3)
    x, w, dy = (
        rng.standard_normal(size, np.float32)
        for size in (g.input_shape, g.kernel_shape, g.output_shape)
    )
    if direction == "forward":
        y = np.empty_like(dy)
        return compiled.conv2d_forward(g, x, w, None, y, algorithm=algorithm), w, y
    dx = np.empty_like(x)
    return compiled.conv2d_backward_input(g, dy, w, dx, algorithm=algorithm), w, dx


@pytest.mark.parametrize("direction, algorithm, strides", OPS)
def test_every_team_gives_the_same_bits_from_filters_of_this_run(
    direction, algorithm, strides, isa
):
    op, w, result = bound(direction, algorithm, strides)
    op.run(1)
    expected = result.copy()
    for factor, threads in ((2, 2), (4, 8), (8, 9), (16, 1), (32, 3)):
        w *= 2
        result.fill(np.nan)
        op.run(threads)
        assert np.array_equal(result, factor * expected), threads


@pytest.mark.parametrize("direction, algorithm, strides", OPS)
def test_to_freeze_and_to_thaw_between_teams(direction, algorithm, strides):
    op, _, result = bound(direction, algorithm, strides)
    op.run(2)
    expected = result.copy()
    for frozen in (True, False):
        op.freeze_weights(frozen)
        for threads in (2, 1, 9):
            result.fill(np.nan)
            op.run(threads)
            assert np.array_equal(result, expected), (frozen, threads)


def packing(op, threads):
    """(items, items at a time) of the packing."""
    (items, chunk, _), _ = op.split(threads)
    return items, chunk


@pytest.mark.parametrize("direction, algorithm, strides", OPS)
def test_small_filters_are_packed_whole_by_each_of_a_few_threads(direction, algorithm, strides):
    op, *_ = bound(direction, algorithm, strides)
    items, chunk = packing(op, 2)
    assert chunk == items
    items, chunk = packing(op, 32)
    assert chunk < items, "many threads share"
    op.freeze_weights(True)
    items, chunk = packing(op, 2)
    assert chunk < items, "frozen filters are packed once, for all"
    op.run(2)
    assert len(op.split(2)) == 1


def test_large_filters_are_shared():
    """More than half a megabyte would not stay in the cache of every core."""
    op, *_ = bound("forward", "direct", 1, channels=128, filters=128)
    assert packing(op, 2)[1] < packing(op, 2)[0]


def test_depthwise_filters_too():
    op, _, y = bound("forward", "direct", 1, channels=40, filters=40, groups=40)
    op.run(1)
    expected = y.copy()
    op.run(2)
    assert np.array_equal(y, expected)
