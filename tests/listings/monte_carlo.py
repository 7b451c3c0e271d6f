"""Monte-Carlo dropout: how sure a network is."""

from functools import partial

import numpy as np

import fastconv as keras
from tests.listings.material import digits, start

images, labels = digits(60)
X, y = images / 255.0, labels

RegularizedDense = partial(
    keras.layers.Dense,
    activation="relu",
    kernel_initializer="he_normal",
    kernel_regularizer=keras.regularizers.l2(0.01),
    kernel_constraint=keras.constraints.max_norm(1.0),
)
model = keras.models.Sequential(
    [
        keras.layers.Flatten(input_shape=[12, 12]),
        keras.layers.Dropout(rate=0.2),
        RegularizedDense(30),
        keras.layers.Dropout(rate=0.2),
        RegularizedDense(10, activation="softmax", kernel_initializer="glorot_uniform"),
    ]
)
start(model)
model.compile(loss="sparse_categorical_crossentropy", optimizer="nadam", metrics=["accuracy"])
evaluated = model.evaluate(X, y, verbose=0)

y_probas = np.stack([model(X, training=True) for sample in range(50)])
y_proba = y_probas.mean(axis=0)
y_std = y_probas.std(axis=0)


class MCDropout(keras.layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


class MCAlphaDropout(keras.layers.AlphaDropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


mc_model = keras.models.Sequential(
    [
        MCDropout(layer.rate) if isinstance(layer, keras.layers.Dropout) else layer
        for layer in model.layers
    ]
)
mc_model.build((None, 12, 12))
mc_model.set_weights(model.get_weights())
mc_model.compile(loss="sparse_categorical_crossentropy", optimizer="nadam")
mean_proba = np.mean([mc_model.predict(X[:5], verbose=0) for sample in range(50)], axis=0)

selu_model = keras.models.Sequential(
    [
        keras.layers.Input(shape=[12, 12]),
        keras.layers.Flatten(),
        keras.layers.Dense(20, activation="selu", kernel_initializer="lecun_normal"),
        MCAlphaDropout(rate=0.2),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
assert not np.array_equal(selu_model.predict(X, verbose=0), selu_model.predict(X, verbose=0))

certain = model.predict(X, verbose=0)
assert y_std.max() > 0.005 and np.abs(y_proba - certain).max() < 0.15
assert np.abs(mean_proba - y_proba[:5]).max() < 0.1
assert not np.array_equal(mc_model.predict(X, verbose=0), mc_model.predict(X, verbose=0))

results = {
    "evaluated": evaluated,
    "certain": certain,
    "shape": y_probas.shape,
    "kinds": [type(layer).__name__ for layer in mc_model.layers],
    "trained": np.shape(model.fit(X, y, epochs=2, verbose=0).history["accuracy"]),
    "norms": bool((np.linalg.norm(model.layers[2].get_weights()[0], axis=0) < 1.0001).all()),
}
