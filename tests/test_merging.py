"""Merging: the operations against NumPy on every instruction set, and the layers."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models
from fastconv.ops import compiled
from fastconv.plan import Differential
from tests.support.oracle import assert_same_bits

SIZES = (1, 3, 17, 8192, 20011)
KINDS = {
    "add": lambda *xs: sum(xs[1:], xs[0]),
    "subtract": lambda a, b: a - b,
    "multiply": lambda *xs: np.prod(xs, axis=0, dtype=xs[0].dtype),
    "average": lambda *xs: sum(xs[1:], xs[0]) / xs[0].dtype.type(len(xs)),
    "maximum": lambda *xs: np.max(xs, axis=0),
    "minimum": lambda *xs: np.min(xs, axis=0),
}


def arrays(count, *shape, dtype=np.float32, seed=0):
    """Small integers: sums and products are exact, and ties occur."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-3, 4, shape).astype(dtype) for _ in range(count)]


# ----------------------------------------------------------------------------- compiled operations


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_merge_matches_numpy(isa, dtype, kind, size):
    for count in (2,) if kind == "subtract" else (1, 2, 5):
        xs = arrays(count, size, dtype=dtype)
        expected = KINDS[kind](*xs)
        for threads in (1, 3):
            y = np.full(size, np.nan, dtype)
            compiled.Merge(kind, xs, y).run(threads)
            assert_same_bits(y, expected)
        into = [x.copy() for x in xs]
        compiled.Merge(kind, into, into[-1]).run(1)
        assert_same_bits(into[-1], expected)
        compiled.Merge(kind, xs, y, relu=True).run(2)
        np.testing.assert_array_equal(y, np.maximum(expected, 0))
        mask = arrays(1, size, dtype=dtype, seed=1)[0]
        compiled.Merge(kind, xs, y, activation_gradient=("relu", 0.0, mask)).run(2)
        np.testing.assert_array_equal(y, np.where(mask > 0, expected, 0))


@pytest.mark.parametrize("kind", ["add", "multiply", "maximum", "minimum"])
def test_merge_of_nan_is_nan(isa, dtype, kind):
    for place in range(3):
        xs = arrays(3, 21, dtype=dtype)
        xs[place][5] = np.nan
        y = np.zeros(21, dtype)
        compiled.Merge(kind, xs, y, relu=True).run(1)
        assert np.isnan(y[5])
        assert np.isfinite(np.delete(y, 5)).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["multiply", "maximum", "minimum"])
def test_gradients_of_merge_match_the_definition(isa, dtype, kind, size):
    xs = arrays(3, size, dtype=dtype)
    y, (dy,) = KINDS[kind](*xs), arrays(1, size, dtype=dtype, seed=2)
    first = np.argmax(np.array(xs) == y, axis=0)  # the first one that is the maximum
    for index in range(3):
        others = [x for i, x in enumerate(xs) if i != index]
        expected = dy * np.prod(others, axis=0) if kind == "multiply" else dy * (first == index)
        for threads in (1, 3):
            dx = np.full(size, np.nan, dtype)
            compiled.MergeBackward(kind, xs, y, index, dy, dx).run(threads)
            np.testing.assert_array_equal(dx, expected)
        dx = dy.copy()
        compiled.MergeBackward(kind, xs, y, index, dx, dx).run(1)
        np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize("size", SIZES)
def test_scale_multiplies_every_element(isa, dtype, size):
    (x,) = arrays(1, size, dtype=dtype)
    y = np.empty_like(x)
    compiled.Scale(x, y, -0.5).run(2)
    assert_same_bits(y, x * dtype(-0.5))


@pytest.mark.parametrize(
    "shapes, axis",
    [
        ([(4, 3), (4, 1), (4, 6)], 1),
        ([(2, 5, 4, 3), (2, 5, 4, 2)], 3),
        ([(2, 5, 4, 3), (2, 1, 4, 3)], 1),
        ([(3, 40, 40, 16), (3, 40, 40, 16), (3, 40, 40, 5)], 3),
    ],
)
def test_split_is_the_inverse_of_concatenate(dtype, shapes, axis):
    pieces = [arrays(1, *shape, dtype=dtype, seed=i)[0] for i, shape in enumerate(shapes)]
    expected = np.concatenate(pieces, axis)
    for threads in (1, 3):
        whole = np.full(expected.shape, np.nan, dtype)
        compiled.Concatenate(pieces, whole, axis).run(threads)
        assert_same_bits(whole, expected)
        parts = [np.full_like(piece, np.nan) for piece in pieces]
        compiled.Split(parts, whole, axis).run(threads)
        for part, piece in zip(parts, pieces, strict=True):
            assert_same_bits(part, piece)
        parts[0][...] = np.nan
        compiled.Split([parts[0], *(piece.shape[axis] for piece in pieces[1:])], whole, axis).run(1)
        assert_same_bits(parts[0], pieces[0])


@pytest.mark.parametrize(
    "small, large",
    [
        ((2, 1, 1, 5), (2, 4, 3, 5)),
        ((2, 4, 3, 1), (2, 4, 3, 70)),
        ((2, 4, 1, 130), (2, 4, 3, 130)),
        ((2, 1, 3, 1), (2, 4, 3, 5)),
        ((2, 1, 1, 1), (2, 4, 3, 5)),
        ((1, 1), (3, 1)),
        ((2, 5), (2, 5)),
        ((1, 1, 1), (1, 1, 1)),
    ],
)
def test_repeat_and_its_backward(isa, dtype, small, large):
    (x,), (dy,) = arrays(1, *small, dtype=dtype), arrays(1, *large, dtype=dtype, seed=3)
    repeated = tuple(i for i, (a, b) in enumerate(zip(small, large, strict=True)) if a != b)
    for threads in (1, 3):
        y, dx = np.full(large, np.nan, dtype), np.full(small, np.nan, dtype)
        compiled.Repeat(x, y).run(threads)
        assert_same_bits(y, np.broadcast_to(x, large).copy())
        compiled.RepeatBackward(dx, dy).run(threads)
        np.testing.assert_array_equal(dx, dy.sum(axis=repeated, keepdims=True))


def test_long_sums_are_exact_to_rounding():
    """Sums over a whole image are taken in double."""
    dy = np.random.default_rng(0).random((1, 200, 200, 3)).astype(np.float32)
    dx = np.empty((1, 1, 1, 3), np.float32)
    compiled.RepeatBackward(dx, dy).run(1)
    np.testing.assert_allclose(dx[0, 0, 0], dy.astype(np.float64).sum((0, 1, 2)), rtol=1e-7)


def test_operations_refuse_what_does_not_fit():
    a, b = np.zeros(3, np.float32), np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="one shape"):
        compiled.Merge("add", [a, b], a)
    with pytest.raises(TypeError, match="mixture"):
        compiled.Merge("add", [a, a.astype(np.float64)], a)
    with pytest.raises(ValueError, match="fill axis"):
        compiled.Concatenate([a[None], a[None]], b[None], 1)
    with pytest.raises(ValueError, match="repeated"):
        compiled.Repeat(a, b)


# ------------------------------------------------------------------------------------------ layers

MERGING = {
    "Add": layers.Add,
    "Subtract": layers.Subtract,
    "Multiply": layers.Multiply,
    "Average": layers.Average,
    "Maximum": layers.Maximum,
    "Minimum": layers.Minimum,
}


def merged(layer, *shapes):
    """A model that merges a product of each of its inputs, so that gradients go everywhere."""
    inputs = [layers.Input(shape) for shape in shapes]
    scaled = [
        layers.Dense(shape[-1], use_bias=False)(x) for shape, x in zip(shapes, inputs, strict=True)
    ]
    model = models.Model(inputs, layer(scaled))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    xs = [rng.normal(size=(3, *shape)).astype(np.float32) for shape in shapes]
    return model, xs


SHAPES = {
    "equal": [(4, 3), (4, 3)],
    "three": [(4, 3), (4, 3), (4, 3)],
    "channels": [(4, 4, 3), (1, 1, 3)],
    "places": [(4, 4, 1), (4, 4, 3)],
    "rank": [(4, 4, 3), (3,)],
    "both ways": [(4, 1, 3), (1, 5, 1)],
}


@pytest.mark.parametrize(
    "name, shapes",
    [
        (name, shapes)
        for name in MERGING
        for shapes in SHAPES
        if (name, shapes) != ("Subtract", "three")
    ],
)
def test_layers_and_their_gradients(name, shapes):
    model, xs = merged(MERGING[name](), *SHAPES[shapes])
    scaled = [x @ w for x, w in zip(xs, model.get_weights(), strict=True)]
    rank = max(x.ndim for x in scaled)
    aligned = [x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) for x in scaled]
    aligned = np.broadcast_arrays(*aligned)
    y = model.predict(xs, verbose=0)
    np.testing.assert_allclose(y, KINDS[name.lower()](*aligned), rtol=1e-5, atol=1e-6)
    assert model.output_shape == (None, *y.shape[1:])

    parameters = model.parameters
    differential = Differential(model.graph(), 3, parameters)
    for array, x in zip(differential.inputs, xs, strict=True):
        array[...] = x
    dy = np.random.default_rng(2).normal(size=y.shape).astype(np.float32)
    differential.output_gradients[0][...] = dy
    differential.run()
    rng = np.random.default_rng(3)
    for x, dx in zip(xs, differential.input_gradients, strict=True):
        step = 1e-2 * rng.normal(size=x.shape).astype(np.float32)
        sides = []
        for sign in (1, -1):
            moved = [other + sign * step if other is x else other for other in xs]
            sides.append(float(np.vdot(model.predict(moved, verbose=0).astype(np.float64), dy)))
        slope = (sides[0] - sides[1]) / 2
        scale = float(np.linalg.norm(dx) * np.linalg.norm(step))
        assert slope == pytest.approx(float(np.vdot(dx, step)), abs=0.02 * scale + 1e-4)


def test_concatenation_along_any_axis():
    x = layers.Input((4, 6, 3))
    y = layers.Input((2, 6, 3))
    model = models.Model([x, y], layers.Concatenate(axis=1)([x, y]))
    a, b = np.ones((2, 4, 6, 3)), np.zeros((2, 2, 6, 3))
    assert model.output_shape == (None, 6, 6, 3)
    np.testing.assert_array_equal(model.predict([a, b], verbose=0), np.concatenate([a, b], 1))


def test_functions_make_layers():
    x, y = layers.Input((3,)), layers.Input((3,))
    for name, cls in MERGING.items():
        made = getattr(layers, name.lower())([x, y], name=f"my_{name}")
        assert type(made.call.layer) is cls
        assert made.call.layer.name == f"my_{name}"
    assert layers.concatenate([x, y], axis=1).shape == (None, 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.add([layers.Input((3,)), layers.Input((4,))], name="s"),
         r"'s' takes inputs whose sizes are equal or 1, received shapes"),
        (lambda: layers.subtract([layers.Input((3,))] * 3, name="s"), "'s' takes 2 inputs"),
        (lambda: layers.concatenate([layers.Input((3,)), layers.Input((4, 4))], name="c"),
         "'c' takes inputs of equal sizes except along axis -1"),
        (lambda: layers.concatenate([layers.Input((3,))] * 2, axis=0, name="c"),
         "`axis` of layer 'c' must be one of 1 to 1"),
        (lambda: layers.concatenate([layers.Input((3,))] * 2, axis=-2), "`axis` of layer"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_configuration_makes_an_equal_layer():
    for name, cls in MERGING.items():
        layer = cls.from_config(cls(name=f"my_{name}").get_config())
        assert layer.get_config() == cls(name=f"my_{name}").get_config()
    assert layers.Concatenate.from_config(layers.Concatenate(2).get_config()).axis == 2
