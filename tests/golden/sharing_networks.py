"""Networks that use one layer in several places, for `make_sharing.py` and the tests.

Each is a function of a library's (layers, Model, Sequential), all with samples of six numbers.
"""

from __future__ import annotations

from typing import Any


def encoder_over_the_same_input(L: Any, M: Any, S: Any) -> Any:
    x = L.Input((6,))
    encoder = M(x, L.Dense(2)(x))
    return M(x, L.Dense(6)(encoder(x)))


def encoder_and_decoder(L: Any, M: Any, S: Any) -> Any:
    x, z = L.Input((6,)), L.Input((2,))
    encoder, decoder = M(x, L.Dense(2)(x)), M(z, L.Dense(6)(z))
    return M(x, decoder(encoder(x)))


def activation_inside_and_outside(L: Any, M: Any, S: Any) -> Any:
    shared, x, y = L.ReLU(), L.Input((6,)), L.Input((6,))
    inner = M(x, shared(L.Dense(4)(x)))
    return M(y, shared(L.Dense(3)(inner(y))))


def inside_then_outside(L: Any, M: Any, S: Any) -> Any:
    shared, x, y = L.Dense(6), L.Input((6,)), L.Input((6,))
    inner = M(x, L.ReLU()(shared(x)))
    return M(y, L.Dense(3)(shared(inner(y))))


def outside_then_inside(L: Any, M: Any, S: Any) -> Any:
    shared, x, y = L.Dense(6), L.Input((6,)), L.Input((6,))
    inner = M(x, L.ReLU()(shared(x)))
    return M(y, L.Dense(3)(inner(shared(y))))


def called_outside_first(L: Any, M: Any, S: Any) -> Any:
    shared, x, y = L.Dense(6), L.Input((6,)), L.Input((6,))
    before = shared(y)
    inner = M(x, L.ReLU()(shared(x)))
    return M(y, L.Dense(3)(inner(before)))


def twice_outside(L: Any, M: Any, S: Any) -> Any:
    shared, x, y = L.Dense(6), L.Input((6,)), L.Input((6,))
    inner = M(x, L.ReLU()(shared(x)))
    once = shared(y)
    twice = shared(L.ELU()(once))
    return M(y, [L.Add()([inner(twice), once]), twice])


def twice_inside(L: Any, M: Any, S: Any) -> Any:
    shared, x, y = L.Dense(6), L.Input((6,)), L.Input((6,))
    inner = M(x, shared(L.ReLU()(shared(x))))
    return M(y, L.Dense(3)(shared(inner(y))))


def in_two_models(L: Any, M: Any, S: Any) -> Any:
    shared, x, y, z = L.Dense(6), L.Input((6,)), L.Input((6,)), L.Input((6,))
    first, second = M(x, L.ReLU()(shared(x))), M(y, L.ELU()(shared(y)))
    return M(z, L.Add()([first(z), second(z)]))


def in_two_models_in_a_row(L: Any, M: Any, S: Any) -> Any:
    shared, x, y, z = L.Dense(6), L.Input((6,)), L.Input((6,)), L.Input((6,))
    first, second = M(x, L.ReLU()(shared(x))), M(y, L.ELU()(shared(y)))
    return M(z, second(first(z)))


def two_levels_deep(L: Any, M: Any, S: Any) -> Any:
    shared, x, y, z = L.Dense(6), L.Input((6,)), L.Input((6,)), L.Input((6,))
    middle = M(y, L.ReLU()(M(x, shared(x))(y)))
    return M(z, shared(middle(z)))


def model_called_twice(L: Any, M: Any, S: Any) -> Any:
    x, y = L.Input((6,)), L.Input((6,))
    inner = M(x, L.Dense(6, activation="relu")(x))
    return M(y, inner(inner(y)))


def model_inside_and_outside(L: Any, M: Any, S: Any) -> Any:
    x, y, z = L.Input((6,)), L.Input((6,)), L.Input((6,))
    inner = M(x, L.Dense(6, activation="relu")(x))
    outer = M(y, L.ELU()(inner(y)))
    return M(z, L.Add()([outer(z), inner(z)]))


def two_branches_with_one_model(L: Any, M: Any, S: Any) -> Any:
    x, left, right = L.Input((6,)), L.Input((6,)), L.Input((6,))
    inner = M(x, L.Dense(3)(L.Dense(4, activation="relu")(x)))
    return M([left, right], L.Subtract()([inner(left), inner(right)]))


def model_and_its_first_half(L: Any, M: Any, S: Any) -> Any:
    x, y = L.Input((6,)), L.Input((6,))
    half = L.Dense(5)(x)
    whole = M(x, L.Dense(4)(L.ReLU()(half)))
    return M(y, [whole(y), M(whole.input, half)(y)])


def chain_in_a_graph(L: Any, M: Any, S: Any) -> Any:
    shared, x = L.Dense(6), L.Input((6,))
    chain = S([L.Input((6,)), shared, L.ReLU()])
    return M(x, L.Dense(2)(shared(chain(x))))


def chain_in_a_chain(L: Any, M: Any, S: Any) -> Any:
    shared = L.Dense(6)
    chain = S([L.Input((6,)), L.ReLU(), shared, L.ReLU()])
    return S([L.Input((6,)), chain, shared, L.Dense(2)])


def chain_with_a_model_in_a_graph(L: Any, M: Any, S: Any) -> Any:
    shared, x, y = L.Dense(6), L.Input((6,)), L.Input((6,))
    inner = M(x, L.ReLU()(shared(x)))
    chain = S([L.Input((6,)), shared, inner, L.ELU()])
    return M(y, L.Add()([inner(shared(chain(y))), y]))


def normalization_inside_and_outside(L: Any, M: Any, S: Any) -> Any:
    shared, x, y = L.BatchNormalization(), L.Input((6,)), L.Input((6,))
    inner = M(x, L.ReLU()(shared(x)))
    return M(y, L.Dense(3)(shared(inner(y))))


def frozen_inside(L: Any, M: Any, S: Any) -> Any:
    """No layer is shared, but a half of the inner model is frozen when the file is written."""
    x, y = L.Input((6,)), L.Input((6,))
    frozen = [L.BatchNormalization(), L.Dense(6)]
    inner = M(x, L.Dense(6)(L.BatchNormalization()(frozen[1](frozen[0](x)))))
    chain = S([L.Input((6,)), L.BatchNormalization(), L.BatchNormalization()])
    model = M(y, L.Dense(6)(chain(inner(y))))
    chain.trainable = False
    for layer in frozen:
        layer.trainable = False
    return model


NETWORKS = {
    network.__name__: network
    for network in (
        encoder_over_the_same_input, encoder_and_decoder, activation_inside_and_outside,
        inside_then_outside, outside_then_inside, called_outside_first, twice_outside,
        twice_inside, in_two_models, in_two_models_in_a_row, two_levels_deep, model_called_twice,
        model_inside_and_outside, two_branches_with_one_model, model_and_its_first_half,
        chain_in_a_graph, chain_in_a_chain, chain_with_a_model_in_a_graph,
        normalization_inside_and_outside,
    )
}  # fmt: skip
