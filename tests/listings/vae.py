"""A variational autoencoder with a `train_step` of its own."""

import numpy as np

import fastconv as keras
from fastconv import layers, ops
from tests.listings.material import digits, start

images = digits(24)[0][..., None].astype("float32") / 255
latent_dim = 2

image_inputs = keras.Input(shape=(12, 12, 1))
x = layers.Conv2D(8, 3, activation="relu", strides=2, padding="same")(image_inputs)
x = layers.Conv2D(16, 3, activation="relu", strides=2, padding="same")(x)
x = layers.Flatten()(x)
x = layers.Dense(16, activation="relu")(x)
z_mean = layers.Dense(latent_dim, name="z_mean")(x)
z_log_var = layers.Dense(latent_dim, name="z_log_var")(x)
encoder = keras.Model(image_inputs, [z_mean, z_log_var], name="encoder")

latent_inputs = keras.Input(shape=(latent_dim,))
x = layers.Dense(3 * 3 * 16, activation="relu")(latent_inputs)
x = layers.Reshape((3, 3, 16))(x)
x = layers.Conv2DTranspose(16, 3, activation="relu", strides=2, padding="same")(x)
x = layers.Conv2DTranspose(8, 3, activation="relu", strides=2, padding="same")(x)
decoder_outputs = layers.Conv2D(1, 3, activation="sigmoid", padding="same")(x)
decoder = keras.Model(latent_inputs, decoder_outputs, name="decoder")
start(encoder)
start(decoder, seed=1)


class Sampler(keras.layers.Layer):
    def call(self, z_mean, z_log_var, epsilon):
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


def value_itself(y_true, y_pred):
    return y_pred


class VAE(keras.Model):
    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.sampler = Sampler()
        self.latent_dim = latent_dim
        self.draw = np.random.default_rng(4)
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

        image, epsilon = keras.Input((12, 12, 1)), keras.Input((latent_dim,))
        z_mean, z_log_var = encoder(image)
        reconstruction = decoder(self.sampler(z_mean, z_log_var, epsilon=epsilon))
        distance = keras.losses.binary_crossentropy(image, reconstruction)
        reconstruction_loss = ops.sum(distance, axis=(1, 2))
        kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
        self.terms = keras.Model([image, epsilon], [reconstruction_loss, kl_loss])

    @property
    def metrics(self):
        return [
            self.total_loss_tracker,
            self.reconstruction_loss_tracker,
            self.kl_loss_tracker,
        ]

    def call(self, inputs):
        return self.encoder(inputs)

    def train_step(self, data):
        epsilon = self.draw.normal(size=(len(data), self.latent_dim)).astype("float32")
        nothing = [np.zeros(len(data)), np.zeros((len(data), latent_dim))]
        found = self.terms.value_and_gradients(
            [data, epsilon], nothing, loss=[value_itself, value_itself]
        )
        self.optimizer.apply_gradients(
            zip(found.gradients, self.terms.trainable_weights, strict=True)
        )
        reconstruction_loss, kl_loss = found.outputs
        self.total_loss_tracker.update_state(found.loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {
            "total_loss": self.total_loss_tracker.result(),
            "reconstruction_loss": self.reconstruction_loss_tracker.result(),
            "kl_loss": self.kl_loss_tracker.result(),
        }


vae = VAE(encoder, decoder)
vae.compile(optimizer=keras.optimizers.SGD(1e-4), run_eagerly=True)
history = vae.fit(images, epochs=2, batch_size=8, shuffle=False, verbose=0)

grid = np.array([[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)])
decoded = vae.decoder.predict(grid, verbose=0)

results = {
    "keys": sorted(history.history),
    "total": history.history["total_loss"],
    "reconstruction": history.history["reconstruction_loss"],
    "kl": history.history["kl_loss"],
    "decoded": decoded,
}
