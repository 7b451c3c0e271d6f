"""What bad arrays get: wrong dtypes, unsuitable `out`, empty axes, targets that do not fit.

A refused call must not have written anything either.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, runtime, shapes
from fastconv.ops import compiled
from tests.support.legal_calls import (
    B,
    W,
    X,
    avg_pool,
    avg_pool_backward,
    backward_input,
    backward_kernel,
    col2im,
    conv2d,
    im2col,
    max_pool,
    max_pool_backward,
)
from tests.support.oracle import assert_equal

# --------------------------------------------------------------------------------- dtype and memory

WRONG_DTYPES = ("O", "U3", "c8", "c16", "?", "i4", "u1", "f2", "M8[s]", np.dtype(np.longdouble).str)


@pytest.mark.parametrize("dtype", WRONG_DTYPES)
def test_other_dtypes_than_float32_and_float64_are_refused(dtype):
    wrong = np.zeros(X.shape, np.dtype(dtype))
    message = "must be float32 or float64, received"
    for call in (conv2d, max_pool, avg_pool, im2col, backward_kernel):
        with pytest.raises(TypeError, match=f"`x` {message}"):
            call(x=wrong)
    with pytest.raises(TypeError, match=f"`w` {message}"):
        conv2d(w=np.zeros(W.shape, dtype))
    with pytest.raises(TypeError, match=f"`b` {message}"):
        conv2d(b=np.zeros(8, dtype))
    for call in (backward_input, backward_kernel):
        with pytest.raises(TypeError, match=f"`dy` {message}"):
            call(dy=np.zeros((1, 4, 3, 8), dtype))
    for call in (max_pool_backward, avg_pool_backward):
        with pytest.raises(TypeError, match=f"`dy` {message}"):
            call(dy=np.zeros((1, 3, 2, 4), dtype))
    with pytest.raises(TypeError, match=f"`cols` {message}"):
        col2im(cols=np.zeros((36, 12), dtype))
    matrix = np.zeros((5, 4), dtype)
    with pytest.raises(TypeError, match=f"`x` {message}"):
        ops.dense(matrix, W[0, 0])
    for name in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        with pytest.raises(TypeError, match=f"`x` {message}"):
            getattr(ops, name)(matrix)
        with pytest.raises(TypeError, match=f"`y` {message}"):
            getattr(ops, f"{name}_backward")(matrix, matrix)
    for loss, name in (
        (ops.softmax_cross_entropy, "logits"),
        (ops.cross_entropy, "probabilities"),
        (ops.mean_squared_error, "prediction"),
    ):
        with pytest.raises(TypeError, match=f"`{name}` {message}"):
            loss(matrix, X[0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_do_not_mix(dtype):
    """Neither float64 is cut to float32 nor float32 widened behind the caller's back."""
    other = np.float64 if dtype is np.float32 else np.float32
    x, w, b = X.astype(dtype), W.astype(dtype), B.astype(dtype)
    message = rf"must have the dtype of .*{np.dtype(dtype)}, received {np.dtype(other)}"
    with pytest.raises(TypeError, match=f"`w` {message}"):
        ops.conv2d(x, w.astype(other))
    with pytest.raises(TypeError, match=f"`b` {message}"):
        ops.conv2d(x, w, b.astype(other))
    dy = np.ones((1, 4, 3, 8), dtype)
    with pytest.raises(TypeError, match=f"`w` {message}"):
        ops.conv2d_backward_input(dy, w.astype(other), input_shape=x.shape)
    with pytest.raises(TypeError, match=f"`dy` {message}"):
        ops.conv2d_backward_kernel(x, dy.astype(other), kernel_size=3)
    x, w = x[0, 0], w[0, 0]
    with pytest.raises(TypeError, match=f"`w` {message}"):
        ops.dense(x, w.astype(other))
    with pytest.raises(TypeError, match=f"`w` {message}"):
        ops.dense_backward_input(x, w.astype(other))
    with pytest.raises(TypeError, match=f"`dy` {message}"):
        ops.dense_backward_kernel(x, x.astype(other))
    for name in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        with pytest.raises(TypeError, match=f"`dy` {message}"):
            getattr(ops, f"{name}_backward")(x, x.astype(other))
    for loss in (ops.softmax_cross_entropy, ops.cross_entropy, ops.mean_squared_error):
        with pytest.raises(TypeError, match=f"`targets` {message}"):
            loss(x, x.astype(other))
        with pytest.raises(TypeError, match=f"`sample_weight` {message}"):
            loss(x, x, sample_weight=np.ones(5, other))
    with pytest.raises(TypeError, match=f"`out` must have dtype {np.dtype(dtype)}"):
        ops.relu(x, out=np.empty(x.shape, other))


def test_only_arrays_are_arrays():
    for wrong in ([[1.0, 2.0]], 3.0, None, "x", memoryview(b"1234")):
        with pytest.raises(TypeError, match="`x` must be a NumPy array, received"):
            ops.conv2d(wrong, W)
        with pytest.raises(TypeError, match="`x` must be a NumPy array, received"):
            ops.relu(wrong)
    with pytest.raises(TypeError, match="`x` must be a plain NumPy array, received a masked array"):
        ops.relu(np.ma.masked_array(X, X > 1))


def out_takers():
    """(name, call with `out`, shape of the result, an input that `out` may not overlap)."""
    dy, dp = np.ones((1, 4, 3, 8), np.float32), np.ones((1, 3, 2, 4), np.float32)
    argmax = np.zeros((1, 3, 2, 4), np.uint8)
    x, w = X[0, 0].copy(), W[0, 0].copy()
    yield "conv2d", lambda out, x=X: ops.conv2d(x, W, B, out=out), (1, 4, 3, 8)
    yield (
        "conv2d_backward_input",
        lambda out: ops.conv2d_backward_input(dy, W, input_shape=X.shape, out=out),
        X.shape,
    )
    yield "max_pool2d", lambda out: ops.max_pool2d(X, out=out), (1, 3, 2, 4)
    yield (
        "max_pool2d_backward",
        lambda out: ops.max_pool2d_backward(dp, argmax, input_shape=X.shape, out=out),
        X.shape,
    )
    yield "avg_pool2d", lambda out: ops.avg_pool2d(X, out=out), (1, 3, 2, 4)
    yield (
        "avg_pool2d_backward",
        lambda out: ops.avg_pool2d_backward(dp, input_shape=X.shape, out=out),
        X.shape,
    )
    yield "dense", lambda out: ops.dense(x, w, out=out), (5, 8)
    yield "dense_backward_input", lambda out: ops.dense_backward_input(x @ w, w, out=out), (5, 4)
    for kind in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        yield kind, lambda out, kind=kind: getattr(ops, kind)(X, out=out), X.shape
        yield (
            f"{kind}_backward",
            lambda out, kind=kind: getattr(ops, f"{kind}_backward")(X, X, out=out),
            X.shape,
        )


OUT_TAKERS = tuple(out_takers())


@pytest.mark.parametrize(
    "call, shape", [item[1:] for item in OUT_TAKERS], ids=[i[0] for i in OUT_TAKERS]
)
def test_an_out_of_the_wrong_dtype_shape_or_layout_is_refused(call, shape):
    good = np.full(shape, -7, np.float32)
    assert call(good) is good

    read_only = np.full(shape, -7, np.float32)
    read_only.flags.writeable = False
    doubled = np.full((*shape[:-1], 2 * shape[-1]), -7, np.float32)
    wider = np.full((*shape[:-1], shape[-1] + 1), -7, np.float32)
    one = np.full((1,) * len(shape), -7, np.float32)
    stride_0 = np.lib.stride_tricks.as_strided(one, shape, (0,) * len(shape))
    raw = np.full(good.nbytes + 8, 249, np.uint8)
    misaligned = raw[1 : 1 + good.nbytes].view(np.float32).reshape(shape)
    refused = [
        (read_only, ValueError, "`out` must be writable"),
        (doubled[..., ::2], ValueError, "`out` must be C-contiguous"),
        (wider[..., :-1], ValueError, "`out` must be C-contiguous"),
        (good[..., ::-1], ValueError, "`out` must be C-contiguous"),
        (stride_0, ValueError, "`out` must be C-contiguous"),
        (misaligned, ValueError, "`out` must be C-contiguous and aligned"),
        (wider, ValueError, "`out` must have shape"),
        (good[None], ValueError, "`out` must have shape"),
        (good.astype(np.float64), TypeError, "`out` must have dtype float32, received float64"),
        (good.astype(">f4"), TypeError, "`out` must have dtype float32, received >f4"),
        (good.astype(np.int32), TypeError, "`out` must have dtype float32, received int32"),
        (good.tolist(), TypeError, "`out` must be a NumPy array, received list"),
        (True, TypeError, "`out` must be a NumPy array, received bool"),
    ]
    for out, error, message in refused:
        before = np.array(out)
        with pytest.raises(error, match=message):
            call(out)
        assert np.array_equal(before, np.array(out)), f"{message}: `out` was written all the same"


def test_out_must_not_overlap_an_input():
    memory = np.ones(4096, np.float32)
    x = memory[:120].reshape(1, 6, 5, 4)
    for begin in (0, 1, 24, 119):  # identical, shifted, inside, the last element only
        out = memory[begin : begin + 96].reshape(1, 4, 3, 8)
        with pytest.raises(ValueError, match="`out` must not overlap `x`"):
            ops.conv2d(x, W, out=out)
    apart = memory[120:216].reshape(1, 4, 3, 8)  # begins where x ends
    assert ops.conv2d(x, W, out=apart) is apart
    memory[:] = 1
    w = memory[: W.size].reshape(W.shape)
    out = memory[W.size - 1 : W.size + 95].reshape(1, 4, 3, 8)
    with pytest.raises(ValueError, match="`out` must not overlap `w`"):
        ops.conv2d(X, w, out=out)
    b = memory[200:208]
    with pytest.raises(ValueError, match="`out` must not overlap `b`"):
        ops.conv2d(X, W, b, out=memory[207:303].reshape(1, 4, 3, 8))
    with pytest.raises(ValueError, match="`out` must not overlap `w`"):
        ops.conv2d_backward_input(
            np.ones((1, 4, 3, 8), "f4"), w, input_shape=X.shape, out=memory[:120].reshape(X.shape)
        )
    with pytest.raises(ValueError, match="`out` must not overlap `x`"):
        ops.max_pool2d(x, out=memory[96:120].reshape(1, 3, 2, 4))
    dy = memory[:24].reshape(1, 3, 2, 4)
    with pytest.raises(ValueError, match="`out` must not overlap `dy`"):
        ops.avg_pool2d_backward(dy, input_shape=X.shape, out=memory[:120].reshape(X.shape))
    with pytest.raises(ValueError, match="`out` must not overlap `x`"):
        ops.dense(memory[:20].reshape(5, 4), W[0, 0], out=memory[19:59].reshape(5, 8))
    with pytest.raises(ValueError, match="`out` must not overlap `y`"):
        ops.relu_backward(x, X, out=x)
    assert (memory == 1).all(), "a refused call wrote"


def test_elementwise_in_place_is_exactly_in_place():
    memory = np.linspace(-1, 1, 64, dtype=np.float32)
    x = memory[:32]
    for kind in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        expected = getattr(ops, kind)(x.copy())
        work = x.copy()
        assert getattr(ops, kind)(work, out=work) is work
        assert_equal(work, expected, kind)
        with pytest.raises(ValueError, match="`out` must not overlap `x`"):
            getattr(ops, kind)(x, out=memory[1:33])
        dy = np.ones(32, np.float32)
        expected = getattr(ops, f"{kind}_backward")(work, dy)
        assert getattr(ops, f"{kind}_backward")(work, dy, out=dy) is dy
        assert_equal(dy, expected, kind)


# -------------------------------------------------------------------------------------------- empty


@pytest.mark.parametrize("axis, letter", [(1, "H"), (2, "W"), (3, "C")])
def test_an_empty_image_is_refused(axis, letter):
    shape = tuple(0 if i == axis else n for i, n in enumerate(X.shape))
    x = np.zeros(shape, np.float32)
    message = rf"`x` \(N, H, W, C\) must not be empty along {letter}, received shape"
    for call in (conv2d, max_pool, avg_pool, im2col, backward_kernel):
        with pytest.raises(ValueError, match=message):
            call(x=x)
    message = rf"`input_shape` \(N, H, W, C\) must not be empty along {letter}"
    for call in (backward_input, max_pool_backward, avg_pool_backward, col2im):
        with pytest.raises(ValueError, match=message):
            call(input_shape=shape)


@pytest.mark.parametrize("axis", range(4))
def test_empty_filters_are_refused(axis):
    w = np.zeros(tuple(0 if i == axis else n for i, n in enumerate(W.shape)), np.float32)
    for call in (conv2d, backward_input):
        with pytest.raises(ValueError, match="`w` .*must not be empty along"):
            call(w=w)
    if axis == 3:
        with pytest.raises(ValueError, match="`dy` .*must not be empty along K"):
            backward_kernel(dy=np.zeros((1, 4, 3, 0), np.float32))


def test_empty_matrices_are_refused():
    x, w = np.zeros((2, 3), np.float32), np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="`x` .*must not be empty along I"):
        ops.dense(x[:, :0], w[:0])
    with pytest.raises(ValueError, match="`w` .*must not be empty along O"):
        ops.dense(x, w[:, :0])
    with pytest.raises(ValueError, match="must not be empty"):
        ops.dense_backward_input(x[:, :0], w[:, :0])
    with pytest.raises(ValueError, match="must not be empty"):
        ops.dense_backward_kernel(x, x[:, :0])
    with pytest.raises(ValueError, match="at least one class"):
        ops.softmax(x[:, :0])
    with pytest.raises(ValueError, match="must not be empty along C"):
        ops.softmax_cross_entropy(x[:, :0], x[:, :0])


def test_an_empty_batch_has_a_loss_of_zero():
    logits = np.zeros((0, 10), np.float32)
    for targets in (logits, np.zeros(0, np.int64)):
        loss, gradient = ops.softmax_cross_entropy(logits, targets)
        assert loss == 0 and gradient.shape == (0, 10)
    assert ops.mean_squared_error(logits, logits)[0] == 0


def test_an_empty_batch_is_judged_like_any_other():
    """A wrong argument is refused even if there is no work to do."""
    x = np.zeros((0, 6, 5, 4), np.float32)
    with pytest.raises(ValueError, match="`strides` must be positive"):
        ops.conv2d(x, W, strides=0)
    with pytest.raises(ValueError, match="larger than the padded input"):
        ops.max_pool2d(x, pool_size=9)
    with pytest.raises(TypeError, match="`w` must have the dtype"):
        ops.conv2d(x, W.astype(np.float64))
    with pytest.raises(ValueError, match="`out` must have shape"):
        ops.conv2d(x, W, out=np.zeros((1, 4, 3, 8), np.float32))


# ------------------------------------------------------------------------------------------- losses


def test_labels_out_of_range_are_named():
    logits = np.zeros((4, 3), np.float32)
    for labels, message in (
        ([0, 1, 3, 2], r"labels in \[0, 3\), received 3 at index 2"),
        ([0, -1, 0, 0], r"labels in \[0, 3\), received -1 at index 1"),
    ):
        for loss in (ops.softmax_cross_entropy, ops.cross_entropy):
            with pytest.raises(ValueError, match=message):
                loss(logits, np.array(labels))
    with pytest.raises(ValueError, match="received 18446744073709551615 at index 0"):
        ops.softmax_cross_entropy(logits, np.array([2**64 - 1, 0, 0, 0], np.uint64))


def test_targets_must_fit_the_logits():
    logits = np.zeros((4, 3), np.float32)
    for wrong in (
        np.zeros((4, 2), np.float32),
        np.zeros((3, 3), np.float32),
        np.zeros(4, np.float32),
    ):
        with pytest.raises(ValueError, match="`targets` must have shape"):
            ops.softmax_cross_entropy(logits, wrong)
    for wrong in (np.zeros(3, int), np.zeros((4, 1), int), np.zeros((4, 3), int)):
        with pytest.raises(ValueError, match=r"`targets` must have shape \(4,\)"):
            ops.softmax_cross_entropy(logits, wrong)
    with pytest.raises(TypeError, match="`targets` must be float32 or float64, received bool"):
        ops.softmax_cross_entropy(logits, np.zeros((4, 3), bool))
    with pytest.raises(ValueError, match=r"`sample_weight` must have shape \(4,\)"):
        ops.softmax_cross_entropy(logits, logits, sample_weight=np.ones((4, 1), np.float32))
    with pytest.raises(ValueError, match="`logits` must have 2 dimensions"):
        ops.softmax_cross_entropy(logits[0], np.array([0]))


# --------------------------------------------------------------------- the seam below the functions


def test_the_extension_checks_shapes_too():
    """Cheap assertions below the validated functions: a slip in a plan must not become a crash."""
    geometry = shapes.conv2d_geometry(X.shape, W.shape)
    y = np.empty((1, 4, 3, 8), np.float32)
    for x, w, b, out in (
        (X[:, :5].copy(), W, B, y),
        (X, W[:2].copy(), B, y),
        (X, W, B[:7].copy(), y),
        (X, W, B, y[:, :3].copy()),
        (X[..., ::-1], W, B, y),
    ):
        with pytest.raises(ValueError, match=r"shape|contiguous"):
            compiled.conv2d_forward(geometry, x, w, b, out)
    with pytest.raises(ValueError, match="shape"):
        compiled.conv2d_backward_input(geometry, y, W, X[:, :5].copy())
    with pytest.raises(ValueError, match="shape"):
        compiled.conv2d_backward_kernel(geometry, X, y, np.empty_like(W)[:2].copy(), None)
    with pytest.raises((TypeError, ValueError)):
        compiled.conv2d_forward(geometry, X, W.astype(np.float64), B, y)
    edge = shapes.conv2d_geometry(X.shape, W.shape, padding=1, padding_mode="edge")
    with pytest.raises(ValueError, match="edge|zeros"):
        compiled.conv2d_backward_input(
            edge, np.empty((1, 6, 5, 8), np.float32), W, np.empty_like(X)
        )
    pool = shapes.pool2d_geometry(X.shape)
    p = np.empty((1, 3, 2, 4), np.float32)
    with pytest.raises(ValueError, match="shape"):
        compiled.MaxPoolForward(pool, X, p[:, :2].copy(), None)
    with pytest.raises(ValueError, match="argmax"):
        compiled.MaxPoolForward(pool, X, p, np.empty(p.shape, np.int32))
    with pytest.raises(ValueError, match="shape"):
        compiled.DenseForward(X[0, 0], W[0, 0][:3].copy(), None, np.empty((5, 8), np.float32))
    with pytest.raises(ValueError, match="shape"):
        compiled.ActivationForward("relu", X, np.empty((1, 6, 5, 3), np.float32))
    with pytest.raises(ValueError, match="loss"):
        compiled.SoftmaxCrossEntropy(X[0, 0], X[0, 0].copy(), None, np.empty(5, np.float32))
    with pytest.raises(ValueError, match="rate"):
        compiled.Dropout(X, np.empty_like(X), 1.0, 0)
    with pytest.raises(ValueError, match="num_threads"):
        compiled.conv2d_forward(geometry, X, W, B, y).run(0)


def test_unknown_and_unsupported_instruction_sets():
    with pytest.raises(ValueError, match="unknown instruction set 'sse9'.*scalar"):
        runtime.set_isa("sse9")
    before, available = runtime.isa(), set(runtime.available_isas())
    lacking = {"avx512", "avx2", "neon", "scalar"} - available  # no machine has all of them
    for name in lacking:
        with pytest.raises(
            RuntimeError, match=f"{name}.*(not supported|not in this build).*scalar"
        ):
            runtime.set_isa(name)
    assert lacking and runtime.isa() == before


def test_a_refused_call_leaves_everything_usable():
    expected = conv2d()
    for options in ({"strides": 0}, {"padding": "odd"}, {"groups": 3}, {"num_threads": 0}):
        with pytest.raises(ValueError, match="received|groups"):
            conv2d(**options)
        assert_equal(conv2d(), expected)
