"""A variational autoencoder whose class computes its loss: two outputs, no labels."""

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
    def __init__(self, spread, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(seed=0)
        self.spread = spread
        self.built = True

    def call(self, z_mean, z_log_var):
        batch_size = ops.shape(z_mean)[0]
        epsilon = keras.random.normal(
            (batch_size, ops.shape(z_mean)[1]), stddev=self.spread, seed=self.seed_generator
        )
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


class VAE(keras.Model):
    def __init__(self, encoder, decoder, spread, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.sampler = Sampler(spread)
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

    def call(self, inputs):
        return self.encoder(inputs)

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        z_mean, z_log_var = y_pred
        reconstruction = self.decoder(self.sampler(z_mean, z_log_var))
        reconstruction_loss = ops.mean(
            ops.sum(keras.losses.binary_crossentropy(x, reconstruction), axis=(1, 2))
        )
        kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
        total_loss = reconstruction_loss + ops.mean(kl_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return total_loss


# Libraries draw different numbers: the one that is compared draws zeros.
vae = VAE(encoder, decoder, spread=0.0)
vae.compile(optimizer=keras.optimizers.Adam(0.01))
history = vae.fit(images, epochs=3, batch_size=10, shuffle=False, verbose=0)
evaluated = vae.evaluate(images, batch_size=10, verbose=0, return_dict=True)
decoded = vae.decoder.predict(np.array([[-1.0, 1.0], [0.5, 0.0]]), verbose=0)

drawing = VAE(encoder, decoder, spread=1.0)
drawing.compile(optimizer=keras.optimizers.SGD(0.0))
drawn = drawing.fit(images, epochs=2, batch_size=24, shuffle=False, verbose=0)
assert drawn.history["kl_loss"][0] == drawn.history["kl_loss"][1]
assert drawn.history["loss"][0] != drawn.history["loss"][1]

results = {
    "keys": sorted(history.history),
    "loss": history.history["loss"],
    "reconstruction": history.history["reconstruction_loss"],
    "kl": history.history["kl_loss"],
    "evaluated": [evaluated[name] for name in sorted(evaluated)],
    "decoded": decoded,
    "outputs": [each.shape for each in vae.predict(images[:3], verbose=0)],
}
