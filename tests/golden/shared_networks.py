"""Networks of `make_shared`, for either library: layers with state or penalties, called twice."""

from __future__ import annotations

from typing import Any


def two_depths(layers: Any, Model: Any) -> Any:
    """The call that comes first is the one farther from the outputs, not the one made first."""
    x, norm = layers.Input((4,)), layers.BatchNormalization(momentum=0.5)
    return Model(x, [norm(x), layers.ReLU()(norm(layers.ELU()(x)))])


def chain(layers: Any, Model: Any) -> Any:
    x, norm = layers.Input((4,)), layers.BatchNormalization(momentum=0.6)
    return Model(x, [norm(layers.ELU()(norm(x)))])


def three_calls(layers: Any, Model: Any) -> Any:
    x, norm = layers.Input((4,)), layers.BatchNormalization(momentum=0.5)
    late = norm(layers.Dense(4, activation="tanh")(layers.Dense(4)(x)))
    return Model(x, [layers.Add()([norm(x), late]), norm(layers.ELU()(x))])


def branches(layers: Any, Model: Any) -> Any:
    """Calls of equal depth come in the order of a search from the outputs."""
    x, norm = layers.Input((4,)), layers.BatchNormalization(momentum=0.5)
    one, other = layers.ELU()(x), layers.Dense(4, activation="tanh")(x)
    return Model(x, [layers.Add()([norm(other), norm(one)])])


def outputs(layers: Any, Model: Any) -> Any:
    x, norm = layers.Input((4,)), layers.BatchNormalization(momentum=0.5)
    first, second = norm(layers.ELU()(x)), norm(x)
    return Model(x, [second, first])


def submodel(layers: Any, Model: Any) -> Any:
    y = layers.Input((4,))
    inner = Model(y, layers.ReLU()(layers.BatchNormalization(momentum=0.5)(layers.Dense(4)(y))))
    x = layers.Input((4,))
    return Model(x, [layers.Add()([inner(x), layers.ELU()(inner(layers.ELU()(x)))])])


def two_inputs(layers: Any, Model: Any) -> Any:
    y = layers.Input((4,))
    inner = Model(y, layers.BatchNormalization(momentum=0.5)(layers.PReLU()(layers.Dense(4)(y))))
    a, b = layers.Input((4,)), layers.Input((4,))
    return Model([a, b], [layers.Subtract()([inner(a), inner(b)])])


def images(layers: Any, Model: Any) -> Any:
    x, norm = layers.Input((4, 4, 2)), layers.BatchNormalization(momentum=0.5)
    convolution = layers.Conv2D(2, 3, padding="same")
    y = layers.ReLU()(norm(convolution(x)))
    return Model(x, [layers.Flatten()(norm(convolution(y)))])


def slopes(layers: Any, Model: Any) -> Any:
    x, slope = layers.Input((4,)), layers.PReLU(alpha_initializer="ones")
    return Model(x, [slope(x), slope(layers.Dense(4)(slope(x)))])


def penalties(layers: Any, Model: Any) -> Any:
    """The penalty of an output counts once per call, that of a weight once."""
    x = layers.Input((4,))
    dense = layers.Dense(4, activity_regularizer="l2", kernel_regularizer="l1")
    penalty = layers.ELU(activity_regularizer="l1")
    return Model(x, [penalty(dense(penalty(dense(x))))])


def penalties_of_a_submodel(layers: Any, Model: Any) -> Any:
    y = layers.Input((4,))
    inner = Model(y, layers.Dense(4, activity_regularizer="l2", bias_regularizer="l2")(y))
    x = layers.Input((4,))
    return Model(x, [layers.Add()([inner(x), inner(layers.ELU()(x))])])


def scales(layers: Any, Model: Any) -> Any:
    x, norm, groups = layers.Input((4,)), layers.LayerNormalization(), layers.GroupNormalization(2)
    return Model(x, [groups(norm(x)), norm(layers.ELU()(groups(norm(x))))])


NETWORKS = {
    build.__name__: build
    for build in (
        two_depths, chain, three_calls, branches, outputs, submodel, two_inputs, images, slopes,
        penalties, penalties_of_a_submodel, scales,
    )
}  # fmt: skip
