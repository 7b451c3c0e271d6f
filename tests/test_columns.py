"""im2col and col2im: the values of the reference, on any number of threads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastconv import ops, reference
from fastconv.ops import compiled

WINDOWS = [
    {"kernel_size": kernel, "strides": strides, "dilation_rate": dilation, "padding": padding}
    for kernel, strides, dilation, padding in itertools.product(
        [1, (1, 4), (3, 2), (5, 5)],
        [1, (3, 2), 7],
        [1, (2, 3)],
        ["same", "valid", ((5, 0), (1, 6))],
    )
]


@pytest.mark.parametrize("shape", [(2, 14, 15, 3), (3, 13, 20, 1), (0, 13, 14, 2)])
def test_columns_are_those_of_the_reference(shape, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype)
    for window in WINDOWS:
        columns = ops.im2col(x, **window)
        np.testing.assert_array_equal(columns, reference.im2col(x, **window))
        assert columns.dtype == dtype
        dy = rng.standard_normal(columns.shape).astype(dtype)
        dx = ops.col2im(dy, input_shape=shape, **window)
        expected = reference.col2im(dy, input_shape=shape, **window)
        np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-5)
        assert dx.dtype == dtype


def test_any_number_of_threads_gives_the_same_bits(dtype):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, 40, 41, 8)).astype(dtype)
    columns = ops.im2col(x, 5, strides=(1, 2), num_threads=1)
    image = ops.col2im(columns, input_shape=x.shape, kernel_size=5, strides=(1, 2), num_threads=1)
    for threads in (2, 3, 7):
        again = ops.im2col(x, 5, strides=(1, 2), num_threads=threads)
        assert again.tobytes() == columns.tobytes()
        back = {"input_shape": x.shape, "kernel_size": 5, "strides": (1, 2)}
        assert ops.col2im(columns, **back, num_threads=threads).tobytes() == image.tobytes()


def test_the_threads_asked_for_share_the_work(monkeypatch):
    seen = []
    for name in ("Im2col", "Col2im"):
        made = getattr(compiled, name)

        class Recorded:
            def __init__(self, *arguments, made=made):
                self.op = made(*arguments)

            def run(self, threads):
                seen.append(self.op.split(threads)[0][2])
                self.op.run(threads)

        monkeypatch.setattr(ops.columns, name, Recorded)
    x = np.zeros((4, 40, 40, 8), np.float32)
    ops.col2im(ops.im2col(x, 5, num_threads=3), input_shape=x.shape, kernel_size=5, num_threads=2)
    assert seen == [3, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda n: ops.im2col(np.zeros((1, 3, 3, 1)), 2, num_threads=n),
        lambda n: ops.col2im(
            np.zeros((4, 4)), input_shape=(1, 3, 3, 1), kernel_size=2, num_threads=n
        ),
    ],
)
def test_a_number_of_threads_that_is_none(call):
    with pytest.raises(ValueError, match="`num_threads` must be an integer from 1 to 1024, rec"):
        call(0)
    with pytest.raises(TypeError, match="`num_threads` must be .* received True"):
        call(True)


def test_arrays_that_do_not_fit_the_geometry():
    from fastconv import shapes

    g = shapes.conv2d_geometry((1, 3, 3, 1), (2, 2, 1, 1))
    x, columns = np.zeros((1, 3, 3, 1)), np.zeros((2, 2, 1, 1, 2, 3))
    with pytest.raises(ValueError, match=r"expected shapes \(images, columns\) .* received"):
        compiled.Im2col(g, x, columns)
