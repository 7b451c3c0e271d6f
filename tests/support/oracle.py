"""What the operations should have computed, from `fastconv.reference`, each case worked out once.

Two kinds of data serve two kinds of comparison:

- *small integers*: every product and every partial sum is an integer far below 2^24, exact in
  float32 in any order of summation, so that results must be **equal**, to the last bit of the
  mantissa, on every instruction set and at every number of threads;
- *standard normal* values: the result may differ from the float64 definition by the rounding of a
  sum of n products, for which gamma_n = n u / (1 - n u) times the sum of the magnitudes of the
  products is a rigorous bound (Higham, *Accuracy and Stability of Numerical Algorithms*, 3.1).
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import NamedTuple

import numpy as np

from fastconv import reference
from tests.support.conv_case import ConvCase
from tests.support.pool_cases import PoolCase

EXACT_INTEGERS = 2**24


class ConvProblem(NamedTuple):
    """The arrays of one convolution in float64: operands, gradient, and expected results."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    dy: np.ndarray
    y: np.ndarray
    dx: np.ndarray | None
    dw: np.ndarray | None
    db: np.ndarray | None


class PoolProblem(NamedTuple):
    x: np.ndarray
    dy: np.ndarray
    max_y: np.ndarray
    argmax: np.ndarray
    max_dx: np.ndarray
    average_y: np.ndarray
    average_dx: np.ndarray


def generator(name: str, salt: int = 0) -> np.random.Generator:
    """A generator that depends on the name of the case alone."""
    return np.random.default_rng([zlib.crc32(name.encode()), salt])


def integers(rng: np.random.Generator, shape, bound: int = 6) -> np.ndarray:
    """Integers in [-bound, bound] as float64."""
    return rng.integers(-bound, bound + 1, size=shape).astype(np.float64)


def _solve_conv(case: ConvCase, x, w, b, dy) -> ConvProblem:
    y = reference.conv2d(x, w, b, **case.forward_options)
    dx = dw = db = None
    if case.has_gradients:
        dx = reference.conv2d_backward_input(dy, w, input_shape=case.input_shape, **case.options)
        dw, db = reference.conv2d_backward_kernel(
            x, dy, kernel_size=case.kernel_size, **case.options
        )
    return ConvProblem(x, w, b, dy, y, dx, dw, db)


@cache
def integer_conv(case: ConvCase) -> ConvProblem:
    rng = generator(case.name)
    problem = _solve_conv(
        case,
        integers(rng, case.input_shape),
        integers(rng, case.kernel_shape),
        integers(rng, case.filters, 100),
        integers(rng, case.output_shape),
    )
    magnitudes = [np.abs(part).max() for part in problem if part is not None]
    longest = max(case.reduction, np.prod(case.output_shape[:3]), case.filters * case.reduction)
    # 6 * 6 * n bounds every partial sum in every order, whatever the signs.
    assert max(*magnitudes, 36 * longest + 100) < EXACT_INTEGERS, case.name
    return problem


@cache
def normal_conv(case: ConvCase, dtype: type) -> tuple[ConvProblem, ConvProblem]:
    """A problem with standard normal operands, rounded to `dtype`, and its magnitudes.

    The second problem is the first with every operand replaced by its absolute value: its results
    are the sums of |x * w| that the error bounds are made of.
    """
    rng = generator(case.name, salt=1)
    shapes = (case.input_shape, case.kernel_shape, (case.filters,), case.output_shape)
    operands = [rng.standard_normal(shape).astype(dtype).astype(np.float64) for shape in shapes]
    return _solve_conv(case, *operands), _solve_conv(case, *map(np.abs, operands))


@cache
def integer_pool(case: PoolCase) -> PoolProblem:
    """Few distinct values make many ties, and `dy` is a multiple of every window's pixel count."""
    rng = generator(case.name)
    x = integers(rng, case.input_shape, 3 if case.name.startswith("random") else 40)
    dy = integers(rng, case.output_shape, 4) * case.divisible
    max_y, argmax = reference.max_pool2d(x, return_argmax=True, **case.options)
    shape = {"input_shape": case.input_shape}
    problem = PoolProblem(
        x,
        dy,
        max_y,
        argmax,
        reference.max_pool2d_backward(dy, argmax, **shape, **case.options),
        reference.avg_pool2d(x, **case.options),
        reference.avg_pool2d_backward(dy, **shape, **case.options),
    )
    # Every partial sum of a gradient is bounded by the sum of the magnitudes.
    bound = reference.avg_pool2d_backward(np.abs(dy), **shape, **case.options).max()
    assert max(bound, 40 * np.prod(case.pool_size)) < EXACT_INTEGERS, case.name
    return problem


# --------------------------------------------------------------------------------------- assertions


def describe(*parts) -> str:
    return " ".join(str(getattr(part, "__name__", part)) for part in parts)


def assert_equal(actual: np.ndarray, expected: np.ndarray, *context) -> None:
    """`actual` has the shape of `expected` and equals it, element by element, without tolerance."""
    assert actual.shape == expected.shape, (describe(*context), actual.shape, expected.shape)
    if not np.array_equal(actual, expected):
        wrong = np.argwhere(actual != expected)
        at = tuple(wrong[0])
        raise AssertionError(
            f"{describe(*context)}: {len(wrong)} of {actual.size} elements differ, the first at "
            f"{tuple(map(int, at))}: {actual[at]} instead of {expected[at]}"
        )


def assert_same_bits(actual: np.ndarray, expected: np.ndarray, *context) -> None:
    """Equality of the bytes: tells 0.0 from -0.0, and a NaN equals itself."""
    assert actual.shape == expected.shape and actual.dtype == expected.dtype, describe(*context)
    if actual.tobytes() != expected.tobytes():
        differ = actual.ravel() != expected.ravel()
        raise AssertionError(f"{describe(*context)}: {np.count_nonzero(differ)} elements differ")


def assert_within(actual: np.ndarray, expected: np.ndarray, bound: np.ndarray, *context) -> None:
    """|actual - expected| <= bound everywhere; a NaN fails."""
    assert actual.shape == expected.shape, (describe(*context), actual.shape, expected.shape)
    error = np.abs(actual.astype(np.float64) - expected)
    within = error <= bound
    if not within.all():
        at = tuple(np.argwhere(~within)[0])
        raise AssertionError(
            f"{describe(*context)}: {np.count_nonzero(~within)} of {error.size} errors are out of "
            f"bounds, the first at {tuple(map(int, at))}: {actual[at]} instead of {expected[at]}, "
            f"bound {np.broadcast_to(bound, error.shape)[at]}"
        )


def relative_l2(actual: np.ndarray, expected: np.ndarray) -> float:
    norm = np.linalg.norm(expected)
    return float(np.linalg.norm(actual.astype(np.float64) - expected) / norm) if norm else 0.0
