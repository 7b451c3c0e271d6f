"""A generative adversarial network, whose `train_step` trains two models in turn."""

import numpy as np

import fastconv as keras
from fastconv import layers
from tests.listings.material import colored, start

images, _ = colored(24, 16, 2)
images /= 255.0
latent_dim = 8

discriminator = keras.Sequential(
    [
        keras.Input(shape=(16, 16, 3)),
        layers.Conv2D(8, kernel_size=4, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(16, kernel_size=4, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Flatten(),
        layers.Dense(1, activation="sigmoid"),
    ],
    name="discriminator",
)
generator = keras.Sequential(
    [
        keras.Input(shape=(latent_dim,)),
        layers.Dense(4 * 4 * 8),
        layers.Reshape((4, 4, 8)),
        layers.Conv2DTranspose(8, kernel_size=4, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2DTranspose(8, kernel_size=4, strides=2, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(3, kernel_size=5, padding="same", activation="sigmoid"),
    ],
    name="generator",
)
start(discriminator)
start(generator, seed=1)


class GAN(keras.Model):
    def __init__(self, discriminator, generator, latent_dim):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator
        self.both = keras.Sequential([keras.Input((latent_dim,)), generator, discriminator])
        self.latent_dim = latent_dim
        self.draw = np.random.default_rng(5)
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile(run_eagerly=True)
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn

    @property
    def metrics(self):
        return [self.d_loss_metric, self.g_loss_metric]

    def train_step(self, real_images):
        batch_size = real_images.shape[0]
        vectors = self.draw.normal(size=(batch_size, self.latent_dim)).astype("float32")
        combined_images = np.concatenate([self.generator(vectors), real_images], axis=0)
        labels = np.concatenate([np.ones((batch_size, 1)), np.zeros((batch_size, 1))], axis=0)
        labels += 0.05 * self.draw.uniform(size=labels.shape)
        found = self.discriminator.value_and_gradients(combined_images, labels, loss=self.loss_fn)
        self.d_optimizer.apply_gradients(
            zip(found.gradients, self.discriminator.trainable_weights, strict=True)
        )
        d_loss = found.loss

        vectors = self.draw.normal(size=(batch_size, self.latent_dim)).astype("float32")
        weights = self.generator.trainable_weights
        found = self.both.value_and_gradients(
            vectors, np.zeros((batch_size, 1)), loss=self.loss_fn, variables=weights
        )
        self.g_optimizer.apply_gradients(zip(found.gradients, weights, strict=True))

        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(found.loss)
        return {"d_loss": self.d_loss_metric.result(), "g_loss": self.g_loss_metric.result()}


class GANMonitor(keras.callbacks.Callback):
    def __init__(self, num_img=3, latent_dim=8):
        self.num_img = num_img
        self.latent_dim = latent_dim

    def on_epoch_end(self, epoch, logs=None):
        vectors = np.ones((self.num_img, self.latent_dim), "float32")
        generated_images = self.model.generator(vectors) * 255
        for i in range(self.num_img):
            img = keras.utils.array_to_img(generated_images[i])
            img.save(f"generated_img_{epoch:03d}_{i}.png")


gan = GAN(discriminator=discriminator, generator=generator, latent_dim=latent_dim)
gan.compile(
    d_optimizer=keras.optimizers.SGD(learning_rate=0.01),
    g_optimizer=keras.optimizers.SGD(learning_rate=0.01),
    loss_fn=keras.losses.BinaryCrossentropy(),
)
history = gan.fit(
    images, epochs=2, batch_size=8, shuffle=False, callbacks=[GANMonitor()], verbose=0
)

results = {
    "keys": sorted(history.history),
    "d_loss": history.history["d_loss"],
    "g_loss": history.history["g_loss"],
    "generated": np.asarray(generator(np.ones((1, latent_dim), "float32"))),
}
