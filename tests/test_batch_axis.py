"""The outputs of models have the batch axis first: functions may move it, and must move it back."""

from __future__ import annotations

import re

import numpy as np
import pytest

from fastconv import layers, models, ops

X = np.random.default_rng(0).normal(size=(6, 4, 4, 3)).astype(np.float32)

KNOWN_SIZE = {
    "transpose": (lambda x: ops.transpose(x, (1, 0, 2, 3)), (4, None, 4, 3)),
    "swapaxes": (lambda x: ops.swapaxes(x, 0, 3), (3, 4, 4, None)),
    "moveaxis": (lambda x: ops.moveaxis(x, 0, -1), (4, 4, 3, None)),
    "reshape": (lambda x: ops.reshape(x, (4, -1)), (4, None)),
    "stack": (lambda x: ops.stack([x, x]), (2, None, 4, 4, 3)),
    "expand_dims": (lambda x: ops.expand_dims(x, 0), (1, None, 4, 4, 3)),
    "get_item": (lambda x: x[0], (4, 4, 3)),
    "take": (lambda x: ops.take(x, [0, 1], axis=0), (2, 4, 4, 3)),
    "argmax": (lambda x: ops.argmax(x, axis=0), (4, 4, 3)),
    "mean": (lambda x: ops.mean(x), ()),
    "sum": (lambda x: ops.sum(x, axis=0, keepdims=True), (1, 4, 4, 3)),
    "einsum": (lambda x: ops.einsum("nhwc,nhwk->ck", x, x), (3, 3)),
}

# Shapes for a batch of 5.
OTHER_SIZE = {
    "reshape": (lambda x: ops.reshape(x, (-1, 3)), (None, 3), (80, 3)),
    "concatenate": (lambda x: ops.concatenate([x, x], 0), (None, 4, 4, 3), (10, 4, 4, 3)),
    "get_item": (lambda x: x[1:], (None, 4, 4, 3), (4, 4, 4, 3)),
    "repeat": (lambda x: ops.repeat(x, 2, axis=0), (None, 4, 4, 3), (10, 4, 4, 3)),
    "tile": (lambda x: ops.tile(x, (3, 1, 1, 1)), (None, 4, 4, 3), (15, 4, 4, 3)),
    "pad": (lambda x: ops.pad(x, ((0, 1), (0, 0), (0, 0), (0, 0))), (None, 4, 4, 3), (6, 4, 4, 3)),
    "matmul": (
        lambda x: ops.matmul(ops.reshape(x, (-1, 48)), ops.transpose(ops.reshape(x, (-1, 48)))),
        (None, None),
        (5, 5),
    ),
}

BACK_AGAIN = {
    "merged": lambda x: ops.reshape(ops.reshape(x, (-1, 3)) * 2.0, (-1, 4, 4, 3)),
    "moved": lambda x: ops.swapaxes(ops.swapaxes(x, 0, 2) + 1.0, 0, 2),
    "difference": lambda x: x - ops.mean(x, axis=0),
    "first": lambda x: x + x[0],
    "halves": lambda x: ops.concatenate([x[1:], x[:1]], axis=0),
}


class Wrapped(layers.Layer):
    """A function as the `call` of a class."""

    def __init__(self, function):
        super().__init__(name="wrapped")
        self.function = function

    def call(self, x):
        return self.function(x)


def message(name, shape, more=""):
    """The message about an output of a layer with this name, which may be numbered."""
    begin = "outputs of a model must have the batch axis first, with one entry per sample; "
    return rf"{begin}'{name}(_\d+)?' gives shape {re.escape(f'{shape}{more}')}$"


@pytest.mark.parametrize("name", KNOWN_SIZE)
def test_an_output_of_known_size_is_refused(name):
    function, shape = KNOWN_SIZE[name]
    x = layers.Input((4, 4, 3))
    with pytest.raises(ValueError, match=message(name, shape)):
        models.Model(x, [x, function(x)])
    with pytest.raises(ValueError, match=message("wrapped", shape)):
        models.Model(x, Wrapped(function)(x))


@pytest.mark.parametrize("name", OTHER_SIZE)
def test_an_output_with_other_numbers_of_entries_is_refused(name):
    function, shape, tried = OTHER_SIZE[name]
    more = f", for a batch of 5 samples {tried}"
    x = layers.Input((4, 4, 3))
    with pytest.raises(ValueError, match=message(name, shape, more)):
        models.Model(x, [x, function(x)])
    with pytest.raises(ValueError, match=message("wrapped", shape, more)):
        models.Model(x, Wrapped(function)(x))


@pytest.mark.parametrize("name", BACK_AGAIN)
def test_functions_may_move_the_batch_axis_inside_of_a_model(name):
    function = BACK_AGAIN[name]
    x = layers.Input((4, 4, 3))
    for y in (function(x), Wrapped(function)(x)):
        y = models.Model(x, y).predict(X, batch_size=6, verbose=0)
        np.testing.assert_allclose(y, function(X), rtol=1e-5, atol=1e-6)


def test_a_graph_may_take_batches_of_one_size():
    rows = np.arange(6, dtype=np.float32)[:, None, None, None]
    x = layers.Input((4, 4, 3))
    for y in (x + rows, ops.broadcast_to(x, (6, 4, 4, 3)) + rows, Wrapped(lambda x: x + rows)(x)):
        model = models.Model(x, y)
        np.testing.assert_allclose(model.predict(X, batch_size=6, verbose=0), X + rows, rtol=1e-6)
        with pytest.raises(ValueError, match="broadcast"):
            model.predict(X[:4], verbose=0)
    with pytest.raises(ValueError, match=message("transpose", (4, 6, 4, 3))):
        models.Model(x, ops.transpose(x + rows, (1, 0, 2, 3)))


def test_layers_compute_on_merged_axes():
    dense = layers.Dense(2)
    x = layers.Input((4, 4, 3))
    y = ops.reshape(dense(ops.reshape(x, (-1, 3))), (-1, 4, 4, 2))
    model = models.Model(x, y)
    expected = dense(X)
    np.testing.assert_allclose(model.predict(X, batch_size=4, verbose=0), expected, rtol=1e-5)


def test_chains_and_classes_are_refused_when_they_are_built():
    function, shape = KNOWN_SIZE["transpose"]
    chain = models.Sequential([layers.Input((4, 4, 3)), Wrapped(function)])
    with pytest.raises(ValueError, match=message("wrapped", shape)):
        chain.predict(X, verbose=0)

    class Net(models.Model):
        def call(self, x):
            return ops.reshape(x, (-1, 3))

    more = ", for a batch of 5 samples (80, 3)"
    with pytest.raises(ValueError, match=message("net", (None, 3), more)):
        Net(name="net").predict(X, verbose=0)


def test_layers_alone_may_return_any_shape():
    function, _ = KNOWN_SIZE["transpose"]
    np.testing.assert_array_equal(Wrapped(function)(X), X.transpose(1, 0, 2, 3))


def test_sizes_that_only_the_data_tell_are_checked_with_the_data():
    x = layers.Input((None, None, 3))
    model = models.Model(x, ops.reshape(x, (-1, 3)))
    with pytest.raises(ValueError, match=r"axis first.*received shape \(96, 3\) for a batch of 6"):
        model.predict(X, verbose=0)
    model = models.Model(x, x[:8])
    assert model.predict(X, verbose=0).shape == X.shape
    with pytest.raises(
        ValueError, match=r"received shape \(8, 4, 4, 3\) for a batch of 12 samples"
    ):
        model.predict(np.concatenate([X, X]), verbose=0)
    with pytest.raises(ValueError, match=r"'swapaxes.* batch of 5 samples \(None, 5, None, 3\)"):
        models.Model(x, ops.swapaxes(x, 0, 1))
