"""Activation gradients fused into the op that writes the gradient of their output."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, losses, models, shapes
from fastconv.ops import compiled
from fastconv.plan import Plan
from fastconv.plan.lowering import Dense
from fastconv.plan.lowering.pooling import Pooling

KINDS = ("relu", "leaky_relu", "sigmoid", "tanh", "clipped_relu")
SLOPE = 0.25  # of the leaky ReLU, bound of the clipped one


def arrays(*sizes, dtype):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(size).astype(dtype) for size in sizes]


def activated(kind, x):
    y = np.empty_like(x)
    compiled.ActivationForward(kind, x, y, SLOPE).run(1)
    return y


def differentiated(kind, y, dy):
    dx = np.empty_like(dy)
    compiled.ActivationBackward(kind, y, dy, dx, SLOPE).run(1)
    return dx


# ------------------------------------------------------------------------------------- operations


def check(make, dx, kind, output):
    """`make(activation_gradient)` gives the bits of `make(None)` and a pass of its own."""
    make(None).run(1)
    expected = differentiated(kind, output, dx)
    assert np.abs(expected).max() > 0
    for threads in (1, 2, 3):
        dx.fill(np.nan)
        make((kind, SLOPE, output)).run(threads)
        np.testing.assert_array_equal(dx, expected)


POOLS = [
    ((2, 12, 10, 6), 2, 2, "valid"),
    ((3, 7, 9, 17), 2, 2, "valid"),  # a row and a column that no window covers
    ((2, 8, 11, 33), 3, 3, "same"),
    ((2, 9, 8, 5), 3, 2, "same"),  # overlapping
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape, size, strides, padding", POOLS)
def test_average_pooling_applies_the_gradient_of_an_activation(
    isa, dtype, kind, shape, size, strides, padding
):
    g = shapes.pool2d_geometry(shape, pool_size=size, strides=strides, padding=padding)
    x, dy, dx = arrays(shape, g.output_shape, shape, dtype=dtype)
    check(
        lambda gradient: compiled.AveragePoolBackward(g, dy, dx, gradient),
        dx,
        kind,
        activated(kind, x),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape, size, strides, padding", POOLS)
def test_max_pooling_applies_the_gradient_of_an_activation(
    isa, dtype, kind, shape, size, strides, padding
):
    """From its own output alone; where windows overlap up to rounding, but for a ReLU."""
    g = shapes.pool2d_geometry(shape, pool_size=size, strides=strides, padding=padding)
    x, dy, dx, y = arrays(shape, g.output_shape, shape, g.output_shape, dtype=dtype)
    x = activated(kind, x)
    argmax = np.empty(y.shape, np.uint8)
    compiled.MaxPoolForward(g, x, y, argmax).run(1)
    compiled.MaxPoolBackward(g, dy, argmax, dx).run(1)
    expected = differentiated(kind, x, dx)
    assert np.abs(expected).max() > 0
    for threads in (1, 2, 3):
        dx.fill(np.nan)
        compiled.MaxPoolBackward(g, dy, argmax, dx, (kind, SLOPE, y)).run(threads)
        if size == strides or kind == "relu":
            np.testing.assert_array_equal(dx, expected)
        else:
            tolerance = 16 * np.finfo(dtype).eps
            np.testing.assert_allclose(dx, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows, inputs, outputs", [(1, 70, 33), (7, 45, 10), (64, 130, 20)])
def test_a_dense_product_applies_the_gradient_of_an_activation(
    isa, dtype, kind, rows, inputs, outputs
):
    sizes = (rows, inputs), (inputs, outputs), (rows, outputs), (rows, inputs)
    x, w, dy, dx = arrays(*sizes, dtype=dtype)
    check(
        lambda gradient: compiled.DenseBackwardInput(dy, w, dx, gradient),
        dx,
        kind,
        activated(kind, x),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 37, 20000])
def test_a_sum_applies_the_gradient_of_an_activation(isa, dtype, kind, size):
    a, b, x, dx = arrays(size, size, size, size, dtype=dtype)
    x = np.abs(x)  # a single element is to have a gradient
    x = activated(kind, np.minimum(x, SLOPE / 2))
    check(
        lambda gradient: compiled.Merge("add", [a, b], dx, activation_gradient=gradient),
        dx,
        kind,
        x,
    )


@pytest.mark.parametrize("shape, dtype", [((3, 4), np.float32), ((3, 5), np.float64)])
def test_the_output_must_have_the_shape_and_type_of_the_gradient(shape, dtype):
    dy, w, dx = arrays((3, 2), (5, 2), (3, 5), dtype=np.float32)
    with pytest.raises(ValueError, match=r"expected the output .* \(3, 5\) and in float32"):
        compiled.DenseBackwardInput(dy, w, dx, ("relu", 0.0, np.zeros(shape, dtype)))


def test_only_what_can_end_an_operation_can_be_differentiated():
    dy, w, dx = arrays((3, 2), (5, 2), (3, 5), dtype=np.float32)
    with pytest.raises(ValueError, match="'gelu' cannot be fused"):
        compiled.DenseBackwardInput(dy, w, dx, ("gelu", 0.0, dx))


# ------------------------------------------------------------------------------------------ plans


def branches(kind):
    """One value with two consumers, whose gradients are summed up."""
    x = layers.Input((8, 8, 2))
    shared = layers.Conv2D(6, 3, padding="same", activation=kind)(x)
    left = layers.Conv2D(6, 3, padding="same")(shared)
    merged = layers.Add()([shared, left])
    return models.Model(x, layers.Dense(3)(layers.Flatten()(merged)))


def chain(*stack):
    return models.Sequential([layers.Input((8, 8, 2)), *stack, layers.Dense(3)])


NETWORKS = {
    "average": lambda kind: chain(
        layers.Conv2D(5, 3, activation=kind), layers.AveragePooling2D(2), layers.Flatten()
    ),
    "max": lambda kind: chain(
        layers.Conv2D(5, 3, activation=kind), layers.MaxPooling2D(), layers.Flatten()
    ),
    "overlapping": lambda kind: chain(
        layers.Conv2D(5, 3, activation=kind), layers.MaxPooling2D(3, 2), layers.Flatten()
    ),
    "dense": lambda kind: chain(
        layers.Conv2D(5, 3, activation=kind), layers.Flatten(), layers.Dense(4, activation=kind)
    ),
    "alone": lambda kind: chain(
        layers.Conv2D(5, 3), layers.MaxPooling2D(), layers.Activation(kind), layers.Flatten()
    ),
    "normalized": lambda kind: chain(
        layers.Conv2D(5, 3), layers.BatchNormalization(), layers.Activation(kind),
        layers.MaxPooling2D(), layers.Conv2D(4, 2), layers.BatchNormalization(),
        layers.Activation(kind), layers.AveragePooling2D(2), layers.Flatten(),
    ),
    "branches": branches,
}  # fmt: skip


def gradient(model, x, y):
    operation = losses.get("mse").operation(after_softmax=True)
    plan = Plan(model.graph(), len(x), model.parameters, mode="train", losses=[operation])
    plan.inputs[0][...], plan.targets[0][...] = x, y
    plan.run(1)
    passes = sum(type(op).__name__ == "ActivationBackward" for op in plan._program.ops)
    return model.parameters.gradient.copy(), passes


@pytest.mark.parametrize("kind", ["relu", "tanh", "sigmoid", "leaky_relu", "elu", "gelu"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_gradients_that_passes_of_their_own_give(name, kind, monkeypatch):
    rng = np.random.default_rng(2)
    model = NETWORKS[name](kind)
    x = rng.standard_normal((5, 8, 8, 2)).astype(np.float32)
    y = rng.standard_normal((5, 3)).astype(np.float32)
    together, fewer = gradient(model, x, y)
    for consumer in (Pooling, Dense):
        monkeypatch.setattr(consumer, "can_fuse_gradient_of", lambda self, maker: False)
    apart, more = gradient(model, x, y)
    np.testing.assert_array_equal(together, apart)
    assert np.abs(apart).max() > 0
    if kind in ("elu", "gelu"):
        assert fewer == more > 0
    elif name in ("average", "dense", "alone", "max"):
        assert fewer == 0 < more
    elif name == "overlapping":
        assert (fewer, more) == (int(kind != "relu"), 1)
    elif name == "branches":
        assert fewer == more == 0


def test_an_activation_is_not_differentiated_twice_where_its_output_is_also_a_result():
    """The loss reads it as well: its gradient is a sum, which the only layer behind cannot know."""
    x = layers.Input((8, 8, 2))
    pooled = layers.AveragePooling2D(8)(
        seen := layers.Conv2D(3, 3, padding="same", activation="tanh")(x)
    )
    model = models.Model(x, [seen, layers.Flatten()(pooled)])
    rng = np.random.default_rng(3)
    image = rng.standard_normal((2, 8, 8, 2)).astype(np.float32)
    operation = losses.get("mse").operation(after_softmax=True)
    plan = Plan(model.graph(), 2, model.parameters, mode="train", losses=[operation, operation])
    start, step = model.parameters.values.copy(), 1e-2
    targets = [rng.standard_normal(target.shape) for target in plan.targets]

    def loss(values):
        model.parameters.values[...] = values
        plan.inputs[0][...] = image
        for to, target in zip(plan.targets, targets, strict=True):
            to[...] = target
        plan.run(1)
        # A loss is one number per prediction vector: its mean is what is differentiated.
        return sum(value.mean() for value in plan.losses)

    loss(start)
    slopes = model.parameters.gradient.copy()
    direction = slopes / np.linalg.norm(slopes)
    difference = loss(start + step * direction) - loss(start - step * direction)
    np.testing.assert_allclose(difference / (2 * step), np.linalg.norm(slopes), rtol=1e-3)
