"""The integer rules: sizes that come out, and every request that is refused, with its message."""

from __future__ import annotations

import doctest
import itertools
import pkgutil
import re
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv import shapes
from fastconv.shapes import conv2d_geometry, pool2d_geometry
from tests.support.conv_cases import CASES as CONV_CASES
from tests.support.pool_cases import CASES as POOL_CASES

X, W = (2, 8, 9, 4), (3, 3, 4, 6)
HUGE = 2**63 - 5


def test_examples_in_the_documentation():
    results = [
        doctest.testmod(import_module(module.name))
        for module in pkgutil.iter_modules(shapes.__path__, "fastconv.shapes.")
    ]
    assert sum(result.attempted for result in results) > 10
    assert sum(result.failed for result in results) == 0


# ---------------------------------------------------------------------------- shapes of results


@pytest.mark.parametrize("case", CONV_CASES, ids=str)
def test_convolutions_of_the_table(case):
    geometry = conv2d_geometry(case.input_shape, case.kernel_shape, **case.forward_options)
    assert geometry.input_shape == case.input_shape
    assert geometry.kernel_shape == case.kernel_shape
    assert geometry.output_shape == case.output_shape


@pytest.mark.parametrize("case", POOL_CASES, ids=str)
def test_poolings_of_the_table(case):
    geometry = pool2d_geometry(case.input_shape, **case.options)
    assert geometry.input_shape == case.input_shape
    assert geometry.output_shape == case.output_shape
    assert geometry.padding == case.pads


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "padding", "out"),
    [
        (7, 3, 1, "valid", 5),  # a 7-pixel row under a 3-pixel filter, step by step
        (7, 3, 2, "valid", 3),
        (7, 3, 3, "valid", 2),  # does not come out even: the last pixel is left over
        (7, 3, 1, 1, 7),
        (32, 5, 1, "valid", 28),
        (32, 5, 1, 2, 32),  # two rows of zeros keep a 32-pixel image at its size under 5x5
        (28, 3, 1, "valid", 26),  # the MNIST network: 28 -> 26 -> (13) -> 11 -> (5) -> 3
        (13, 3, 1, "valid", 11),
        (5, 3, 1, "valid", 3),
        (227, 11, 4, "valid", 55),  # AlexNet's first layer
        (27, 5, 1, "same", 27),
        (5, 3, 2, "same", 3),
        (6, 3, 2, "same", 3),
        (1, 11, 4, "same", 1),
        (4, 2, 3, (0, 1), 2),
    ],
)
def test_output_lengths_known_by_hand(length, kernel, stride, padding, out):
    assert shapes.conv_output_length(length, kernel, stride, padding) == out


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "dilation", "sides"),
    [
        (28, 3, 1, 1, (1, 1)),
        (28, 3, 2, 1, (0, 1)),  # the odd one goes to the end
        (27, 3, 2, 1, (1, 1)),
        (28, 2, 1, 1, (0, 1)),
        (28, 3, 1, 2, (2, 2)),
        (28, 3, 4, 1, (0, 0)),  # windows that leave gaps need no padding
        (1, 5, 1, 1, (2, 2)),
        (224, 7, 2, 1, (2, 3)),
    ],
)
def test_same_padding_known_by_hand(length, kernel, stride, dilation, sides):
    assert shapes.same_padding(length, kernel, stride, dilation) == sides


@given(
    length=st.integers(1, 40),
    kernel=st.integers(1, 9),
    stride=st.integers(1, 9),
    dilation=st.integers(1, 4),
    sides=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_as_many_windows_as_fit(length, kernel, stride, dilation, sides):
    padded = sides[0] + length + sides[1]
    last = [start + (kernel - 1) * dilation for start in range(0, padded, stride)]
    fitting = sum(position < padded for position in last)
    if fitting:
        assert shapes.conv_output_length(length, kernel, stride, sides, dilation) == fitting
    else:
        with pytest.raises(ValueError, match="larger than the padded input"):
            shapes.conv_output_length(length, kernel, stride, sides, dilation)


@given(
    length=st.integers(1, 60),
    kernel=st.integers(1, 12),
    stride=st.integers(1, 12),
    dilation=st.integers(1, 4),
)
def test_same_gives_a_window_per_stride_with_the_least_padding(length, kernel, stride, dilation):
    before, after = shapes.same_padding(length, kernel, stride, dilation)
    windows = -(-length // stride)
    assert shapes.conv_output_length(length, kernel, stride, "same", dilation) == windows
    assert after - before in (0, 1)
    if before + after:
        with_less = (before, after - 1)
        span = shapes.effective_kernel(kernel, dilation)
        too_small = span > length + before + after - 1
        assert too_small or (
            shapes.conv_output_length(length, kernel, stride, with_less, dilation) < windows
        )


# ------------------------------------------------------------------------ forms of an argument


@pytest.mark.parametrize(
    ("padding", "sides"),
    [
        ("valid", ((0, 0), (0, 0))),
        ("VALID", ((0, 0), (0, 0))),
        ("Same", ((1, 1), (1, 1))),
        (0, ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        (np.int64(2), ((2, 2), (2, 2))),
        ((1, 2), ((1, 1), (2, 2))),
        ([1, 2], ((1, 1), (2, 2))),
        (np.array([1, 2]), ((1, 1), (2, 2))),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ([[1, 2], (3, np.uint8(4))], ((1, 2), (3, 4))),
        (np.array([[1, 2], [3, 4]]), ((1, 2), (3, 4))),
    ],
    ids=repr,
)
def test_every_form_of_padding(padding, sides):
    assert conv2d_geometry(X, W, padding=padding).padding == sides


@pytest.mark.parametrize("two", [2, np.int64(2), np.uint8(2), (2, 2), [2, 2], np.array([2, 2])])
def test_an_int_or_a_pair(two):
    convolution = conv2d_geometry(X, W, strides=two, dilation_rate=two, padding=two)
    assert convolution == conv2d_geometry(X, W, strides=2, dilation_rate=2, padding=2)
    assert pool2d_geometry(X, pool_size=two, strides=two) == pool2d_geometry(X)


def test_all_numbers_in_a_geometry_are_python_integers():
    geometry = conv2d_geometry(np.array(X), list(W), strides=np.int32(2), groups=np.int64(1))
    assert {type(value) for value in geometry} == {int, str}
    assert {type(value) for value in pool2d_geometry(np.array(X), pool_size=np.int8(3))} == {int}


def test_pool_strides_default_to_the_pool_size():
    geometry = pool2d_geometry(X, pool_size=(2, 3))
    assert (geometry.stride_h, geometry.stride_w) == (2, 3)


def test_an_empty_batch_has_a_shape():
    assert conv2d_geometry((0, 8, 9, 4), W).output_shape == (0, 6, 7, 6)
    assert pool2d_geometry((0, 8, 9, 4)).output_shape == (0, 4, 4, 4)


def test_strides_beyond_the_image_leave_one_window():
    assert conv2d_geometry(X, W, strides=2**40).output_shape == (2, 1, 1, 6)
    assert conv2d_geometry(X, W, strides=2**40, padding="same").output_shape == (2, 1, 1, 6)


# --------------------------------------------------------------------------- what is refused


def refused(error, message, function, *args, **options):
    with pytest.raises(error, match=re.escape(message)):
        function(*args, **options)


FORMS = '"valid", "same", an int, (ph, pw) or ((top, bottom), (left, right))'
PAIR = "must be an integer or a pair of integers"


@pytest.mark.parametrize("name", ["strides", "dilation_rate"])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "must be positive, received 0"),
        (-1, ValueError, "must be positive, received -1"),
        ((0, 1), ValueError, "must be positive, received (0, 1)"),
        ((1, -2), ValueError, "must be positive, received (1, -2)"),
        ((1, 2, 3), ValueError, f"{PAIR}, received (1, 2, 3) with 3"),
        ((2,), ValueError, f"{PAIR}, received (2,) with 1"),
        ((), ValueError, f"{PAIR}, received () with 0"),
        (2**64, ValueError, "must fit in 64 bits"),
        (2.5, TypeError, f"{PAIR}, received 2.5 (float)"),
        (2.0, TypeError, f"{PAIR}, received 2.0 (float)"),
        (np.float32(2), TypeError, f"{PAIR}, received"),
        (True, TypeError, f"{PAIR}, received True (bool)"),
        (np.True_, TypeError, f"{PAIR}, received {np.True_!r} (bool)"),
        ((1, True), TypeError, f"{PAIR}, received (1, True) (bool)"),
        ((1, 2.5), TypeError, f"{PAIR}, received (1, 2.5) (float)"),
        ("2", TypeError, f"{PAIR}, received '2' (str)"),
        (None, TypeError, f"{PAIR}, received None (NoneType)"),
        (2j, TypeError, f"{PAIR}, received 2j (complex)"),
        (((1, 2), 3), TypeError, f"{PAIR}, received ((1, 2), 3) (tuple)"),
        ({1, 2}, TypeError, f"{PAIR}, received {{1, 2}} (set)"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_bad_pairs_are_refused(name, value, error, message):
    refused(error, f"`{name}` {message}", conv2d_geometry, X, W, **{name: value})


@pytest.mark.parametrize("name", ["pool_size", "strides"])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "must be positive, received 0"),
        (-2, ValueError, "must be positive, received -2"),
        ((2, 0), ValueError, "must be positive, received (2, 0)"),
        ((2, 2, 2), ValueError, f"{PAIR}, received (2, 2, 2) with 3"),
        (2.5, TypeError, f"{PAIR}, received 2.5 (float)"),
        (True, TypeError, f"{PAIR}, received True (bool)"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_bad_pooling_windows_are_refused(name, value, error, message):
    refused(error, f"`{name}` {message}", pool2d_geometry, X, **{name: value})


@pytest.mark.parametrize("geometry", [lambda **o: conv2d_geometry(X, W, **o), pool2d_geometry])
@pytest.mark.parametrize(
    ("padding", "error", "message"),
    [
        ("causal", ValueError, f"must be {FORMS}, received 'causal'"),
        ("", ValueError, f"must be {FORMS}, received ''"),
        ((1, 2, 3), ValueError, f"must be {FORMS}, received (1, 2, 3)"),
        ((1, 2, 3, 4), ValueError, f"must be {FORMS}, received (1, 2, 3, 4)"),
        ((1,), ValueError, f"must be {FORMS}, received (1,)"),
        (((1, 2), 3), ValueError, f"must be {FORMS}, received ((1, 2), 3)"),
        (((1, 2), (3,)), ValueError, f"must be {FORMS}, received ((1, 2), (3,))"),
        (-1, ValueError, "must not be negative, received -1"),
        (((0, 0), (0, -1)), ValueError, "must not be negative, received ((0, 0), (0, -1))"),
        (2**63, ValueError, "must fit in 64 bits"),
        (1.5, TypeError, f"must be {FORMS}, received 1.5 (float)"),
        (True, TypeError, f"must be {FORMS}, received True (bool)"),
        (None, TypeError, f"must be {FORMS}, received None (NoneType)"),
        (("same", "same"), TypeError, f"must be {FORMS}, received ('same', 'same') (str)"),
        (b"same", TypeError, f"must be {FORMS}, received b'same' (bytes)"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_bad_paddings_are_refused(geometry, padding, error, message):
    options = {} if geometry is not pool2d_geometry else {"input_shape": X}
    refused(error, f"`padding` {message}", geometry, padding=padding, **options)


@pytest.mark.parametrize(
    ("input_shape", "kernel_shape", "message"),
    [
        (X[:3], W, "`input_shape` must have 4 dimensions (N, H, W, C), received shape (2, 8, 9)"),
        ((*X, 1), W, "`input_shape` must have 4 dimensions (N, H, W, C), received shape"),
        (X, W[:3], "`kernel_shape` must have 4 dimensions (KH, KW, C / groups, K), received"),
        ((2, 0, 9, 4), W, "`input_shape` (N, H, W, C) must not be empty along H, received shape"),
        ((2, 8, 0, 4), W, "must not be empty along W, received shape (2, 8, 0, 4)"),
        ((2, 8, 9, 0), W, "must not be empty along C, received shape (2, 8, 9, 0)"),
        ((-2, 8, 9, 4), W, "`input_shape` must not be negative, received (-2, 8, 9, 4)"),
        (X, (0, 3, 4, 6), "must not be empty along KH, received shape (0, 3, 4, 6)"),
        (X, (3, 0, 4, 6), "must not be empty along KW, received shape (3, 0, 4, 6)"),
        (X, (3, 3, 0, 6), "must not be empty along C / groups, received shape (3, 3, 0, 6)"),
        (X, (3, 3, 4, 0), "must not be empty along K, received shape (3, 3, 4, 0)"),
        (X, (3, 3, 5, 6), "`kernel_shape` must have 4 input channels to match `input_shape` with"),
    ],
)
def test_bad_shapes_are_refused(input_shape, kernel_shape, message):
    refused(ValueError, message, conv2d_geometry, input_shape, kernel_shape)


@pytest.mark.parametrize(
    "shape", [8, None, "2894", (2, 8, 9.0, 4), (2, 8, True, 4), (2, "8", 9, 4)]
)
def test_shapes_of_something_else(shape):
    refused(TypeError, "`input_shape` must be a shape (N, H, W, C)", conv2d_geometry, shape, W)


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (0, ValueError, "`groups` must be positive, received 0"),
        (-1, ValueError, "`groups` must be positive, received -1"),
        (3, ValueError, "the channels of `input_shape` (=4) must be divisible by `groups` (=3)"),
        (4, ValueError, "the filters of `kernel_shape` (=6) must be divisible by `groups` (=4)"),
        (2, ValueError, "must have 2 input channels to match `input_shape` with 4 channels in 2"),
        (2.0, TypeError, "`groups` must be an integer, received 2.0 (float)"),
        (True, TypeError, "`groups` must be an integer, received True (bool)"),
        ((2, 2), TypeError, "`groups` must be an integer, received (2, 2) (tuple)"),
    ],
)
def test_bad_groups_are_refused(groups, error, message):
    refused(error, message, conv2d_geometry, X, W, groups=groups)


def test_windows_that_do_not_fit():
    message = "the effective kernel (9, 9) is larger than the padded input (8, 9)"
    refused(ValueError, message, conv2d_geometry, X, W, dilation_rate=4)
    message = "the effective kernel (3, 11) is larger than the padded input (10, 9)"
    refused(ValueError, message, conv2d_geometry, X, W, dilation_rate=(1, 5), padding=(1, 0))
    message = "the effective kernel (3, 3) is larger than the padded input (1, 1)"
    refused(ValueError, message, conv2d_geometry, (1, 1, 1, 4), W, strides=5)
    message = "the pool window (9, 2) is larger than the padded input (8, 9)"
    refused(ValueError, message, pool2d_geometry, X, pool_size=(9, 2))
    message = "the effective kernel (5) is larger than the padded input (4)"
    refused(ValueError, message, shapes.conv_output_length, 2, 3, 1, 1, 2)


def test_padding_modes_are_kept_or_refused():
    for mode in ("zeros", "edge", "reflect"):
        assert conv2d_geometry(X, W, padding=1, padding_mode=mode).padding_mode == mode
    message = '`padding_mode` must be one of "zeros", "edge", "reflect", received \'wrap\''
    refused(ValueError, message, conv2d_geometry, X, W, padding_mode="wrap")
    message = "`padding_mode` must be a string, received 0"
    refused(TypeError, message, conv2d_geometry, X, W, padding_mode=0)


def test_reflection_needs_pixels_to_reflect():
    longest = conv2d_geometry(X, W, padding=(7, 8), padding_mode="reflect")
    assert longest.padding == ((7, 7), (8, 8))
    message = (
        '`padding` must be smaller than the image for `padding_mode` "reflect", received '
        "((8, 7), (0, 0)) for a height and width of (8, 9)"
    )
    sides = ((8, 7), (0, 0))
    refused(ValueError, message, conv2d_geometry, X, W, padding=sides, padding_mode="reflect")
    assert conv2d_geometry(X, W, padding=20, padding_mode="edge").out_h == 46


@pytest.mark.parametrize(
    ("pool_size", "strides", "padding"),
    [
        (2, 2, 2),  # the first window lies above the image
        (2, 1, ((0, 2), (0, 0))),  # the last one below
        (2, 1, ((0, 0), (0, 2))),
        ((2, 3), 1, (1, 3)),
        (3, 2, ((0, 6), (0, 0))),
    ],
)
def test_pool_windows_wholly_in_padding(pool_size, strides, padding):
    message = f"leaves a pool window of {shapes.normalize_pair(pool_size, '')} wholly in the"
    options = {"pool_size": pool_size, "strides": strides, "padding": padding}
    refused(ValueError, message, pool2d_geometry, X, **options)


@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    pool=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    top=st.integers(0, 6),
    bottom=st.integers(0, 6),
    left=st.integers(0, 6),
    right=st.integers(0, 6),
)
def test_every_pool_window_that_is_accepted_covers_a_pixel(
    size, pool, strides, top, bottom, left, right
):
    sides = ((top, bottom), (left, right))
    covers = True
    for length, window, stride, (before, after) in zip(size, pool, strides, sides, strict=True):
        starts = range(-before, length + after - window + 1, stride)
        covers &= len(starts) > 0
        covers &= all(set(range(at, at + window)) & set(range(length)) for at in starts)
    options = {"pool_size": pool, "strides": strides, "padding": sides}
    if covers:
        pool2d_geometry((1, *size, 1), **options)
    else:
        with pytest.raises(ValueError, match=r"wholly in the padding|larger than the padded"):
            pool2d_geometry((1, *size, 1), **options)


# --------------------------------------------------------------------------------- overflow


@pytest.mark.parametrize(
    ("input_shape", "options", "message"),
    [
        (X, {"padding": HUGE}, "gives a padded length that does not fit in 64 bits"),
        (X, {"padding": ((HUGE, HUGE), (0, 0))}, "gives a padded length that does not fit"),
        (X, {"padding": 2**40}, "the padded image (in bytes, 8 per element) is too large"),
        (X, {"padding": 2**40, "strides": 2**40}, "the padded image (in bytes, 8 per element)"),
        (X, {"dilation_rate": 2**62}, "spans 9223372036854775809 elements, which does not fit"),
        (X, {"dilation_rate": 2**62, "padding": "same"}, "which does not fit in 64 bits"),
        ((2**31, 2**20, 2**20, 4), {}, "the input `input_shape` (in bytes, 8 per element) is too"),
        ((2**20, 2**21, 2**18, 4), {"padding": (2**19, 0)}, "the input `input_shape`"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_products_that_overflow_are_refused(input_shape, options, message):
    refused(ValueError, message, conv2d_geometry, input_shape, W, **options)


def test_outputs_that_overflow_are_refused():
    many = (1, 1, 4, 2**60)
    message = "the kernel `kernel_shape` (in bytes, 8 per element) is too large: 1 x 1 x 4 x"
    refused(ValueError, message, conv2d_geometry, X, many)
    batch = (2**30, 8, 8, 1)
    message = "the output (in bytes, 8 per element) is too large: 1073741824 x 8 x 8 x 1073741824"
    refused(ValueError, message, conv2d_geometry, batch, (1, 1, 1, 2**30))
    message = "`pool_size` must have at most 2147483647 places in all, received 65536"
    refused(ValueError, message, pool2d_geometry, X, pool_size=2**16, padding="same")


def test_sizes_beyond_32_bits_are_legal():
    geometry = conv2d_geometry((2**20, 2**10, 2**10, 4), (3, 3, 4, 2), padding="same")
    assert geometry.output_shape == (2**20, 2**10, 2**10, 2)
    assert shapes.checked_product((2**62, 1), "the output") == 2**62
    assert shapes.checked_product((), "nothing") == 1
    message = "the output is too large: 2 x 4611686018427387904 does not fit in 64 bits"
    refused(ValueError, message, shapes.checked_product, (2, 2**62), "the output")


def test_messages_use_the_names_of_the_caller():
    names = {"input_name": "x", "kernel_name": "w"}
    refused(ValueError, "`x` must have 4 dimensions", conv2d_geometry, X[:3], W, **names)
    refused(ValueError, "`w` must have 4 dimensions", conv2d_geometry, X, W[:2], **names)
    refused(ValueError, "channels of `x` (=4)", conv2d_geometry, X, W, groups=3, **names)
    refused(ValueError, "filters of `w` (=6)", conv2d_geometry, X, W, groups=4, **names)
    refused(ValueError, "to match `x`", conv2d_geometry, X, (3, 3, 2, 6), **names)
    refused(ValueError, "`x` must have 4", pool2d_geometry, X[:3], input_name="x")


ANYTHING = st.one_of(
    st.integers(-3, 12),
    st.integers(2**31 - 2, 2**65),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=6),
    st.lists(st.integers(-1, 5), max_size=4),
    st.lists(st.lists(st.integers(-1, 5), max_size=3), max_size=3),
)


@given(
    input_shape=st.one_of(ANYTHING, st.just(X)),
    kernel_shape=st.one_of(ANYTHING, st.just(W)),
    strides=ANYTHING,
    padding=st.one_of(ANYTHING, st.sampled_from(["same", "valid"])),
    dilation_rate=ANYTHING,
    groups=ANYTHING,
)
def test_whatever_comes_in_there_is_a_geometry_or_a_clear_error(
    input_shape, kernel_shape, strides, padding, dilation_rate, groups
):
    options = {
        "strides": strides,
        "padding": padding,
        "dilation_rate": dilation_rate,
        "groups": groups,
    }
    for changed in itertools.chain([options], ({key: options[key]} for key in options)):
        geometry, message = None, ""
        try:
            geometry = conv2d_geometry(input_shape, kernel_shape, **changed)
        except (TypeError, ValueError) as error:
            message = str(error)
        if geometry is None:
            assert re.search(r"`\w+`|the effective kernel|the padded image|the output", message)
        else:
            assert min(geometry.output_shape[1:]) >= 1
