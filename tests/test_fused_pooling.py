"""A pooling of 2x2 windows inside the convolution before it: the same bits as one of its own."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, ops, shapes
from fastconv.ops import compiled

POOLS = {"max": ops.max_pool2d, "average": ops.avg_pool2d}
LAYERS = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}

# input (N, H, W, C), filters, kernel, arguments of the geometry
CASES = {
    "even": ((3, 8, 8, 16), 64, 3, {"padding": "same"}),
    "odd sizes": ((2, 9, 11, 5), 19, 3, {}),
    "one channel": ((5, 28, 28, 1), 32, 3, {}),
    "few filters": ((3, 32, 32, 1), 6, 5, {}),
    "5x5": ((2, 14, 13, 6), 16, 5, {"padding": "same"}),
    "several panels": ((2, 7, 6, 40), 150, 3, {"padding": "same"}),
    "streamed filters": ((1, 9, 7, 180), 190, 3, {"padding": "same"}),
    "stride 2": ((2, 17, 19, 24), 33, 3, {"strides": (2, 2), "padding": "same"}),
    "a wide row": ((1, 4, 803, 3), 8, 3, {}),
    "1x1": ((4, 6, 6, 12), 20, 1, {}),
    "dilated": ((2, 12, 12, 4), 17, 3, {"dilation_rate": (2, 2)}),
    "one window": ((2, 3, 3, 8), 9, 2, {}),
}


def applicable(geometry):
    for algorithm in ("direct", "winograd2", "winograd4"):
        try:
            yield compiled.choose_algorithm(geometry, "forward", np.float32, algorithm)
        except ValueError:
            continue


@pytest.mark.parametrize("activation", ["linear", "relu", "leaky_relu", "tanh"])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_of_a_pooling_of_its_own(case, pool, activation, isa, dtype):
    shape, filters, kernel, options = CASES[case]
    g = shapes.conv2d_geometry(shape, (kernel, kernel, shape[-1], filters), **options)
    rng = np.random.default_rng(7)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in (shape, g.kernel_shape, (filters,)))
    x[0, 1, 2, 0] = np.nan
    for algorithm in applicable(g):
        options = {"activation": activation, "slope": 0.2, "algorithm": algorithm}
        windows = g._replace(out_h=g.out_h // 2 * 2, out_w=g.out_w // 2 * 2)
        whole = np.empty(windows.output_shape, dtype)
        compiled.conv2d_forward(windows, x, w, b, whole, **options).run(1)
        want = POOLS[pool](whole)
        assert np.isnan(want).any() and not np.isnan(want).all()
        for threads in (1, 2, 13):
            y = np.full_like(want, -7)
            compiled.conv2d_forward(g, x, w, b, y, pool=pool, **options).run(threads)
            assert np.array_equal(y, want, equal_nan=True), (algorithm, threads)


def test_grouped_convolutions_are_refused():
    g = shapes.conv2d_geometry((1, 4, 4, 4), (3, 3, 2, 4), padding="same", groups=2)
    x, w = np.zeros(g.input_shape, np.float32), np.zeros(g.kernel_shape, np.float32)
    with pytest.raises(ValueError, match="one group, received 2 groups"):
        compiled.conv2d_forward(g, x, w, None, np.zeros((1, 2, 2, 4), np.float32), pool="max")


@pytest.mark.parametrize("algorithm", ["direct", "winograd4"])
def test_unknown_poolings_are_refused(algorithm):
    g = shapes.conv2d_geometry((1, 4, 4, 4), (3, 3, 4, 4), padding="same")
    x, w = np.zeros(g.input_shape, np.float32), np.zeros(g.kernel_shape, np.float32)
    y = np.zeros((1, 2, 2, 4), np.float32)
    with pytest.raises(ValueError, match="pooling 'median' cannot be fused; expected one of None"):
        compiled.conv2d_forward(g, x, w, None, y, algorithm=algorithm, pool="median")


def operations(model, mode="infer"):
    with model._plan(2, mode, False) as plan:
        return [type(op).__name__ for op in plan._program.ops]


def network(pooling, **convolution):
    return models.Sequential(
        [
            layers.Input((9, 8, 4)),
            layers.Conv2D(6, 3, activation="relu", **convolution),
            pooling,
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.mark.parametrize("pool", POOLS)
def test_prediction_pools_within_the_convolution_and_training_does_not(pool):
    model = network(LAYERS[pool](2))
    assert not any("Pool" in name for name in operations(model))
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = np.random.default_rng(3).random((2, 9, 8, 4), dtype=np.float32)
    kernel, bias, matrix, shift = model.get_weights()
    pooled = POOLS[pool](ops.conv2d(x, kernel, bias, activation="relu"))
    logits = ops.dense(pooled.reshape(2, -1), matrix, shift)
    np.testing.assert_allclose(model.predict(x, verbose=0), ops.softmax(logits), rtol=1e-6)
    with model._plan(2, "train", False, model._trained_parts()) as plan:
        assert any("Pool" in type(op).__name__ for op in plan._program.ops)


@pytest.mark.parametrize(
    "pooling",
    [
        layers.MaxPooling2D(3),
        layers.MaxPooling2D(2, strides=1),
        layers.MaxPooling2D(2, padding="same"),
        layers.GlobalAveragePooling2D(),
    ],
    ids=["3x3", "overlapping", "padded", "global"],
)
def test_other_poolings_stay_apart(pooling):
    assert len(operations(network(pooling))) > 3


def test_a_convolution_whose_output_is_wanted_keeps_it():
    x = layers.Input((8, 8, 3))
    features = layers.Conv2D(5, 3, activation="relu")(x)
    model = models.Model(x, [features, layers.MaxPooling2D(2)(features)])
    data = np.random.default_rng(4).random((2, 8, 8, 3), dtype=np.float32)
    whole, pooled = model.predict(data, verbose=0)
    assert np.array_equal(pooled, ops.max_pool2d(whole))
