"""Layers, models, losses, metrics, callbacks and parts of layers of one's own."""

import math

import numpy as np

import fastconv as keras
from fastconv import ops
from tests.listings.material import start

generator = np.random.default_rng(3)
X = generator.normal(size=(64, 8)).astype("float32")
y = (X[:, :1] * 2 - X[:, 1:2] + 0.5).astype("float32")
images = generator.uniform(size=(6, 16, 16, 3)).astype("float32")


# Functions and small classes -----------------------------------------------------------------


def huber_fn(y_true, y_pred):
    error = y_true - y_pred
    is_small_error = ops.abs(error) < 1
    squared_loss = ops.square(error) / 2
    linear_loss = ops.abs(error) - 0.5
    return ops.where(is_small_error, squared_loss, linear_loss)


def create_huber(threshold=1.0):
    def huber(y_true, y_pred):
        error = y_true - y_pred
        is_small_error = ops.abs(error) < threshold
        squared_loss = ops.square(error) / 2
        linear_loss = threshold * ops.abs(error) - threshold**2 / 2
        return ops.where(is_small_error, squared_loss, linear_loss)

    return huber


class HuberLoss(keras.losses.Loss):
    def __init__(self, threshold=1.0, **kwargs):
        self.threshold = threshold
        super().__init__(**kwargs)

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        is_small_error = ops.abs(error) < self.threshold
        squared_loss = ops.square(error) / 2
        linear_loss = self.threshold * ops.abs(error) - self.threshold**2 / 2
        return ops.where(is_small_error, squared_loss, linear_loss)

    def get_config(self):
        base_config = super().get_config()
        return {**base_config, "threshold": self.threshold}


def my_softplus(z):
    return ops.log(1.0 + ops.exp(z))


def my_glorot_initializer(shape, dtype="float32"):
    stddev = math.sqrt(2.0 / (shape[0] + shape[1]))
    return np.random.default_rng(1).normal(0, stddev, size=shape)


def my_l1_regularizer(weights):
    return ops.sum(ops.abs(0.01 * weights))


def my_positive_weights(weights):
    return ops.where(weights < 0.0, ops.zeros_like(weights), weights)


class MyL1Regularizer(keras.regularizers.Regularizer):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, weights):
        return ops.sum(ops.abs(self.factor * weights))

    def get_config(self):
        return {"factor": self.factor}


class HuberMetric(keras.metrics.Metric):
    def __init__(self, threshold=1.0, **kwargs):
        super().__init__(**kwargs)
        self.threshold = threshold
        self.huber_fn = create_huber(threshold)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        sample_metrics = self.huber_fn(y_true, y_pred)
        self.total.assign_add(ops.sum(sample_metrics))
        self.count.assign_add(ops.cast(ops.size(y_true), "float32"))

    def result(self):
        return self.total / self.count

    def get_config(self):
        base_config = super().get_config()
        return {**base_config, "threshold": self.threshold}


model = keras.models.Sequential(
    [
        keras.layers.Input(shape=(8,)),
        keras.layers.Dense(
            30,
            activation=my_softplus,
            kernel_initializer=my_glorot_initializer,
            kernel_regularizer=MyL1Regularizer(0.01),
            kernel_constraint=my_positive_weights,
        ),
        keras.layers.Dense(1, kernel_regularizer=my_l1_regularizer),
    ]
)
start(model.layers[1])
model.compile(
    loss=HuberLoss(2.0),
    optimizer="nadam",
    metrics=["mae", HuberMetric(2.0, name="huber"), huber_fn],
)
history = model.fit(X, y, epochs=2, batch_size=16, shuffle=False, verbose=0)
model.save("my_model_with_many_custom_parts.keras")
again = keras.models.load_model(
    "my_model_with_many_custom_parts.keras",
    custom_objects={
        "HuberLoss": HuberLoss,
        "HuberMetric": HuberMetric,
        "huber_fn": huber_fn,
        "my_l1_regularizer": my_l1_regularizer,
        "MyL1Regularizer": MyL1Regularizer,
        "my_positive_weights": my_positive_weights,
        "my_glorot_initializer": my_glorot_initializer,
        "my_softplus": my_softplus,
    },
)
assert np.allclose(again.predict(X, verbose=0), model.predict(X, verbose=0))
again.fit(X, y, epochs=1, verbose=0)

metric = keras.metrics.Precision()
first_precision = float(metric([0, 1, 1, 1, 0, 1, 0, 1], [1, 1, 0, 1, 0, 1, 0, 1]))
second_precision = float(metric([0, 1, 0, 0, 1, 0, 1, 1], [1, 0, 1, 1, 0, 0, 0, 0]))
counts = [float(np.ravel(v)[0]) for v in metric.variables[:2]]
metric.reset_state()


# Layers --------------------------------------------------------------------------------------


class MyDense(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, batch_input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=[batch_input_shape[-1], self.units], initializer="glorot_normal"
        )
        self.bias = self.add_weight(name="bias", shape=[self.units], initializer="zeros")
        super().build(batch_input_shape)

    def call(self, X):
        return self.activation(X @ self.kernel + self.bias)

    def compute_output_shape(self, batch_input_shape):
        return tuple(batch_input_shape[:-1]) + (self.units,)

    def get_config(self):
        base_config = super().get_config()
        return {
            **base_config,
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
        }


class MyMultiLayer(keras.layers.Layer):
    def call(self, X):
        X1, X2 = X
        return X1 + X2, X1 * X2, X1 / X2


class MyGaussianNoise(keras.layers.Layer):
    def __init__(self, stddev, **kwargs):
        super().__init__(**kwargs)
        self.stddev = stddev

    def call(self, X, training=False):
        if training:
            noise = keras.random.normal(ops.shape(X), stddev=self.stddev)
            return X + noise
        return X


class ResidualBlock(keras.layers.Layer):
    def __init__(self, n_layers, n_neurons, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [
            keras.layers.Dense(n_neurons, activation="relu", kernel_initializer="he_normal")
            for _ in range(n_layers)
        ]

    def call(self, inputs):
        Z = inputs
        for layer in self.hidden:
            Z = layer(Z)
        return inputs + Z


class ResidualRegressor(keras.Model):
    def __init__(self, output_dim, **kwargs):
        super().__init__(**kwargs)
        self.hidden1 = keras.layers.Dense(8, activation="relu", kernel_initializer="he_normal")
        self.block1 = ResidualBlock(2, 8)
        self.block2 = ResidualBlock(2, 8)
        self.out = keras.layers.Dense(output_dim)

    def call(self, inputs):
        Z = self.hidden1(inputs)
        for _ in range(1 + 3):
            Z = self.block1(Z)
        Z = self.block2(Z)
        return self.out(Z)


class ReconstructingRegressor(keras.Model):
    def __init__(self, output_dim, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [keras.layers.Dense(10, activation="relu") for _ in range(3)]
        self.out = keras.layers.Dense(output_dim)
        self.reconstruct = keras.layers.Dense(8)

    def call(self, inputs, training=None):
        Z = inputs
        for layer in self.hidden:
            Z = layer(Z)
        reconstruction = self.reconstruct(Z)
        recon_loss = ops.mean(ops.square(reconstruction - inputs))
        self.add_loss(0.05 * recon_loss)
        return self.out(Z)


X1, X2 = MyMultiLayer()((X[:, :2], X[:, 2:4]))[:2]
noisy = MyGaussianNoise(1.0)
assert not np.array_equal(noisy(X, training=True), X) and np.array_equal(noisy(X), X)

dense = keras.Sequential([keras.Input((8,)), MyDense(30, activation="relu"), MyDense(1)])
start(dense)
dense.compile(loss="mse", optimizer="nadam")
dense_history = dense.fit(X, y, epochs=2, shuffle=False, verbose=0)
dense.save("my_dense.keras")
loaded = keras.models.load_model("my_dense.keras", custom_objects={"MyDense": MyDense})
assert np.allclose(loaded.predict(X, verbose=0), dense.predict(X, verbose=0))

losses = []
for cls in (ResidualRegressor, ReconstructingRegressor):
    regressor = cls(1)
    regressor.build((None, 8))
    regressor(X[:1])
    start(regressor)
    regressor.compile(loss="mse", optimizer=keras.optimizers.SGD(0.01, clipnorm=1.0))
    losses += regressor.fit(X, y, epochs=2, shuffle=False, verbose=0).history["loss"]
    losses.append(regressor.evaluate(X, y, verbose=0))


# A residual network of units -----------------------------------------------------------------


class ResidualUnit(keras.layers.Layer):
    def __init__(self, filters, strides=1, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.main_layers = [
            keras.layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
            self.activation,
            keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
        ]
        self.skip_layers = []
        if strides > 1:
            self.skip_layers = [
                keras.layers.Conv2D(filters, 1, strides=strides, padding="same", use_bias=False),
                keras.layers.BatchNormalization(),
            ]

    def call(self, inputs):
        Z = inputs
        for layer in self.main_layers:
            Z = layer(Z)
        skip_Z = inputs
        for layer in self.skip_layers:
            skip_Z = layer(skip_Z)
        return self.activation(Z + skip_Z)


resnet = keras.Sequential(
    [keras.layers.Input((16, 16, 3)), keras.layers.Conv2D(4, 3, padding="same")]
)
prev_filters = 4
for filters in [4, 8]:
    strides = 1 if filters == prev_filters else 2
    resnet.add(ResidualUnit(filters, strides=strides))
    prev_filters = filters
resnet.add(keras.layers.GlobalAvgPool2D())
resnet.add(keras.layers.Flatten())
resnet.add(keras.layers.Dense(3, activation="softmax"))
start(resnet)
resnet.compile("sgd", "sparse_categorical_crossentropy")
resnet_losses = [float(resnet.train_on_batch(images, np.arange(6) % 3)) for _ in range(2)]
resnet_output = resnet.predict(images, verbose=0)


# Callbacks -----------------------------------------------------------------------------------


class PrintValTrainRatioCallback(keras.callbacks.Callback):
    ratios = []  # noqa: RUF012

    def on_epoch_end(self, epoch, logs):
        self.ratios.append(logs["val_loss"] / logs["loss"])


class LossHistory(keras.callbacks.Callback):
    def on_train_begin(self, logs):
        self.per_batch_losses = []

    def on_batch_end(self, batch, logs):
        self.per_batch_losses.append(logs.get("loss"))

    def on_epoch_end(self, epoch, logs):
        self.per_batch_losses = [float(each) for each in self.per_batch_losses]


class ExponentialLearningRate(keras.callbacks.Callback):
    def __init__(self, factor):
        self.factor = factor
        self.rates = []

    def on_batch_end(self, batch, logs=None):
        lr = float(self.model.optimizer.learning_rate) * self.factor
        self.rates.append(float(self.model.optimizer.learning_rate))
        self.model.optimizer.learning_rate = lr


line = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
start(line)
line.compile(loss="mse", optimizer=keras.optimizers.SGD(0.01))
ratio, seen, rates = PrintValTrainRatioCallback(), LossHistory(), ExponentialLearningRate(1.1)
schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 * 0.1 ** (epoch / 20))
line.fit(
    X, y, validation_split=0.25, epochs=2, batch_size=16, shuffle=False,
    callbacks=[ratio, seen, rates, schedule, keras.callbacks.TensorBoard(log_dir="logs")],
    verbose=0,
)  # fmt: skip

results = {
    "history": [value for key in sorted(history.history) for value in history.history[key]],
    "keys": sorted(history.history),
    "precision": [first_precision, second_precision, *counts],
    "several": np.concatenate([np.asarray(X1), np.asarray(X2)]),
    "dense": dense_history.history["loss"],
    "shape": dense.layers[0].compute_output_shape((None, 8)),
    "config": dense.layers[0].get_config()["units"],
    "losses": losses,
    "resnet": resnet_losses,
    "resnet_output": resnet_output,
    "ratios": ratio.ratios,
    "batches": seen.per_batch_losses,
    "rates": rates.rates,
}
