"""An activation inside the convolution before it: the same bits as an activation of its own."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, shapes
from fastconv.ops import compiled
from tests.test_fused_pooling import applicable, operations

KINDS = sorted(compiled.ONE_PARAMETER - {"linear"})

# input (N, H, W, C), filters, kernel, arguments of the geometry
CASES = {
    "whole panels": ((2, 8, 8, 16), 64, 3, {"padding": "same"}),
    "odd sizes": ((2, 9, 11, 5), 19, 3, {}),
    "few filters": ((3, 32, 32, 1), 6, 5, {}),
    "1x1": ((4, 6, 6, 12), 20, 1, {}),
    "stride 2": ((2, 17, 19, 24), 33, 3, {"strides": (2, 2), "padding": "same"}),
    "depthwise": ((2, 9, 8, 37), 37, 3, {"padding": "same", "groups": 37}),
    "depthwise, 3x5": ((2, 9, 8, 16), 16, (3, 5), {"groups": 16}),
    "groups": ((2, 6, 5, 12), 20, 3, {"groups": 2}),
}


@pytest.mark.parametrize("adds", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_of_an_activation_of_its_own(case, adds, isa, dtype):
    shape, filters, kernel, options = CASES[case]
    groups = options.get("groups", 1)
    if adds and groups == filters:
        pytest.skip("a depthwise convolution takes no residual")
    size = (kernel, kernel) if isinstance(kernel, int) else kernel
    g = shapes.conv2d_geometry(shape, (*size, shape[-1] // groups, filters), **options)
    rng = np.random.default_rng(7)
    sizes = (shape, g.kernel_shape, (filters,), g.output_shape)
    x, w, b, residual = (2 * rng.standard_normal(s).astype(dtype) for s in sizes)
    x[0, 1, 2, 0] = np.nan
    for algorithm in applicable(g):
        linear = np.empty(g.output_shape, dtype)
        compiled.conv2d_forward(g, x, w, b, linear, algorithm=algorithm).run(1)
        if adds:
            linear += residual
        for kind in KINDS:
            want = np.empty_like(linear)
            compiled.ActivationForward(kind, linear, want, 0.75).run(1)
            assert np.isnan(want).any() and not np.isnan(want).all()
            for threads in (1, 3):
                y = np.full_like(want, -7)
                compiled.conv2d_forward(
                    g, x, w, b, y, kind, 0.75, algorithm, residual=residual if adds else None
                ).run(threads)
                assert np.array_equal(y, want, equal_nan=True), (algorithm, kind, threads)


def test_other_activations_are_refused():
    g = shapes.conv2d_geometry((1, 4, 4, 4), (3, 3, 4, 4), padding="same")
    x, w = np.zeros(g.input_shape, np.float32), np.zeros(g.kernel_shape, np.float32)
    for algorithm in ("direct", "winograd4"):
        with pytest.raises(ValueError, match="'bounded_relu' cannot be fused; expected one of cl"):
            compiled.conv2d_forward(g, x, w, None, np.zeros_like(x), "bounded_relu", 0.0, algorithm)
        y = np.zeros((1, 2, 2, 4), np.float32)
        with pytest.raises(ValueError, match="'silu' cannot be fused; expected one of clipped_re"):
            compiled.conv2d_forward(g, x, w, None, y, "silu", 0.0, algorithm, pool="max")


@pytest.mark.parametrize("kind", ["silu", "gelu", "elu", "hard_sigmoid", "mish"])
def test_prediction_activates_within_the_convolution_and_training_does_not(kind):
    convolutions = [
        layers.Conv2D(6, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation(kind),
        layers.DepthwiseConv2D(3, activation=kind),
    ]
    model = models.Sequential([layers.Input((9, 8, 4)), *convolutions])
    assert "ActivationForward" not in operations(model)
    model.compile("sgd", "mse")
    x = np.random.default_rng(3).standard_normal((2, 9, 8, 4)).astype(np.float32)
    y = x
    for layer in convolutions:  # one at a time, as eager calls
        y = layer(y, training=False)
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=2e-5, atol=2e-6)
    with model._plan(2, "train", False, model._trained_parts()) as plan:
        names = [type(op).__name__ for op in plan._program.ops]
    assert names.count("ActivationForward") == 2


def test_a_pooling_leaves_an_exponential_apart():
    model = models.Sequential(
        [layers.Input((8, 8, 4)), layers.Conv2D(6, 3, activation="silu"), layers.MaxPooling2D(2)]
    )
    assert operations(model) == ["DirectForward", "MaxPoolForward"]
