"""Initializer, regularizer and constraint of a weight: arguments, attributes and configuration."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from fastconv import constraints, initializers, layers, regularizers

IMAGE, SEQUENCE = (None, 6, 6, 4), (None, 6, 4)

# layer, arguments without defaults, input shape, {prefix of the arguments: attribute of the weight}
LAYERS = [
    (layers.Dense, {"units": 3}, (None, 4), {"kernel": "kernel", "bias": "bias"}),
    (
        layers.Conv1D,
        {"filters": 3, "kernel_size": 2},
        SEQUENCE,
        {"kernel": "kernel", "bias": "bias"},
    ),
    (layers.Conv2D, {"filters": 3, "kernel_size": 2}, IMAGE, {"kernel": "kernel", "bias": "bias"}),
    (
        layers.Conv2DTranspose,
        {"filters": 3, "kernel_size": 2},
        IMAGE,
        {"kernel": "kernel", "bias": "bias"},
    ),
    (layers.DepthwiseConv2D, {"kernel_size": 2}, IMAGE, {"depthwise": "kernel", "bias": "bias"}),
    (
        layers.SeparableConv2D,
        {"filters": 3, "kernel_size": 2},
        IMAGE,
        {"depthwise": "depthwise_kernel", "pointwise": "pointwise_kernel", "bias": "bias"},
    ),
    (layers.BatchNormalization, {}, IMAGE, {"gamma": "gamma", "beta": "beta"}),
    (layers.LayerNormalization, {}, IMAGE, {"gamma": "gamma", "beta": "beta"}),
    (layers.GroupNormalization, {"groups": 2}, IMAGE, {"gamma": "gamma", "beta": "beta"}),
    (layers.PReLU, {}, IMAGE, {"alpha": "alpha"}),
]
WEIGHTS = [
    pytest.param(cls, arguments, shape, role, weight, id=f"{cls.__name__}-{role}")
    for cls, arguments, shape, weights in LAYERS
    for role, weight in weights.items()
]
weights = pytest.mark.parametrize(("cls", "arguments", "shape", "role", "weight"), WEIGHTS)


@weights
def test_the_arguments_are_attributes_and_apply_to_the_weight(cls, arguments, shape, role, weight):
    given = {
        f"{role}_initializer": initializers.Constant(0.25),
        f"{role}_regularizer": regularizers.L2(0.5),
        f"{role}_constraint": constraints.NonNeg(),
    }
    layer = cls(**arguments, **given)
    assert {name: getattr(layer, name) for name in given} == given
    layer.build_on(shape)
    variable = getattr(layer, weight)
    assert variable.name == weight
    assert (variable.numpy() == 0.25).all()
    assert variable.regularizer is given[f"{role}_regularizer"]
    assert variable.constraint is given[f"{role}_constraint"]


@weights
def test_an_assignment_before_building_applies(cls, arguments, shape, role, weight):
    layer = cls(**arguments)
    other = copy.copy(layer)
    setattr(layer, f"{role}_initializer", initializers.Constant(0.25))
    setattr(layer, f"{role}_regularizer", regularizers.L1(0.5))
    assert layer.get_config()[f"{role}_initializer"]["config"] == {"value": 0.25}
    layer.build_on(shape)
    assert (getattr(layer, weight).numpy() == 0.25).all()
    assert getattr(layer, weight).regularizer.get_config() == {"l1": 0.5}
    assert getattr(other, f"{role}_regularizer") is None  # a copy has its own


@weights
@pytest.mark.parametrize("field", ["initializer", "regularizer", "constraint"])
def test_an_assignment_after_building_is_refused(cls, arguments, shape, role, weight, field):
    layer = cls(**arguments)
    layer.build_on(shape)
    before = getattr(layer, f"{role}_{field}")
    with pytest.raises(AttributeError, match=f"`{role}_{field}` .* not read again"):
        setattr(layer, f"{role}_{field}", None)
    assert getattr(layer, f"{role}_{field}") is before


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS)
def test_copies_and_configurations_have_the_arguments(cls, arguments, shape, weights):
    given = {f"{role}_regularizer": regularizers.L2(0.5) for role in weights}
    layer = cls(**arguments, **given)
    config = layer.get_config()
    for same in (
        cls.from_config(config),
        copy.deepcopy(layer),
        pickle.loads(pickle.dumps(layer)),
    ):
        assert same.get_config() == config


def test_the_statistics_of_a_batch_normalization_are_not_trained():
    layer = layers.BatchNormalization(moving_mean_initializer=initializers.Constant(2.0))
    layer.moving_variance_initializer = initializers.Constant(3.0)
    layer.build_on(IMAGE)
    assert [variable.name for variable in layer.non_trainable_weights] == [
        "moving_mean",
        "moving_variance",
    ]
    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.full(4, 2, np.float32))
    np.testing.assert_array_equal(layer.moving_variance.numpy(), np.full(4, 3, np.float32))
