"""clone_model: new layers by a function, given inputs, calls by a function, inner models."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, ops, optimizers

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def equal(layer):
    return type(layer).from_config(layer.get_config())


def branches() -> models.Model:
    """Two inputs, one layer used twice, one merging layer."""
    a, b = layers.Input((4,), name="a"), layers.Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    both = layers.Add(name="both")([shared(a), shared(b)])
    return models.Model({"a": a, "b": b}, [layers.Dense(2, name="out")(both), both], name="net")


def test_a_function_makes_the_layers_of_a_chain():
    model = models.Sequential(
        [layers.Input((4,)), layers.Dense(3, name="one"), layers.Dense(2, name="two")], name="chain"
    )
    seen = []

    def wider(layer):
        seen.append(layer.name)
        return type(layer).from_config(layer.get_config() | {"units": 7})

    clone = models.clone_model(model, clone_function=wider)
    assert seen == ["one", "two"] and clone.name == "chain" and type(clone) is models.Sequential
    assert [layer.units for layer in clone.layers] == [7, 7]
    assert [layer.units for layer in model.layers] == [3, 2]


def test_a_graph_keeps_its_form_and_its_shared_layers():
    model, made = branches(), []

    def noted(layer):
        made.append(layer.name)
        return equal(layer)

    clone = models.clone_model(model, clone_function=noted)
    assert sorted(made) == ["both", "out", "shared"]
    assert clone.name == "net" and [layer.name for layer in clone.layers] == [
        layer.name for layer in model.layers
    ]
    clone.set_weights(model.get_weights())
    data = {"a": X, "b": X + 1}
    for found, expected in zip(
        clone.predict(data, verbose=0), model.predict(data, verbose=0), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    same = models.clone_model(model, clone_function=lambda layer: layer)
    assert same.get_layer("shared") is model.get_layer("shared")


def test_inputs_may_be_given():
    model, x, y = branches(), layers.Input((4,)), layers.Input((4,))
    clone = models.clone_model(model, input_tensors={"a": x, "b": y})
    clone.set_weights(model.get_weights())
    assert clone.inputs == [x, y]
    whole = models.Model([x, y], layers.Rescaling(2.0)(clone.output[0]))
    expected = 2 * model.predict({"a": X, "b": X + 1}, verbose=0)[0]
    np.testing.assert_allclose(whole.predict([X, X + 1], verbose=0), expected, rtol=1e-6)
    chain = models.Sequential([layers.Input((4,)), layers.Dense(2)])
    assert models.clone_model(chain, input_tensors=x).inputs == [x]


def test_calls_may_be_replaced():
    def with_relu(layer, *arguments, **keywords):
        y = layer(*arguments, **keywords)
        return layers.ReLU()(y) if isinstance(layer, layers.Dense) else y

    clone = models.clone_model(branches(), call_function=with_relu)
    assert sum(isinstance(layer, layers.ReLU) for layer in clone.layers) == 3


def test_layers_of_inner_models():
    inner = models.Sequential([layers.Input((4,)), layers.Dense(3, name="deep")], name="inner")
    x = layers.Input((4,))
    model = models.Model(x, layers.Dense(1, name="top")(inner(x)))

    def names(recursive):
        seen = []
        models.clone_model(
            model,
            clone_function=lambda layer: seen.append(layer.name) or equal(layer),
            recursive=recursive,
        )
        return sorted(seen)

    assert names(True) == ["deep", "top"]
    assert names(False) == ["inner", "top"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"clone_function": 3}, TypeError, "`clone_function` must be a function"),
        ({"clone_function": lambda layer: None}, TypeError, "must return a layer, received None"),
        ({"input_tensors": [X]}, ValueError, "must be 2 symbolic tensors"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        models.clone_model(branches(), **arguments)


def test_errors_of_chains():
    chain = models.Sequential([layers.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="`call_function` must be None for a Sequential"):
        models.clone_model(chain, call_function=equal)
    with pytest.raises(ValueError, match="must be the result of Input"):
        models.clone_model(chain, input_tensors=layers.ReLU()(layers.Input((4,))))
    with pytest.raises(ValueError, match="must be built"):
        models.clone_model(models.Sequential([layers.Dense(2)]), clone_function=equal)


def test_functions_of_tensors_are_cloned_and_never_given_to_the_function():
    a, b = layers.Input((4,)), layers.Input((4,))
    total = ops.tanh(a * 2.0 + b)
    model = models.Model({"a": a, "b": b}, {"total": total, "out": layers.Dense(2)(total)})
    seen = []
    clones = [
        models.clone_model(model, clone_function=lambda layer: seen.append(layer) or equal(layer)),
        models.clone_model(model, input_tensors={"a": a, "b": b}),
    ]
    assert [type(layer) for layer in seen] == [layers.Dense]
    for clone in clones:
        clone.set_weights(model.get_weights())
        found, expected = clone({"a": X, "b": X}), model({"a": X, "b": X})
        for key in expected:
            np.testing.assert_array_equal(found[key], expected[key])


def test_clones_are_compiled_as_the_model_is():
    model = models.Sequential([layers.Input((3,)), layers.Dense(1)])
    assert not models.clone_model(model).compiled
    model.compile(optimizers.SGD(0.25), "mse", metrics=["mae"], steps_per_execution=3)
    for clone in (models.clone_model(model), models.clone_model(model, clone_function=_again)):
        assert clone.get_compile_config() == model.get_compile_config()
        assert clone.optimizer is not model.optimizer


def _again(layer):
    return type(layer).from_config(layer.get_config())
