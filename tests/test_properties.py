"""Random shapes and hyper-parameters, legal and illegal, drawn by hypothesis.

Legality is judged here by rules stated once more, in the plainest form, so that no legal case can
be refused, and no illegal one computed, without a contradiction showing.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from fastconv import ops, reference, runtime, shapes
from tests.support.conv_case import ConvCase, resolve_padding
from tests.support.oracle import assert_equal, integers
from tests.support.pool_cases import PoolCase

DTYPES = st.sampled_from([np.float32, np.float64])
ISAS = st.sampled_from(runtime.available_isas())
THREADS = st.integers(1, 4)


@contextmanager
def instruction_set(name):
    before = runtime.isa()
    runtime.set_isa(name)
    try:
        yield
    finally:
        runtime.set_isa(before)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


def paddings(low, high):
    return st.one_of(
        st.sampled_from(["valid", "same"]),
        st.integers(low, high),
        pairs(low, high),
        st.tuples(pairs(low, high), pairs(low, high)),
    )


# -------------------------------------------------------------------------------------- convolution


@st.composite
def conv_cases(draw):
    """A convolution whose numbers are all possible; whether the window fits is left to chance."""
    groups = draw(st.one_of(st.just(1), st.integers(1, 5)))
    return ConvCase(
        "drawn",
        (draw(st.integers(0, 4)), *draw(pairs(1, 12)), draw(st.integers(1, 6)) * groups),
        draw(st.integers(1, 9)) * groups,
        draw(pairs(1, 5)),
        draw(pairs(1, 4)),
        draw(paddings(0, 4)),
        draw(st.sampled_from(["zeros", "zeros", "edge", "reflect"])),
        draw(pairs(1, 3)),
        groups,
    )


def with_one_part(draw, values, part):
    """The tuple `values` with one of its parts, drawn, replaced by `part`."""
    index = draw(st.integers(0, len(values) - 1))
    return (*values[:index], part, *values[index + 1 :])


@st.composite
def spoilt_conv_cases(draw):
    """A convolution with one number changed, most often to one that cannot be."""
    case = draw(conv_cases())
    field = draw(
        st.sampled_from(
            [
                "input_shape",
                "filters",
                "kernel_size",
                "strides",
                "padding",
                "dilation_rate",
                "groups",
            ]
        )
    )
    if field == "input_shape":
        sizes = with_one_part(draw, case.input_shape[1:], draw(st.integers(0, 2)))
        value = (case.input_shape[0], *sizes)
    elif field == "filters":
        value = draw(st.integers(0, 12))
    elif field == "groups":
        value = draw(st.integers(-1, 7))
    elif field == "padding":
        value = draw(paddings(-2, 2))
    elif field == "kernel_size":
        value = with_one_part(draw, case.kernel_size, draw(st.sampled_from([0, 1, 14])))
    else:
        value = with_one_part(draw, getattr(case, field), draw(st.integers(-2, 2)))
    return replace(case, **{field: value})


def smallest_part(padding):
    if isinstance(padding, str):
        return 0
    if isinstance(padding, int):
        return padding
    return min(map(smallest_part, padding))


def conv_is_legal(case: ConvCase) -> bool:
    _, height, width, channels = case.input_shape
    numbers = (height, width, channels, case.filters, *case.kernel_size, *case.strides)
    if min(*numbers, *case.dilation_rate, case.groups) < 1 or smallest_part(case.padding) < 0:
        return False
    if channels % case.groups or case.filters % case.groups:
        return False
    if 0 in case.output_shape[1:3]:
        return False
    if case.padding_mode == "reflect":
        return all(max(pads) < size for pads, size in zip(case.pads, (height, width), strict=True))
    return True


def assert_conv_is_right(case: ConvCase, dtype, isa, threads, seed) -> None:
    rng = np.random.default_rng(seed)
    x, w = integers(rng, case.input_shape), integers(rng, case.kernel_shape)
    b, dy = integers(rng, case.filters), integers(rng, case.output_shape)
    run = {"algorithm": "direct", "num_threads": threads}
    with instruction_set(isa):
        fx, fw, fb, fdy = (array.astype(dtype) for array in (x, w, b, dy))
        y = ops.conv2d(fx, fw, fb, **run, **case.forward_options)
        assert y.dtype == dtype
        assert_equal(y, reference.conv2d(x, w, b, **case.forward_options), case)
        assert y.shape == case.output_shape
        if not case.has_gradients:
            return
        shape = {"input_shape": case.input_shape, **case.options}
        dx = ops.conv2d_backward_input(fdy, fw, **run, **shape)
        assert_equal(dx, reference.conv2d_backward_input(dy, w, **shape), "dx")
        size = {"kernel_size": case.kernel_size, **case.options}
        results = ops.conv2d_backward_kernel(fx, fdy, **run, **size)
        expected = reference.conv2d_backward_kernel(x, dy, **size)
        for name, actual, want in zip(("dw", "db"), results, expected, strict=True):
            assert_equal(actual, want, name)


@given(conv_cases(), DTYPES, ISAS, THREADS, st.integers(0, 2**32 - 1))
def test_a_legal_convolution_equals_the_definition(case, dtype, isa, threads, seed):
    if conv_is_legal(case):
        event("legal")
        assert_conv_is_right(case, dtype, isa, threads, seed)
    else:
        event("the window does not fit")
        assert_conv_is_refused(case)


def assert_conv_is_refused(case: ConvCase) -> None:
    groups = max(case.groups, 1)
    x = np.zeros(case.input_shape, np.float32)
    w = np.zeros((*case.kernel_size, case.input_shape[3] // groups, case.filters), np.float32)
    with pytest.raises(ValueError, match=r"received|larger than|groups|smaller than"):
        ops.conv2d(x, w, **case.forward_options)
    with pytest.raises(ValueError, match=r"."):
        shapes.conv2d_geometry(x.shape, w.shape, **case.forward_options)


@given(spoilt_conv_cases(), DTYPES, ISAS)
def test_any_convolution_is_computed_or_refused(case, dtype, isa):
    if conv_is_legal(case):
        event("legal")
        assert_conv_is_right(case, dtype, isa, 2, 0)
    else:
        event("illegal")
        assert_conv_is_refused(case)


@given(conv_cases(), st.integers(0, 2**32 - 1))
def test_convolution_is_linear(case, seed):
    """conv(a x1 + x2) = a conv(x1) + conv(x2), exactly on integers."""
    if not conv_is_legal(case):
        return
    rng = np.random.default_rng(seed)
    x1, x2 = (integers(rng, case.input_shape).astype(np.float32) for _ in range(2))
    w = integers(rng, case.kernel_shape).astype(np.float32)
    options = {"algorithm": "direct", **case.forward_options}
    combined = ops.conv2d(3 * x1 + x2, w, **options)
    assert_equal(combined, 3 * ops.conv2d(x1, w, **options) + ops.conv2d(x2, w, **options))


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.text(max_size=5),
    st.integers(),
    st.lists(st.integers(-3, 3), max_size=4),
    st.tuples(st.floats(), st.integers()),
    st.recursive(st.integers(-2, 2), lambda inner: st.lists(inner, max_size=3), max_leaves=6),
)


@given(
    name=st.sampled_from(
        ["strides", "padding", "dilation_rate", "groups", "padding_mode", "activation",
         "algorithm", "num_threads"]
    ),
    value=JUNK,
)  # fmt: skip
def test_junk_is_refused_or_means_something(name, value):
    """Whatever an option is: a result of the right kind, or a TypeError or ValueError."""
    if name == "padding" and isinstance(value, int) and 200 < value < 2**61:
        return  # legal on paper, and gigabytes in memory
    x, w = np.ones((1, 6, 6, 2), np.float32), np.ones((2, 2, 2, 4), np.float32)
    try:
        y = ops.conv2d(x, w, **{name: value})
    except (TypeError, ValueError):
        event("refused")
    else:
        event("accepted")
        assert y.dtype == np.float32 and y.ndim == 4 and y.shape[3] == 4


# ------------------------------------------------------------------------------------------ pooling


@st.composite
def pool_cases(draw):
    """A pooling whose numbers are all possible; whether a window misses the image is not known."""
    return PoolCase(
        "drawn",
        (draw(st.integers(0, 3)), *draw(pairs(1, 12)), draw(st.integers(1, 20))),
        draw(pairs(1, 5)),
        draw(st.one_of(st.none(), pairs(1, 4))),
        draw(paddings(0, 2)),
    )


@st.composite
def spoilt_pool_cases(draw):
    """A pooling with one number changed, most often to one that cannot be."""
    case = draw(pool_cases())
    field = draw(st.sampled_from(["input_shape", "pool_size", "strides", "padding"]))
    if field == "input_shape":
        sizes = with_one_part(draw, case.input_shape[1:], draw(st.integers(0, 2)))
        value = (case.input_shape[0], *sizes)
    elif field == "padding":
        value = draw(paddings(-1, 6))
    else:
        value = with_one_part(draw, case.steps, draw(st.integers(-2, 14)))
    return replace(case, **{field: value})


def pool_is_legal(case: PoolCase) -> bool:
    if min(*case.input_shape[1:], *case.pool_size, *case.steps) < 1:
        return False
    return smallest_part(case.padding) >= 0 and case.is_legal


def assert_pool_is_right(case: PoolCase, dtype, isa, threads, seed) -> None:
    rng = np.random.default_rng(seed)
    x = integers(rng, case.input_shape, 3)
    dy = integers(rng, case.output_shape, 4) * case.divisible
    fx, fdy = x.astype(dtype), dy.astype(dtype)
    options = {**case.options, "num_threads": threads}
    shape = {"input_shape": case.input_shape, **options}
    defined = {"input_shape": case.input_shape, **case.options}
    with instruction_set(isa):
        y, argmax = ops.max_pool2d(fx, return_argmax=True, **options)
        expected, first = reference.max_pool2d(x, return_argmax=True, **case.options)
        assert y.shape == case.output_shape
        assert_equal(y, expected)
        assert_equal(argmax.astype(int), first)
        dx = ops.max_pool2d_backward(fdy, argmax, **shape)
        assert_equal(dx, reference.max_pool2d_backward(dy, first, **defined))
        mean = ops.avg_pool2d(fx, **options)
        assert_equal(mean, reference.avg_pool2d(x, **case.options).astype(dtype))
        dx = ops.avg_pool2d_backward(fdy, **shape)
        assert_equal(dx, reference.avg_pool2d_backward(dy, **defined))


def assert_pool_is_refused(case: PoolCase) -> None:
    x = np.zeros(case.input_shape, np.float32)
    for pool in (ops.max_pool2d, ops.avg_pool2d):
        with pytest.raises(ValueError, match=r"received|larger than|wholly in the padding"):
            pool(x, **case.options)


@given(pool_cases(), DTYPES, ISAS, THREADS, st.integers(0, 2**32 - 1))
def test_a_legal_pooling_equals_the_definition(case, dtype, isa, threads, seed):
    if pool_is_legal(case):
        event("legal")
        assert_pool_is_right(case, dtype, isa, threads, seed)
    else:
        event("a window without a pixel")
        assert_pool_is_refused(case)


@given(spoilt_pool_cases(), DTYPES, ISAS)
def test_any_pooling_is_computed_or_refused(case, dtype, isa):
    if pool_is_legal(case):
        event("legal")
        assert_pool_is_right(case, dtype, isa, 2, 0)
    else:
        event("illegal")
        assert_pool_is_refused(case)


# -------------------------------------------------------------------------------- the rest, briefly


@given(pairs(1, 80), st.integers(1, 80), DTYPES, ISAS, THREADS, st.integers(0, 2**32 - 1))
def test_a_dense_layer_equals_the_definition(size, outputs, dtype, isa, threads, seed):
    rows, inputs = size
    rng = np.random.default_rng(seed)
    x, w = integers(rng, (rows, inputs)), integers(rng, (inputs, outputs))
    b, dy = integers(rng, outputs), integers(rng, (rows, outputs))
    fx, fw, fb, fdy = (array.astype(dtype) for array in (x, w, b, dy))
    with instruction_set(isa):
        assert_equal(ops.dense(fx, fw, fb, num_threads=threads), x @ w + b)
        assert_equal(ops.dense_backward_input(fdy, fw, num_threads=threads), dy @ w.T)
        dw, db = ops.dense_backward_kernel(fx, fdy, num_threads=threads)
    assert_equal(dw, x.T @ dy)
    assert_equal(db, dy.sum(axis=0))


@given(
    st.integers(1, 40),
    st.integers(1, 6),
    st.integers(1, 5),
    st.one_of(st.sampled_from(["valid", "same"]), pairs(0, 8)),
    st.integers(1, 4),
)
def test_output_length_by_counting(length, kernel, stride, padding, dilation):
    """The number of windows is what one counts by sliding one along the axis."""
    span = (kernel - 1) * dilation + 1
    if padding == "same":
        expected = -(-length // stride)
    else:
        (before, after), _ = resolve_padding(
            "valid" if padding == "valid" else (padding, (0, 0)),
            (length, 1),
            (span, 1),
            (stride, 1),
        )
        padded = before + length + after
        expected = len([p for p in range(0, padded, stride) if p + span <= padded])
    if expected:
        assert shapes.conv_output_length(length, kernel, stride, padding, dilation) == expected
    else:
        with pytest.raises(ValueError, match="larger than the padded input"):
            shapes.conv_output_length(length, kernel, stride, padding, dilation)


@given(conv_cases(), st.integers(0, 2**32 - 1))
def test_columns_multiply_to_the_convolution(case, seed):
    if not conv_is_legal(case) or case.groups > 1 or not case.has_gradients:
        return
    rng = np.random.default_rng(seed)
    x, w = integers(rng, case.input_shape), integers(rng, case.kernel_shape)
    options = {key: value for key, value in case.options.items() if key != "groups"}
    columns = ops.im2col(x, case.kernel_size, **options)
    product = w.reshape(-1, case.filters).T @ columns
    y = reference.conv2d(x, w, **options)
    assert_equal(product.T.reshape(y.shape), y)
