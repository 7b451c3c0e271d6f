"""An output too large for the caches is written past them, if it begins at a cache line."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, reference
from fastconv.ops.compiled import DenseBackwardKernel

IMAGES = (3, 192, 192)
CANARY = np.float32(12345)


def output(channels, offset):
    """An array at `offset` elements from a cache line, and all of the memory around it."""
    size = int(np.prod(IMAGES)) * channels
    block = np.full(size + 48, CANARY, np.float32)
    start = -block.ctypes.data // 4 % 16 + offset
    return block[start : start + size].reshape(*IMAGES, channels), block


def untouched(block):
    return np.count_nonzero(block == CANARY)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kernel, algorithm", [(1, "direct"), (3, "direct"), (3, "winograd4")])
def test_streamed_results_are_those_of_ordinary_stores(isa, kernel, algorithm, threads):
    rng = np.random.default_rng(1)
    x = rng.integers(-3, 4, (*IMAGES, 5)).astype(np.float32)
    w = rng.integers(-3, 4, (kernel, kernel, 5, 64)).astype(np.float32)
    b = rng.integers(-3, 4, 64).astype(np.float32)
    options = {"padding": "same", "activation": "relu", "algorithm": algorithm}
    results = []
    for offset in (0, 1):
        y, block = output(64, offset)
        ops.conv2d(x, w, b, out=y, num_threads=threads, **options)
        assert untouched(block) == 48
        results.append(y)
    assert np.array_equal(*results)
    expected = reference.conv2d(x[-1:], w, b, padding="same", activation="relu")
    np.testing.assert_allclose(
        results[0][-1:], expected, rtol=0, atol=0 if algorithm == "direct" else 1e-3
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_streamed_depthwise_results_are_those_of_ordinary_stores(isa, threads):
    rng = np.random.default_rng(3)
    x = rng.integers(-3, 4, (*IMAGES, 64)).astype(np.float32)
    w = rng.integers(-3, 4, (3, 3, 1, 64)).astype(np.float32)
    options = {"padding": "same", "groups": 64}
    results = []
    for offset in (0, 1):
        y, block = output(64, offset)
        ops.conv2d(x, w, out=y, num_threads=threads, **options)
        assert untouched(block) == 48
        results.append(y)
    assert np.array_equal(*results)
    assert np.array_equal(results[0][-1:], reference.conv2d(x[-1:], w, **options))


def test_streamed_input_gradients_are_those_of_ordinary_stores(isa):
    rng = np.random.default_rng(2)
    dy = rng.integers(-3, 4, (*IMAGES, 5)).astype(np.float32)
    w = rng.integers(-3, 4, (1, 1, 64, 5)).astype(np.float32)
    results = []
    for offset in (0, 1):
        dx, block = output(64, offset)
        ops.conv2d_backward_input(dy, w, input_shape=dx.shape, out=dx, algorithm="direct")
        assert untouched(block) == 48
        results.append(dx)
    assert np.array_equal(*results)
    assert np.array_equal(results[0], np.einsum("nhwk,ck->nhwc", dy, w[0, 0]))


def test_results_begin_at_a_cache_line():
    x, w = np.ones((1, 5, 5, 3), np.float32), np.ones((3, 3, 3, 7), np.float32)
    assert ops.conv2d(x, w).ctypes.data % 64 == 0
    assert ops.max_pool2d(x, pool_size=2).ctypes.data % 64 == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_streamed_gradients_of_dense_weights_are_those_of_ordinary_stores(isa, threads):
    rng = np.random.default_rng(4)
    inputs, outputs = 3100, 2064  # neither whole panels nor whole blocks of rows
    x = rng.integers(-3, 4, (3, inputs)).astype(np.float32)
    dy = rng.integers(-3, 4, (3, outputs)).astype(np.float32)
    for offset in (0, 1):
        block = np.full(inputs * outputs + 48, CANARY, np.float32)
        start = -block.ctypes.data // 4 % 16 + offset
        dw = block[start : start + inputs * outputs].reshape(inputs, outputs)
        DenseBackwardKernel(x, dy, dw, None).run(threads)
        assert untouched(block) == 48
        assert np.array_equal(dw, x.T @ dy)
