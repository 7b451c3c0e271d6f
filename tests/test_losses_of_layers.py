"""`Layer.losses`: the terms that a layer or model adds to the loss, as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import KerasTensor, Variable, data, layers, models, ops, optimizers
from fastconv.utils import set_random_seed

X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)


class Sparse(layers.Layer):
    def call(self, x):
        self.add_loss(0.5 * ops.sum(ops.abs(x)))
        return x * 2


def test_losses_are_those_of_the_last_call_and_of_the_weights():
    layer = layers.Dense(3, kernel_regularizer="l2", activity_regularizer="l1")
    layer.build((None, 4))
    on_kernel = 0.01 * np.sum(np.square(layer.kernel.numpy()))
    assert layer.losses == pytest.approx([on_kernel])
    y = layer(X)
    assert layer.losses == pytest.approx([0.01 * np.abs(y).sum() / 2, on_kernel])
    y = layer(3 * X)
    assert layer.losses == pytest.approx([0.01 * np.abs(y).sum() / 2, on_kernel])
    layer.trainable = False
    assert len(layer.losses) == 1


def test_losses_of_a_regularizer_that_is_a_function():
    layer = layers.Dense(2, kernel_regularizer=lambda w: ops.sum(ops.abs(w)))
    layer.build((None, 4))
    assert layer.losses == pytest.approx([np.abs(layer.kernel.numpy()).sum()])


@pytest.mark.parametrize("functional", [True, False])
def test_losses_of_a_model_are_those_of_its_layers(functional):
    inputs = layers.Input((4,))
    dense = layers.Dense(2, activity_regularizer="l2")
    if functional:
        model = models.Model(inputs, dense(Sparse()(inputs)))
    else:
        model = models.Sequential([inputs, Sparse(), dense])
    assert model.losses == []
    y = model(X)
    expected = [0.5 * np.abs(X).sum(), 0.01 * np.square(y).sum() / 2]
    assert model.losses == pytest.approx(expected)
    np.testing.assert_array_equal(y, model.predict(X, verbose=0))
    model.compile("sgd", "mse")
    assert model.evaluate(X, y, verbose=0) == pytest.approx(sum(expected), rel=1e-5)


def test_a_class_may_not_define_losses():
    with pytest.raises(TypeError, match="defines `losses`, which has no effect"):

        class Own(layers.Layer):
            losses = ()


def test_a_variable_of_its_own_is_trained_by_an_optimizer():
    variable = Variable(np.ones((2, 3)), name="w")
    optimizer = optimizers.SGD(0.5)
    optimizer.apply_gradients([(np.full((2, 3), 2.0, np.float32), variable)])
    np.testing.assert_array_equal(variable.numpy(), np.zeros((2, 3)))
    assert variable.path == "w"


def test_what_a_variable_needs():
    assert Variable("ones", shape=(2,)).numpy().tolist() == [1, 1]
    assert Variable(3.0).shape == ()
    with pytest.raises(ValueError, match="`shape` must be given with the initializer 'ones'"):
        Variable("ones")
    with pytest.raises(ValueError, match="`dtype` must be None or 'float32', received 'int32'"):
        Variable(1, dtype="int32")


def test_shapes_without_a_model():
    assert ops.sum(KerasTensor((None, 3, 4)), axis=1).shape == (None, 4)
    assert layers.Conv2D(8, 3)(KerasTensor((None, 5, 5, 3))).shape == (None, 3, 3, 8)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        ({"ndim": 2}, (1, 2, 3), "must have 2 axes, received shape"),
        ({"min_ndim": 3}, (1, 2), "must have at least 3 axes"),
        ({"max_ndim": 2}, (1, 2, 3), "must have at most 2 axes"),
        ({"axes": {-1: 4}}, (1, 3), "axis -1 of the input of layer 'own' must have size 4"),
        ({"shape": (None, 4)}, (1, 3), "axis 1 of the input of layer 'own' must have size 4"),
    ],
)
def test_input_spec_is_checked_on_arrays_and_symbols(spec, shape, message):
    class Own(Sparse):
        def __init__(self):
            super().__init__(name="own")
            self.input_spec = layers.InputSpec(**spec)

    for value in (np.ones(shape), layers.Input(shape[1:])):
        with pytest.raises(ValueError, match=message):
            Own()(value)


class Compressed(layers.Layer):
    """An autoencoder in one layer, which adds its own loss."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = layers.Dense(2), layers.Dense(4)

    def call(self, x):
        y = self.decoder(self.encoder(x))
        self.add_loss(ops.mean(ops.square(y - x)))
        return y


class Autoencoder(models.Model):
    def __init__(self):
        super().__init__()
        self.inner = Compressed()

    def call(self, x):
        return self.inner(x)


@pytest.mark.parametrize("make", [lambda: models.Sequential([Compressed()]), Autoencoder])
def test_a_model_learns_by_add_loss_alone(make):
    set_random_seed(0)
    model = make()
    model.compile(optimizers.SGD(0.5))
    before = np.mean(np.square(model(X) - X))
    assert model.evaluate(X, verbose=0) == pytest.approx(before, rel=1e-5)
    history = model.fit(X, epochs=60, batch_size=2, verbose=0).history
    assert list(history) == ["loss"] and history["loss"][-1] < 0.1 * before
    assert model.train_on_batch(X) < before
    batches = data.Dataset.from_tensor_slices(X).batch(1)
    assert model.fit(batches, verbose=0, validation_data=batches).history["val_loss"]


def test_add_loss_alone_has_the_gradients_of_an_equal_loss():
    set_random_seed(0)
    layer = Compressed()
    alone, other = models.Sequential([layer]), Autoencoder()
    alone.build((None, 4))
    plain = models.Sequential([layers.Input((4,)), layers.Dense(2), layers.Dense(4)])
    plain.set_weights(alone.get_weights())
    for model, y in ((alone, None), (plain, X)):
        model.compile(optimizers.SGD(0.5), None if y is None else "mse")
        model.fit(X, y, epochs=3, batch_size=2, verbose=0)
    for own, expected in zip(alone.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)
    other.compile("sgd", metrics=["mae"])
    with pytest.raises(ValueError, match="has no labels for metrics"):
        other.fit(X, verbose=0)
