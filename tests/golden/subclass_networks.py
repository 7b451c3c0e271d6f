"""Layers and models whose classes define `call`, for Keras and for fastconv alike.

`networks(layers, models, ops)` makes the classes from one of the libraries, and a model of each.
"""

from __future__ import annotations

import numpy as np

STEPS = 4
X = np.random.default_rng(1).normal(size=(6, 8, 8, 3)).astype(np.float32)
Y = np.random.default_rng(2).normal(size=(6, 2)).astype(np.float32)


def networks(layers, models, ops):
    """Functions that make a built model, by name."""

    class Block(layers.Layer):
        """Two convolutions in a list, weights of its own, and a part for training alone."""

        def __init__(self, filters, **kwargs):
            super().__init__(**kwargs)
            self.convolutions = [
                layers.Conv2D(filters, 3, padding="same", activation="relu") for _ in range(2)
            ]
            self.norms = {"out": layers.BatchNormalization()}

        def build(self, input_shape):
            self.shift = self.add_weight(
                shape=(input_shape[-1],), initializer="zeros", trainable=False, name="shift"
            )
            self.scale = self.add_weight(
                shape=(input_shape[-1],), initializer="ones", regularizer="l2", name="scale"
            )

        def call(self, x, training=None):
            y = x * self.scale + self.shift
            for convolution in self.convolutions:
                y = convolution(y)
            y = self.norms["out"](y, training=training)
            if training:
                y = y * 1.5
            return ops.tanh(y + x)

    class Net(models.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.stem = layers.Conv2D(4, 3, strides=2)
            self.blocks = [Block(4), Block(4)]
            self.pool = layers.GlobalAveragePooling2D()
            self.head = layers.Dense(2)

        def call(self, x, training=False):
            x = self.stem(x)
            for block in self.blocks:
                x = block(x, training=training)
            return self.head(self.pool(x))

    class Tied(layers.Layer):
        """Computes with the weights of another layer, and with functions of weights alone."""

        def __init__(self, dense, **kwargs):
            super().__init__(**kwargs)
            self.dense = dense

        def build(self, input_shape):
            self.mix = self.add_weight(shape=(3, 3), initializer="ones", name="mix")

        def call(self, x):
            mixed = ops.softmax(self.mix * 0.5) @ ops.transpose(self.dense.kernel)
            return ops.matmul(x, mixed) - ops.mean(self.mix)

    class Attention(layers.Layer):
        """Several inputs, a keyword argument, several outputs, and terms of the loss."""

        def build(self, query_shape, value_shape):
            self.key = self.add_weight(
                shape=(value_shape[-1], query_shape[-1]), initializer="ones", name="key"
            )

        def call(self, query, value, scale=1.0):
            scores = ops.einsum("nqc,nkc->nqk", query, value @ self.key) * scale
            weights = ops.softmax(scores)
            self.add_loss(0.01 * ops.sum(ops.square(scores)) + 0.1 * ops.sum(ops.abs(self.key)))
            return ops.matmul(weights, value), weights

    class Frozen(models.Model):
        """The statistics of the normalization are fixed, its other weights are not."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.convolution = layers.Conv2D(4, 3)
            self.norm = layers.BatchNormalization()
            self.head = layers.Dense(2, activity_regularizer="l2")

        def call(self, x):
            x = ops.relu(self.norm(self.convolution(x), training=False))
            return self.head(ops.mean(x, axis=(1, 2)))

    def subclassed():
        model = Net()
        model(X)
        return model

    def frozen():
        model = Frozen()
        model(X)
        return model

    def tied():
        x = layers.Input((8, 8, 3))
        dense = layers.Dense(3, use_bias=False)
        hidden = dense(layers.Flatten()(x))
        back = Tied(dense)(hidden)
        return models.Model(x, layers.Dense(2)(ops.sin(back)))

    def attention():
        x = layers.Input((8, 8, 3))
        query = layers.Reshape((8, 24))(x)
        value = layers.Reshape((16, 12))(x)
        y, weights = Attention()(query, value=value, scale=0.1)
        y = layers.concatenate([layers.Flatten()(y), layers.Flatten()(weights)])
        return models.Model(x, layers.Dense(2)(y))

    return {"subclassed": subclassed, "frozen": frozen, "tied": tied, "attention": attention}


def trained(model):
    """Train `model` from weights that do not depend on the library; return what it computes."""
    generator = np.random.default_rng(3)
    model.set_weights(
        [
            np.abs(w) + generator.uniform(0, 0.3, w.shape)
            if w.ndim == 1 and (w == 1).all()
            else generator.uniform(-0.3, 0.3, w.shape)
            for w in model.get_weights()
        ]
    )
    losses = [float(model.train_on_batch(X, Y)) for _ in range(STEPS)]
    return {
        "losses": np.array(losses),
        "test": np.array(float(model.test_on_batch(X, Y))),
        "predictions": np.asarray(model.predict(X, verbose=0)),
        "in_training": np.asarray(model(X, training=True)),
        **{f"weight_{n}": np.asarray(w) for n, w in enumerate(model.get_weights())},
    }
