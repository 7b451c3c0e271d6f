"""The gradient with respect to the input by tiles of dy, whose contributions to dx are added up.

How images of every size fall into tiles is the subject of `test_algorithms`.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, shapes
from fastconv.ops import compiled

PROMISED_L2 = 1e-5

# (N, H, W, C), K, kernel, padding, algorithm
CASES = {
    "one tile": ((64, 5, 5, 64), 64, 3, 0, "winograd4"),
    "tiles of three sizes": ((9, 13, 15, 33), 20, 3, 0, "winograd4"),
    "padding on one side": ((5, 12, 11, 70), 18, 3, ((0, 1), (1, 0)), "winograd4"),
    "several panels": ((3, 11, 9, 200), 40, 3, 0, "winograd4"),
    "small tiles": ((4, 8, 13, 24), 17, 3, 0, "winograd2"),
    "streamed filters": ((3, 7, 8, 300), 470, 3, 0, "winograd4"),
    "5x5 filters": ((4, 10, 13, 20), 31, 5, 0, "winograd2"),
    "padded 5x5 filters": ((2, 11, 9, 6), 16, 5, 1, "winograd2"),
}


def geometry(shape, filters, kernel, padding):
    return shapes.conv2d_geometry(
        shape, (kernel, kernel, shape[-1], filters), strides=1, padding=padding
    )


def described(g, algorithm):
    """How the gradient with respect to the input is computed."""
    dy, w, dx = (np.empty(s, np.float32) for s in (g.output_shape, g.kernel_shape, g.input_shape))
    return compiled.conv2d_backward_input(g, dy, w, dx, algorithm).describe()


def gradient(dy, w, shape, padding, algorithm, threads=None):
    return ops.conv2d_backward_input(
        dy, w, input_shape=shape, padding=padding, algorithm=algorithm, num_threads=threads
    )


@pytest.mark.parametrize("name", CASES)
def test_added_tiles_are_accurate_and_have_the_same_bits_on_every_team(name, isa):
    shape, filters, kernel, padding, algorithm = CASES[name]
    g = geometry(shape, filters, kernel, padding)
    assert described(g, algorithm)["sampling"] == "transposed"
    rng = np.random.default_rng(5)
    dy, w = rng.standard_normal(g.output_shape), rng.standard_normal(g.kernel_shape)
    exact = gradient(dy, w, shape, padding, "direct")
    found = [
        gradient(dy.astype("f4"), w.astype("f4"), shape, padding, algorithm, threads)
        for threads in (1, 2, 3, 7, 12, 33)
    ]
    assert np.linalg.norm(found[0] - exact) <= PROMISED_L2 * np.linalg.norm(exact)
    assert all(np.array_equal(other, found[0]) for other in found)


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_transpose_of_the_forward_pass(name, isa):
    """<conv(x), dy> = <x, dx>, in float64 but for what the transforms lose."""
    shape, filters, kernel, padding, algorithm = CASES[name]
    g = geometry(shape, filters, kernel, padding)
    rng = np.random.default_rng(6)
    x, w, dy = (rng.standard_normal(s) for s in (g.input_shape, g.kernel_shape, g.output_shape))
    y = ops.conv2d(x, w, padding=padding, algorithm=algorithm)
    dx = gradient(dy, w, shape, padding, algorithm)
    scale = np.linalg.norm(y) * np.linalg.norm(dy)
    assert abs(np.vdot(y, dy) - np.vdot(x, dx)) <= 1e-13 * scale


def test_an_image_is_cut_where_that_gives_less_to_multiply():
    def cut(shape, padding):
        """(whether tiles of dy are added up, the components of tiles in either dimension)"""
        found = described(geometry(shape, 8, 3, padding), "winograd4")
        sides = tuple([outputs + 2 for outputs in tiles] for tiles in found["tiles"])
        return found["sampling"] == "transposed", sides

    assert cut((1, 5, 5, 8), 0) == (True, ([5], [5]))
    assert cut((1, 5, 5, 8), 1) == (False, ([4, 5], [4, 5])), "as many either way"
    assert not cut((1, 5, 5, 8), 2)[0], "then dx is the smaller one"
    assert not cut((1, 90, 90, 8), 0)[0], "too many to be added in cache"


def test_pixels_that_no_output_saw_have_no_gradient(isa):
    """A pooling behind the convolution ignores the last output, and with it the last input."""
    g = geometry((2, 5, 5, 20), 17, 3, 0).whole_windows(2)
    rng = np.random.default_rng(7)
    dy = rng.standard_normal((2, 2, 2, 17), np.float32)
    w = rng.standard_normal(g.kernel_shape, np.float32)
    dx = np.full(g.input_shape, np.nan, np.float32)
    op = compiled.conv2d_backward_input(g, dy, w, dx, algorithm="winograd4")
    op.run(1)
    assert op.describe()["sampling"] == "stride_1"
    exact = np.zeros_like(dx)
    compiled.conv2d_backward_input(g, dy, w, exact, algorithm="direct").run(1)
    assert np.all(exact[:, 4] == 0)
    assert np.all(exact[:, :, 4] == 0)
    assert np.linalg.norm(dx - exact) <= PROMISED_L2 * np.linalg.norm(exact)


def test_a_nan_fills_what_its_tile_reaches_and_nothing_else(isa):
    shape, w = (2, 13, 13, 6), np.ones((3, 3, 6, 5), np.float32)
    dy = np.random.default_rng(8).standard_normal((2, 11, 11, 5)).astype(np.float32)
    clean = gradient(dy, w, shape, 0, "winograd4")
    dy[1, 5, 9, 2] = np.nan  # in the second tile of rows, 4 .. 8, and the last of columns, 8 .. 11
    spoilt = gradient(dy, w, shape, 0, "winograd4")
    assert np.isnan(spoilt[1, 5:8, 9:12]).all()
    reached = np.zeros(shape, bool)
    reached[1, 4:10, 8:13] = True
    assert np.array_equal(spoilt[~reached], clean[~reached])
