"""An addition inside the convolution before it: the same bits as an addition of its own."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, ops, runtime, shapes
from fastconv.ops import compiled
from tests.test_fused_pooling import applicable, operations

# input (N, H, W, C), filters, kernel, arguments of the geometry
CASES = {
    "even": ((3, 8, 8, 16), 64, 3, {"padding": "same"}),
    "odd sizes": ((2, 9, 11, 5), 19, 3, {}),
    "few filters": ((3, 32, 32, 1), 6, 5, {}),
    "one filter": ((3, 12, 12, 3), 1, 3, {}),
    "5x5": ((2, 14, 13, 6), 16, 5, {"padding": "same"}),
    "several panels": ((2, 7, 6, 40), 150, 3, {"padding": "same"}),
    "stride 2": ((2, 17, 19, 24), 33, 3, {"strides": (2, 2), "padding": "same"}),
    "1x1": ((4, 6, 6, 12), 20, 1, {}),
    "several blocks of channels": ((1, 3, 5, 5000), 70, 1, {}),
    "groups": ((2, 6, 5, 12), 20, 3, {"groups": 2}),
    "many tiles": ((2, 15, 13, 20), 24, 3, {"padding": "same"}),
}


def apart(g, x, w, b, residual, activation, algorithm):
    """The sum of a convolution and a residual, each by an op of its own."""
    y = np.empty_like(residual)
    compiled.conv2d_forward(g, x, w, b, y, algorithm=algorithm).run(1)
    y = residual + y
    return getattr(ops, activation)(y) if activation != "linear" else y


def problem(case, dtype):
    shape, filters, kernel, options = CASES[case]
    kernel_shape = (kernel, kernel, shape[-1] // options.get("groups", 1), filters)
    g = shapes.conv2d_geometry(shape, kernel_shape, **options)
    rng = np.random.default_rng(5)
    sizes = (shape, kernel_shape, (filters,), g.output_shape)
    return g, *(rng.standard_normal(size).astype(dtype) for size in sizes)


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_of_an_addition_of_its_own(case, activation, isa, dtype):
    g, x, w, b, residual = problem(case, dtype)
    residual.flat[3] = np.nan
    for algorithm in applicable(g):
        want = apart(g, x, w, b, residual, activation, algorithm)
        assert np.isnan(want).sum() == 1
        for threads in (1, 2, 13):
            y = np.full_like(want, -7)
            op = compiled.conv2d_forward(
                g, x, w, b, y, activation, algorithm=algorithm, residual=residual
            )
            op.run(threads)
            assert np.array_equal(y, want, equal_nan=True), (algorithm, threads)


@pytest.mark.parametrize("algorithm", ["direct", "winograd4"])
def test_stores_past_the_caches(algorithm, isa):
    """The variant needs a y that begins with a cache line, and vectors of a whole one."""
    g, x, w, b, residual = problem("even", np.float32)
    want = apart(g, x, w, b, residual, "relu", algorithm)
    y = np.empty(want.size + 16, np.float32)
    y = y[-y.ctypes.data // 4 % 16 :][: want.size].reshape(want.shape)
    runtime.set_kernel_variants(forced=["nontemporal"])
    try:
        op = compiled.conv2d_forward(g, x, w, b, y, "relu", algorithm=algorithm, residual=residual)
        op.run(2)
        description = op.describe(2)
    finally:
        runtime.set_kernel_variants()
    store = description.get("problems", [description])[0]["store"]
    assert store == ("nontemporal" if isa == "avx512" or algorithm == "direct" else "cached")
    np.testing.assert_array_equal(y, want)


def test_residuals_that_cannot_be_added_are_refused():
    g, x, w, b, residual = problem("even", np.float32)
    y = np.empty_like(residual)
    for wrong in (residual[:, :4].copy(), y):
        with pytest.raises(ValueError, match=r"a residual of shape \(3, 8, 8, 64\) beside y"):
            compiled.conv2d_forward(g, x, w, b, y, residual=wrong)
    pooled = np.empty((3, 4, 4, 64), np.float32)
    with pytest.raises(ValueError, match="not depthwise and does not pool"):
        compiled.conv2d_forward(g, x, w, b, pooled, pool="max", residual=np.empty_like(pooled))
    g = shapes.conv2d_geometry((1, 4, 4, 4), (3, 3, 1, 4), padding="same", groups=4)
    x, w = np.zeros(g.input_shape, np.float32), np.zeros(g.kernel_shape, np.float32)
    with pytest.raises(ValueError, match="not depthwise and does not pool"):
        compiled.conv2d_forward(g, x, w, None, np.empty_like(x), residual=x)


# ----------------------------------------------------------------------------------------- networks


def residual_network(shortcut, *, main=None, activation=True):
    """x -> relu(main(x) + shortcut(x))"""
    inputs = layers.Input((6, 5, 8))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(x))
    y = main(y) if main else y
    y = layers.Add()([y, shortcut(x)])
    return models.Model(inputs, layers.ReLU()(y) if activation else y)


def identity(x):
    return x


@pytest.mark.parametrize("activation", [True, False])
def test_prediction_adds_within_the_convolution_and_training_does_not(activation):
    model = residual_network(identity, activation=activation)
    assert operations(model).count("Merge") == 0
    model.compile("sgd", "mse")
    x = np.random.default_rng(3).standard_normal((2, 6, 5, 8)).astype(np.float32)
    first, second = (each for each in model.layers if isinstance(each, layers.Conv2D))
    for each in model.layers:
        if isinstance(each, layers.BatchNormalization):
            scale = each.gamma.numpy() / np.sqrt(each.moving_variance.numpy() + each.epsilon)
    inner = ops.conv2d(x, *map(np.asarray, first.get_weights()), padding="same", activation="relu")
    kernel, bias = second.get_weights()
    want = ops.conv2d(inner, kernel * scale, bias * scale, padding="same") + inner
    want = np.maximum(want, 0) if activation else want
    np.testing.assert_allclose(model.predict(x, verbose=0), want, rtol=1e-5, atol=1e-6)
    with model._plan(2, "train", False, model._trained_parts()) as plan:
        assert [type(op).__name__ for op in plan._program.ops].count("Merge") > 0


def test_of_two_convolutions_the_later_one_adds():
    model = residual_network(layers.Conv2D(8, 1))
    names = operations(model)
    assert names.count("Merge") == 0
    assert names.count("DirectForward") + names.count("WinogradForward") == 3


@pytest.mark.parametrize("main", [layers.ReLU(), layers.MaxPooling2D(1), layers.Dropout(0.5)])
def test_other_operations_between_stay_apart(main):
    """A dropout is none in prediction."""
    names = operations(residual_network(identity, main=main))
    assert names.count("Merge") == (0 if isinstance(main, layers.Dropout) else 1)


def test_a_value_with_another_reader_is_not_fused():
    inputs = layers.Input((6, 5, 8))
    y = layers.Conv2D(8, 3, padding="same")(inputs)
    model = models.Model(inputs, [layers.Add()([y, inputs]), y])
    assert operations(model).count("Merge") == 1
    x = np.random.default_rng(4).standard_normal((2, 6, 5, 8)).astype(np.float32)
    total, part = model.predict(x, verbose=0)
    np.testing.assert_array_equal(total, part + x)


@pytest.mark.parametrize("narrow", ["convolution", "shortcut"])
def test_values_that_are_broadcast(narrow):
    """One of the two values is one pixel."""
    inputs = layers.Input((6, 5, 8))
    pixel = layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    convolution = layers.Conv2D(8, 1)
    y = convolution(pixel if narrow == "convolution" else inputs)
    other = inputs if narrow == "convolution" else pixel
    model = models.Model(inputs, layers.ReLU()(layers.Add()([other, y])))
    x = np.random.default_rng(4).standard_normal((2, 6, 5, 8)).astype(np.float32)
    mean = x.mean((1, 2), keepdims=True)
    kernel, bias = convolution.get_weights()
    if narrow == "convolution":
        want = x + (mean @ kernel[0, 0] + bias)
    else:
        want = x @ kernel[0, 0] + bias + mean
    np.testing.assert_allclose(
        model.predict(x, verbose=0), np.maximum(want, 0), rtol=1e-5, atol=1e-6
    )


def test_a_sum_of_three_stays_apart_and_a_doubled_value_too():
    inputs = layers.Input((6, 5, 8))
    y = layers.Conv2D(8, 3, padding="same")(inputs)
    assert operations(models.Model(inputs, layers.Add()([y, inputs, inputs]))).count("Merge") == 1
    assert operations(models.Model(inputs, layers.Add()([y, y]))).count("Merge") == 1
