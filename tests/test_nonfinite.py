"""NaN, infinities and denormals: where they go, and where they must not go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import ops, reference, runtime
from fastconv.ops import compiled
from tests.support.conv_cases import CASES, GRADIENT_CASES, sample
from tests.support.oracle import assert_equal, assert_same_bits, generator
from tests.support.pool_cases import CASES as POOL_CASES

# Every width family and every path of the kernels, with images of more than one pixel.
FIELD_CASES = tuple(case for case in sample(CASES, 3) if np.prod(case.input_shape[1:3]) > 1)
FIELD_GRADIENT_CASES = tuple(case for case in FIELD_CASES if case.has_gradients)


def one_pixel(case_name, shape):
    """Some pixel of some image, and one channel of it."""
    rng = generator(case_name, salt=6)
    return tuple(int(rng.integers(n)) for n in shape)


def reach(case, at) -> np.ndarray:
    """Which outputs depend on the input element `at`: a convolution of where it is, all taps 1."""
    where = np.zeros(case.input_shape)
    where[at] = 1
    return reference.conv2d(where, np.ones(case.kernel_shape), **case.forward_options) > 0


def reach_back(case, at) -> np.ndarray:
    """Which elements of dx depend on the element `at` of dy."""
    where = np.zeros(case.output_shape)
    where[at] = 1
    taps = np.ones(case.kernel_shape)
    shape = {"input_shape": case.input_shape}
    return reference.conv2d_backward_input(where, taps, **shape, **case.options) > 0


def assert_poisoned(clean, spoilt, where, value, context):
    """Exactly the elements `where` are not finite; all others have the bits they had."""
    if np.isnan(value):
        assert_equal(np.isnan(spoilt), where, context)
    else:
        assert_equal(~np.isfinite(spoilt), where, context)
    assert_same_bits(spoilt[~where], clean[~where], context)


@pytest.mark.parametrize("case", FIELD_CASES, ids=str)
def test_one_pixel_poisons_exactly_its_receptive_field(case, isa, dtype):
    rng = generator(case.name, salt=7)
    x, w, b = (
        rng.uniform(0.5, 1.5, shape).astype(dtype)
        for shape in (case.input_shape, case.kernel_shape, (case.filters,))
    )
    options = {"algorithm": "direct", **case.forward_options}
    clean = ops.conv2d(x, w, b, **options)
    at = one_pixel(case.name, case.input_shape)
    where = reach(case, at)
    for value in (np.nan, np.inf, -np.inf):
        x[at] = value
        assert_poisoned(clean, ops.conv2d(x, w, b, **options), where, value, "y")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("case", FIELD_GRADIENT_CASES, ids=str)
def test_gradients_are_poisoned_exactly_where_they_depend_on_it(case, value, isa, dtype):
    rng = generator(case.name, salt=7)
    x, w, dy = (
        rng.uniform(0.5, 1.5, shape).astype(dtype)
        for shape in (case.input_shape, case.kernel_shape, case.output_shape)
    )
    to_input = {"input_shape": case.input_shape, "algorithm": "direct", **case.options}
    to_kernel = {"kernel_size": case.kernel_size, "algorithm": "direct", **case.options}
    clean_dx = ops.conv2d_backward_input(dy, w, **to_input)
    clean_dw, clean_db = ops.conv2d_backward_kernel(x, dy, **to_kernel)

    at = one_pixel(case.name, case.output_shape)
    spoilt = dy.copy()
    spoilt[at] = value
    dx = ops.conv2d_backward_input(spoilt, w, **to_input)
    assert_poisoned(clean_dx, dx, reach_back(case, at), value, "dx")
    # Whether padding times a NaN counts is a matter of taste; other filters are out of its reach.
    dw, db = ops.conv2d_backward_kernel(x, spoilt, **to_kernel)
    others = np.arange(case.filters) != at[3]
    assert_same_bits(dw[..., others], clean_dw[..., others], "dw")
    assert_poisoned(clean_db, db, ~others, value, "db")

    at = one_pixel(case.name, case.input_shape)
    where = np.zeros(case.input_shape)
    where[at] = 1
    touched, _ = reference.conv2d_backward_kernel(
        where, np.ones(case.output_shape), kernel_size=case.kernel_size, **case.options
    )
    x[at] = value
    dw, db = ops.conv2d_backward_kernel(x, dy, **to_kernel)
    assert_poisoned(clean_dw, dw, touched > 0, value, "dw")
    assert_same_bits(db, clean_db, "db")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "rows, inputs, outputs", [(1, 9, 17), (2, 70, 33), (7, 40, 65), (30, 5, 8)]
)
def test_dense_rows_do_not_mix(rows, inputs, outputs, value, isa, dtype):
    rng = generator(f"{rows} {inputs} {outputs}")
    x, w, dy = (
        rng.uniform(0.5, 1.5, shape).astype(dtype)
        for shape in ((rows, inputs), (inputs, outputs), (rows, outputs))
    )
    y, dx = ops.dense(x, w), ops.dense_backward_input(dy, w)
    dw, db = ops.dense_backward_kernel(x, dy)
    spoilt_x, spoilt_dy = x.copy(), dy.copy()
    spoilt_x[rows // 2, inputs // 2] = value
    spoilt_dy[rows // 2, outputs // 2] = value
    row = np.arange(rows)[:, None] == rows // 2
    assert_poisoned(y, ops.dense(spoilt_x, w), row | np.zeros(y.shape, bool), value, "y")
    back = ops.dense_backward_input(spoilt_dy, w)
    assert_poisoned(dx, back, row | np.zeros(dx.shape, bool), value, "dx")
    new_dw, new_db = ops.dense_backward_kernel(spoilt_x, dy)
    line = np.arange(inputs)[:, None] == inputs // 2
    assert_poisoned(dw, new_dw, line | np.zeros(dw.shape, bool), value, "dw")
    assert_same_bits(new_db, db)
    new_dw, new_db = ops.dense_backward_kernel(x, spoilt_dy)
    column = np.arange(outputs) == outputs // 2
    assert_poisoned(dw, new_dw, column | np.zeros(dw.shape, bool), value, "dw")
    assert_poisoned(db, new_db, column, value, "db")


# ------------------------------------------------------------------------------------------ pooling


@pytest.mark.parametrize("case", POOL_CASES[::2], ids=str)
def test_max_pool_of_nan_is_nan(case, isa, dtype):
    rng = generator(case.name, salt=6)
    x = rng.standard_normal(case.input_shape).astype(dtype)
    spoilt = rng.choice(x.size, size=max(1, x.size // 10), replace=False)
    x.reshape(-1)[spoilt] = np.nan
    y, argmax = ops.max_pool2d(x, return_argmax=True, **case.options)
    expected, first = reference.max_pool2d(x, return_argmax=True, **case.options)
    np.testing.assert_array_equal(y, expected.astype(dtype))  # NaN where NaN is expected
    assert_equal(argmax.astype(np.int64), first)
    np.testing.assert_array_equal(ops.max_pool2d(x, **case.options), y)


@pytest.mark.parametrize("case", POOL_CASES[::2], ids=str)
def test_max_pool_of_infinities(case, isa, dtype):
    """A window of nothing but -inf has the maximum -inf; padding does not raise it."""
    x = np.full(case.input_shape, -np.inf, dtype)
    y, argmax = ops.max_pool2d(x, return_argmax=True, **case.options)
    assert_equal(y, np.full(case.output_shape, -np.inf, dtype))
    _, first = reference.max_pool2d(x, return_argmax=True, **case.options)
    assert_equal(argmax.astype(np.int64), first)
    x[:, -1, -1] = np.inf
    assert_equal(ops.max_pool2d(x, **case.options), reference.max_pool2d(x, **case.options))


@pytest.mark.parametrize("case", POOL_CASES[::3], ids=str)
def test_average_pool_spreads_nan_over_its_windows_only(case, isa, dtype):
    rng = generator(case.name, salt=6)
    x = rng.uniform(0.5, 1.5, case.input_shape).astype(dtype)
    clean = ops.avg_pool2d(x, **case.options)
    at = one_pixel(case.name, case.input_shape)
    where = np.zeros(case.input_shape)
    where[at] = 1
    x[at] = np.nan
    spoilt = ops.avg_pool2d(x, **case.options)
    touched = reference.avg_pool2d(where, **case.options) > 0
    assert_poisoned(clean, spoilt, touched, np.nan, "y")


# -------------------------------------------------------------------------------------- activations


def test_activations_of_nan(isa, dtype):
    for size in (1, 5, 16, 33):
        x = np.full(size, np.nan, dtype)
        for kind in ("relu", "leaky_relu", "sigmoid", "tanh"):
            assert np.isnan(getattr(ops, kind)(x)).all(), kind
        assert np.isnan(ops.softmax(x)).all()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "tanh"])
def test_fused_activations_keep_nan(activation, isa, dtype):
    x, w = np.ones((2, 5, 4, 3), dtype), np.ones((2, 2, 3, 19), dtype)
    w[0, 0, 0, 7] = np.nan
    y = ops.conv2d(x, w, activation=activation)
    assert_equal(np.isnan(y), np.broadcast_to(np.arange(19) == 7, y.shape))
    y = ops.dense(x.reshape(2, 60), np.full((60, 19), np.nan, dtype), activation=activation)
    assert np.isnan(y).all()


def test_relu_of_infinities_and_signed_zeros(isa, dtype):
    x = np.array([np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0] * 7, dtype)
    assert_equal(ops.relu(x), np.array([np.inf, 0, 0, 0, 1, 0] * 7, dtype))
    assert_equal(ops.leaky_relu(x, negative_slope=0.5), np.where(x > 0, x, x * dtype(0.5)))


def test_gradients_pass_where_the_output_is_nan(isa, dtype):
    """A NaN output neither stops the gradient nor hides that something went wrong."""
    y = np.array([np.nan, -1.0, 0.0, 2.0] * 9, dtype)
    dy = np.arange(1, 37).astype(dtype)
    assert_equal(ops.relu_backward(y, dy), np.where(y <= 0, 0, dy))
    expected = np.where(y <= 0, dtype(0.25) * dy, dy)
    assert_equal(ops.leaky_relu_backward(y, dy, negative_slope=0.25), expected)
    for kind in ("sigmoid", "tanh"):
        assert np.isnan(getattr(ops, f"{kind}_backward")(y, dy)[::4]).all()


def test_a_nan_logit_shows_in_its_own_loss_only(isa, dtype):
    logits = np.zeros((5, 10), dtype)
    logits[2, 3] = np.nan
    loss, gradient = np.zeros(5), np.zeros((5, 10), dtype)
    compiled.SoftmaxCrossEntropy(logits, np.zeros(5, np.int64), gradient, loss).run(1)
    assert_equal(np.isnan(loss), np.arange(5) == 2)
    assert_equal(np.isnan(gradient).all(axis=1), np.arange(5) == 2)


# ---------------------------------------------------------------------------------------- denormals


def smallest_normal(dtype):
    return float(np.finfo(dtype).smallest_normal)


def test_denormals_are_preserved(isa, dtype):
    tiny = smallest_normal(dtype) / 4
    x = np.full((2, 6, 5, 19), tiny, dtype)
    assert 0 < x.min() < smallest_normal(dtype)
    w = np.zeros((1, 1, 19, 19), dtype)
    w[0, 0] = np.eye(19)
    for threads in (1, 2):
        assert_equal(ops.conv2d(x, w, num_threads=threads), x)
        assert_equal(ops.conv2d_backward_input(x, w, input_shape=x.shape, num_threads=threads), x)
        dw, _ = ops.conv2d_backward_kernel(
            x[:1, :1, :1], np.ones((1, 1, 1, 19), dtype), kernel_size=1, num_threads=threads
        )
        assert_equal(dw, np.full(dw.shape, tiny, dtype))
    ones = np.ones((3, 3, 1, 19), dtype)
    kept = ops.conv2d(x, ones, groups=19, padding="same")
    assert_equal(kept, reference.conv2d(x, ones, groups=19, padding="same"))
    assert_equal(ops.dense(x.reshape(60, 19), w[0, 0]), x.reshape(60, 19))
    assert_equal(ops.max_pool2d(x), x[:, :3, :2])
    assert_equal(ops.avg_pool2d(x), x[:, :3, :2])
    assert_equal(ops.relu(x), x)
    assert_equal(ops.leaky_relu(-x, negative_slope=0.5), -x / 2)
    assert_equal(ops.tanh(x), x)


def test_denormals_are_flushed_on_request(isa, dtype):
    """In all threads of an operation, and nowhere else."""
    tiny = np.full((9, 20, 20, 32), smallest_normal(dtype) / 4, dtype)
    w = np.zeros((1, 1, 32, 32), dtype)
    w[0, 0] = np.eye(32)
    runtime.set_flush_denormals(True)
    try:
        assert runtime.flush_denormals()
        for threads in (1, 2):
            assert_equal(ops.conv2d(tiny, w, num_threads=threads), np.zeros_like(tiny))
            assert (tiny / 2 > 0).all()  # NumPy's own arithmetic, in this thread
    finally:
        runtime.set_flush_denormals(False)
    assert_equal(ops.conv2d(tiny, w, num_threads=2), tiny)
    with pytest.raises(TypeError, match="`flush` must be True or False, received 1"):
        runtime.set_flush_denormals(1)


def test_the_floating_point_mode_is_left_alone():
    """Neither the import nor parallel work makes the caller's thread flush denormals."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(fastconv.__file__).parents[1])!r})\n"
        "import numpy as np\n"
        "half = np.float32(0.5)\n"
        "def works():\n"
        "    tiny = np.full(64, np.finfo(np.float32).smallest_normal)\n"
        "    return bool((tiny * half > 0).all()) and sys.float_info.min / 2 > 0\n"
        "before = works()\n"
        "from fastconv import ops\n"
        "imported = works()\n"
        "ops.conv2d(np.ones((9, 20, 20, 32), 'f4'), np.ones((3, 3, 32, 32), 'f4'), num_threads=2)\n"
        "print(before, imported, works())\n"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert child.stdout.split() == ["True"] * 3, child.stderr


def test_overflow_becomes_infinite_not_wrong(isa, dtype):
    big = float(np.finfo(dtype).max)
    x, w = np.full((1, 4, 4, 9), big, dtype), np.ones((3, 3, 9, 17), dtype)
    assert_equal(ops.conv2d(x, w), np.full((1, 2, 2, 17), np.inf, dtype))
    assert_equal(ops.dense(x.reshape(1, -1), np.ones((144, 5), dtype)), np.full((1, 5), np.inf))


def test_every_gradient_case_is_covered():
    families = {case.name.split("-")[0] for case in GRADIENT_CASES}
    covered = {case.name.split("-")[0] for case in FIELD_GRADIENT_CASES}
    assert covered == families
