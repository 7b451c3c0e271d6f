"""Pooling and its gradients against the definition, over the whole table: equality throughout.

A maximum involves no rounding at all. An average of integers is one division, and float64 holds the
quotient of two float32 numbers so precisely that rounding it again gives what float32 division
gives; so averages are compared for equality too. The gradient of an average adds several quotients:
`integer_pool` chooses a `dy` that every window's pixel count divides.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, reference, shapes
from fastconv.ops import compiled
from fastconv.reference import gamma
from tests.support.conv_cases import VECTOR_WIDTHS
from tests.support.oracle import (
    assert_equal,
    assert_same_bits,
    assert_within,
    generator,
    integer_pool,
)
from tests.support.pool_cases import BY_NAME, CASES


def test_the_table_covers_what_it_should():
    assert len(CASES) >= 60
    assert len(BY_NAME) == len(CASES), "two cases share a name"
    assert {case.input_shape[3] for case in CASES} >= set(VECTOR_WIDTHS)
    assert all(case.is_legal for case in CASES)
    assert any(case.pool_size[0] * case.pool_size[1] > 256 for case in CASES)
    assert any(case.pool_size[0] * case.pool_size[1] == 256 for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shapes_agree_with_counting(case):
    geometry = shapes.pool2d_geometry(case.input_shape, **case.options)
    assert geometry.output_shape == case.output_shape
    assert geometry.padding == case.pads


@pytest.mark.parametrize("case", CASES, ids=str)
def test_max_pool_equals_the_definition(case, isa, dtype):
    problem = integer_pool(case)
    x = problem.x.astype(dtype)
    y, argmax = ops.max_pool2d(x, return_argmax=True, **case.options)
    assert y.dtype == dtype
    window = case.pool_size[0] * case.pool_size[1]
    assert argmax.dtype == (np.uint8 if window <= 256 else np.int32)
    assert_equal(y, problem.max_y, "y")
    assert_equal(argmax.astype(np.int64), problem.argmax, "argmax")
    assert_equal(ops.max_pool2d(x, **case.options), problem.max_y, "without argmax")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_max_pool_backward_equals_the_definition(case, isa, dtype):
    problem = integer_pool(case)
    x, dy = problem.x.astype(dtype), problem.dy.astype(dtype)
    _, argmax = ops.max_pool2d(x, return_argmax=True, **case.options)
    dx = ops.max_pool2d_backward(dy, argmax, input_shape=case.input_shape, **case.options)
    assert dx.dtype == dtype
    assert_equal(dx, problem.max_dx)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_max_pool_backward_through_a_fused_relu(case, isa, dtype):
    """Given the pooled output of a ReLU, dy counts as 0 where that is not positive."""
    problem = integer_pool(case)
    geometry = shapes.pool2d_geometry(case.input_shape, **case.options)
    x = np.maximum(problem.x, 0).astype(dtype)
    y, argmax = ops.max_pool2d(x, return_argmax=True, **case.options)
    dx = np.full(case.input_shape, np.nan, dtype)
    dy = problem.dy.astype(dtype)
    compiled.MaxPoolBackward(geometry, dy, argmax, dx, ("relu", 0.0, y)).run(2)
    expected = reference.max_pool2d_backward(
        problem.dy * (y > 0), argmax, input_shape=case.input_shape, **case.options
    )
    assert_equal(dx, expected)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_avg_pool_equals_the_definition(case, isa, dtype):
    problem = integer_pool(case)
    y = ops.avg_pool2d(problem.x.astype(dtype), **case.options)
    assert y.dtype == dtype
    assert_equal(y, problem.average_y.astype(dtype))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_avg_pool_backward_equals_the_definition(case, isa, dtype):
    problem = integer_pool(case)
    dx = ops.avg_pool2d_backward(
        problem.dy.astype(dtype), input_shape=case.input_shape, **case.options
    )
    assert dx.dtype == dtype
    assert_equal(dx, problem.average_dx)


@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_rounding_is_that_of_a_plain_sum(case, isa, dtype):
    rng = generator(case.name, salt=1)
    x = rng.standard_normal(case.input_shape).astype(dtype)
    dy = rng.standard_normal(case.output_shape).astype(dtype)
    # A sum of n terms and one division; in float64 the definition rounds as well.
    factor = 2 * gamma(case.pool_size[0] * case.pool_size[1] + 2, dtype)
    magnitude = reference.avg_pool2d(np.abs(x), **case.options)
    expected = reference.avg_pool2d(x, **case.options)
    assert_within(ops.avg_pool2d(x, **case.options), expected, factor * magnitude)
    options = {"input_shape": case.input_shape, **case.options}
    magnitude = reference.avg_pool2d_backward(np.abs(dy), **options)
    expected = reference.avg_pool2d_backward(dy, **options)
    assert_within(ops.avg_pool2d_backward(dy, **options), expected, factor * magnitude)


def test_the_first_of_equal_maxima_wins(isa, dtype):
    """Where all pixels are equal, the first one in the image gets the whole gradient."""
    x = np.zeros((1, 5, 5, 70), dtype)
    y, argmax = ops.max_pool2d(x, pool_size=3, strides=2, padding=1, return_argmax=True)
    first = np.array([[4, 3, 3], [1, 0, 0], [1, 0, 0]])
    assert_equal(argmax[0, :, :, 0], first)
    assert_equal(argmax, np.broadcast_to(first[None, :, :, None], argmax.shape))
    assert_equal(y, np.zeros_like(y))


def test_negative_images_do_not_see_the_padding(isa, dtype):
    """A zero of the padding would be larger than every pixel."""
    x = np.full((1, 3, 3, 17), -2, dtype)
    assert_equal(ops.max_pool2d(x, pool_size=3, strides=1, padding="same"), x)
    assert_equal(ops.avg_pool2d(x, pool_size=3, strides=1, padding="same"), x)


def test_strides_default_to_the_pool_size(isa):
    x = generator("default strides").standard_normal((1, 9, 8, 3)).astype(np.float32)
    for pool in (ops.max_pool2d, ops.avg_pool2d):
        assert_same_bits(pool(x, pool_size=(3, 2)), pool(x, pool_size=(3, 2), strides=(3, 2)))
        assert_same_bits(pool(x), pool(x, pool_size=2, strides=2))


def test_an_empty_batch_is_pooled(isa, dtype):
    x = np.empty((0, 6, 5, 3), dtype)
    y, argmax = ops.max_pool2d(x, return_argmax=True)
    assert y.shape == argmax.shape == (0, 3, 2, 3) and y.dtype == dtype
    assert ops.avg_pool2d(x).shape == (0, 3, 2, 3)
    assert ops.max_pool2d_backward(y, argmax, input_shape=x.shape).shape == x.shape
    assert ops.avg_pool2d_backward(y, input_shape=x.shape).shape == x.shape


def test_a_place_that_float32_cannot_tell_is_refused():
    pool = (1, 2**24 + 1)
    x = np.zeros((1, *pool, 1), np.float32)
    x[0, 0, -1] = 1
    message = r"`pool_size` must have at most 16777216 places .* float32, received \(1, 16777217\)"
    with pytest.raises(ValueError, match=message):
        ops.max_pool2d(x, pool_size=pool, return_argmax=True)
    with pytest.raises(ValueError, match=message):
        ops.max_pool2d_backward(
            x[:, :, :1], np.zeros((1, 1, 1, 1), np.int32), input_shape=x.shape, pool_size=pool
        )
    assert ops.max_pool2d(x, pool_size=pool).item() == 1
    y, argmax = ops.max_pool2d(x.astype(np.float64), pool_size=pool, return_argmax=True)
    assert (y.item(), argmax.item()) == (1, 2**24)
