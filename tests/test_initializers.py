"""Initializers: distributions, fans, seeds, names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastconv import initializers, layers, random
from fastconv.serialization import deserialize, serialize
from fastconv.utils import set_random_seed

SHAPE = (200, 300)

# name, standard deviation, bound (None for unbounded)
EXPECTED = {
    "random_normal": (0.05, None),
    "truncated_normal": (0.05 * 0.8796, 0.1),
    "random_uniform": (0.05 / 3**0.5, 0.05),
    "glorot_uniform": ((2 / 500) ** 0.5, (6 / 500) ** 0.5),
    "glorot_normal": ((2 / 500) ** 0.5, 2 * (2 / 500) ** 0.5 / 0.8796),
    "he_uniform": ((2 / 200) ** 0.5, (6 / 200) ** 0.5),
    "he_normal": ((2 / 200) ** 0.5, 2 * (2 / 200) ** 0.5 / 0.8796),
    "lecun_uniform": ((1 / 200) ** 0.5, (3 / 200) ** 0.5),
    "lecun_normal": ((1 / 200) ** 0.5, 2 * (1 / 200) ** 0.5 / 0.8796),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_spread_and_bound(name):
    set_random_seed(2)
    stddev, bound = EXPECTED[name]
    draws = initializers.get(name)(SHAPE)
    assert (draws.shape, draws.dtype) == (SHAPE, np.float32)
    assert draws.std() == pytest.approx(stddev, rel=0.02)
    assert abs(draws.mean()) < 5 * stddev / draws.size**0.5
    if bound is not None:
        assert np.abs(draws).max() == pytest.approx(bound, rel=0.01)


def test_variance_scaling_modes_and_untruncated():
    for mode, fan in {"fan_in": 200, "fan_out": 300, "fan_avg": 250}.items():
        draws = initializers.VarianceScaling(3.0, mode, "untruncated_normal", seed=1)(SHAPE)
        assert draws.std() == pytest.approx((3 / fan) ** 0.5, rel=0.02)
    assert initializers.VarianceScaling(distribution="normal").distribution == "truncated_normal"


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((), (1, 1)), ((7,), (7, 7)), ((5, 6), (5, 6)), ((3, 2, 4, 8), (24, 48))],
)
def test_fans_are_counted_by_the_shape(shape, fans):
    assert initializers.compute_fans(shape) == fans


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 3, 2, 5), (2, 2, 1, 9)])
def test_orthogonal_kernels_are_orthogonal(shape):
    matrix = initializers.Orthogonal(gain=2.0, seed=3)(shape).reshape(-1, shape[-1])
    smaller = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(smaller, 4 * np.eye(len(smaller)), atol=1e-5)
    with pytest.raises(ValueError, match="at least 2 dimensions, received shape"):
        initializers.Orthogonal()((3,))


def test_constant_initializers_fill_with_their_value():
    np.testing.assert_array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.Ones()((2, 3)), np.ones((2, 3)))
    np.testing.assert_array_equal(initializers.Constant(1.5)((2, 3)), np.full((2, 3), 1.5))


@pytest.mark.parametrize("name", initializers.CLASSES)
def test_config_and_names(name):
    initializer = initializers.CLASSES[name]()
    assert type(initializers.get(name)) is initializers.CLASSES[name]
    assert type(initializers.get(initializers.CLASSES[name])) is initializers.CLASSES[name]
    assert initializers.get(initializer) is initializer
    copy = deserialize(serialize(initializer), "initializers")
    assert type(copy) is type(initializer)
    assert copy.get_config() == initializer.get_config()


def test_identity_functions_and_arrays():
    np.testing.assert_array_equal(initializers.get("identity")((2, 3)), np.eye(2, 3))
    np.testing.assert_array_equal(initializers.Identity(0.5)((3, 2)), np.eye(3, 2) / 2)

    def ramp(shape, dtype=None):
        return np.arange(np.prod(shape), dtype=dtype).reshape(shape)

    layer = layers.Dense(3, kernel_initializer=ramp, bias_initializer=np.array([1.0, 2.0, 3.0]))
    layer.build((None, 2))
    np.testing.assert_array_equal(layer.kernel.numpy(), np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(layer.bias.numpy(), [1, 2, 3])
    wrong = layers.Dense(2, kernel_initializer=np.ones((5, 5)))
    wrong.build((None, 2))
    with pytest.raises(ValueError, match=r"must return shape \(2, 2\), received \(5, 5\)"):
        wrong.get_weights()
    with pytest.raises(ValueError, match="'ramp'; .* given in `custom_objects`"):
        layers.Dense.from_config(layer.get_config())


@pytest.mark.parametrize(
    ("name", "cls"),
    [("zero", "Zeros"), ("one", "Ones"), ("normal", "RandomNormal"), ("uniform", "RandomUniform")],
)
def test_short_names_are_resolved(name, cls):
    assert type(initializers.get(name)).__name__ == cls


def test_a_seed_of_its_own_gives_the_same_values_again():
    seeded = initializers.HeNormal(seed=5)
    np.testing.assert_array_equal(seeded((4, 4)), seeded((4, 4)))
    np.testing.assert_array_equal(seeded((4, 4)), initializers.HeNormal(seed=5)((4, 4)))
    unseeded = initializers.HeNormal()
    assert not np.array_equal(unseeded((4, 4)), unseeded((4, 4)))


def test_the_common_seed_restarts_the_stream():
    draws = []
    for _ in range(2):
        set_random_seed(8)
        draws.append(initializers.get("glorot_uniform")((4, 4)))
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: initializers.get("glorot"), ValueError, "must be one of .*'glorot_uniform'"),
        (lambda: initializers.get(3), TypeError, "must be a name or an Initializer, received 3"),
        (lambda: initializers.Identity()((2, 2, 2)), ValueError, "Identity needs 2 dimensions"),
        (lambda: initializers.VarianceScaling(0), ValueError, "`scale` must be positive"),
        (lambda: initializers.VarianceScaling(mode="x"), ValueError, "`mode` must be one of"),
        (lambda: initializers.VarianceScaling(distribution="x"), ValueError, "`distribution` must"),
        (lambda: initializers.HeNormal(seed=1.5), TypeError, "`seed` must be an integer"),
    ],
)
def test_arguments_out_of_range_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("cls", [initializers.RandomNormal, initializers.Orthogonal])
def test_a_seed_generator_gives_other_numbers_at_every_call(cls):
    one, other = (cls(seed=random.SeedGenerator(3)) for _ in range(2))
    first, second = one((3, 4)), one((3, 4))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, other((3, 4)))
    restored = deserialize(json.loads(json.dumps(serialize(one))), "initializers")
    np.testing.assert_array_equal(restored((3, 4)), first)  # a file holds where it begins
