"""Keras's second names for classes, functions of metrics, and objects as plain data and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastconv import (
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from fastconv.optimizers import schedules

SAME = {
    initializers: {
        "glorot_uniform": "GlorotUniform", "glorot_normal": "GlorotNormal",
        "he_uniform": "HeUniform", "he_normal": "HeNormal", "lecun_uniform": "LecunUniform",
        "lecun_normal": "LecunNormal", "zeros": "Zeros", "ones": "Ones", "constant": "Constant",
        "random_normal": "RandomNormal", "random_uniform": "RandomUniform",
        "truncated_normal": "TruncatedNormal", "variance_scaling": "VarianceScaling",
        "orthogonal": "Orthogonal", "OrthogonalInitializer": "Orthogonal",
        "identity": "Identity", "IdentityInitializer": "Identity",
    },
    regularizers: {"l1": "L1", "l2": "L2", "l1_l2": "L1L2",
                   "orthogonal_regularizer": "OrthogonalRegularizer"},
    constraints: {"max_norm": "MaxNorm", "min_max_norm": "MinMaxNorm", "non_neg": "NonNeg",
                  "unit_norm": "UnitNorm"},
    layers: {
        name.replace(long, short): name
        for long, short in (("MaxPooling", "MaxPool"), ("AveragePooling", "AvgPool"),
                            ("Conv", "Convolution"))
        for name in layers.CLASSES
        if long in name and not name.startswith(("Adaptive", "Depthwise"))
    },
}  # fmt: skip


@pytest.mark.parametrize("module", SAME, ids=lambda module: module.__name__)
def test_second_names_mean_the_same_class(module):
    for second, first in SAME[module].items():
        assert getattr(module, second) is getattr(module, first), second


def test_a_network_may_be_written_with_second_names():
    kernel = {
        "kernel_initializer": initializers.he_normal(seed=3),
        "kernel_regularizer": regularizers.l1_l2(l1=0.1, l2=0.2),
        "kernel_constraint": constraints.max_norm(3),
    }
    layer = layers.Convolution2D(4, 3, **kernel)
    assert layer.name.startswith("conv2d")
    assert layer.kernel_regularizer.get_config() == {"l1": 0.1, "l2": 0.2}
    assert layers.MaxPool2D().name.startswith("max_pooling2d")


OBJECTS = {
    activations: [activations.relu, activations.silu],
    constraints: [constraints.MaxNorm(3, axis=[0, 1])],
    initializers: [initializers.RandomNormal(1.0, 0.2, seed=3)],
    layers: [layers.Conv2D(3, 2, name="first", activation="relu")],
    losses: [losses.Huber(0.5), losses.mean_squared_error],
    metrics: [metrics.TopKCategoricalAccuracy(3), metrics.binary_accuracy],
    optimizers: [optimizers.Adam(0.2, beta_1=0.8)],
    regularizers: [regularizers.L2(0.3)],
    schedules: [schedules.ExponentialDecay(0.1, 10, 0.5)],
}


@pytest.mark.parametrize("module", OBJECTS, ids=lambda module: module.__name__)
def test_objects_become_plain_data_and_back(module):
    for thing in OBJECTS[module]:
        described = json.loads(json.dumps(module.serialize(thing)))
        made = module.deserialize(described)
        if hasattr(thing, "get_config"):
            assert type(made) is type(thing)
            assert made.get_config() == thing.get_config()
        else:
            assert described == thing.__name__


class Doubled(initializers.Constant):
    pass


def test_own_classes_are_given_by_name():
    described = initializers.serialize(Doubled(2.0))
    with pytest.raises(ValueError, match="not supported"):
        initializers.deserialize(described)
    made = initializers.deserialize(described, custom_objects={"Doubled": Doubled})
    assert isinstance(made, Doubled)


def test_descriptions_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="expected one of losses"):
        losses.serialize(initializers.Zeros())
    with pytest.raises(ValueError, match="not supported"):
        losses.deserialize(initializers.serialize(initializers.Zeros()))
    assert regularizers.serialize(None) is None


RNG = np.random.default_rng(4)
SCORES = RNG.random((6, 3, 5)).astype(np.float32)
NUMBERS = RNG.integers(0, 5, (6, 3))


@pytest.mark.parametrize(
    "function, metric, labels",
    [
        (metrics.categorical_accuracy, metrics.CategoricalAccuracy(), np.eye(5)[NUMBERS]),
        (metrics.sparse_categorical_accuracy, metrics.SparseCategoricalAccuracy(), NUMBERS),
        (metrics.top_k_categorical_accuracy, metrics.TopKCategoricalAccuracy(),
         np.eye(5)[NUMBERS]),
        (metrics.sparse_top_k_categorical_accuracy, metrics.SparseTopKCategoricalAccuracy(),
         NUMBERS[..., None]),
        (metrics.binary_accuracy, metrics.BinaryAccuracy(), SCORES.round()),
        (metrics.mean_squared_error, metrics.MeanSquaredError(), SCORES + 1),
        (metrics.huber, metrics.Huber(), SCORES + 2),
    ],
)  # fmt: skip
def test_functions_have_the_values_whose_mean_is_the_metric(function, metric, labels):
    values = function(labels, SCORES)
    assert values.dtype == np.float32
    assert values.shape == SCORES.shape[: values.ndim]
    metric.update_state(labels, SCORES)
    np.testing.assert_allclose(values.mean(dtype=np.float64), metric.result(), rtol=1e-6)


def test_functions_take_their_options():
    assert metrics.binary_accuracy([[1.0, 0.0]], [[0.7, 0.6]], threshold=0.65).tolist() == [[1, 1]]
    scores = [[0.1, 0.5, 0.4]]
    assert metrics.top_k_categorical_accuracy([[0, 0, 1]], scores, k=1).tolist() == [0]
    assert metrics.top_k_categorical_accuracy([[0, 0, 1]], scores, k=2).tolist() == [1]
    assert metrics.sparse_top_k_categorical_accuracy([2], [[1, 2]], 2, True).tolist() == [1]
