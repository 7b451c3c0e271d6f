"""The step of `vae.py` with a gradient tape, for Keras."""

import keras
import tensorflow as tf
from keras import ops


class VAE:
    def train_step(self, data):
        epsilon = self.draw.normal(size=(len(data), self.latent_dim)).astype("float32")
        with tf.GradientTape() as tape:
            z_mean, z_log_var = self.encoder(data)
            reconstruction = self.decoder(self.sampler(z_mean, z_log_var, epsilon=epsilon))
            distance = keras.losses.binary_crossentropy(data, reconstruction)
            reconstruction_loss = ops.mean(ops.sum(distance, axis=(1, 2)))
            kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
            kl_loss = ops.mean(kl_loss)
            total_loss = reconstruction_loss + kl_loss
        weights = self.trainable_weights
        self.optimizer.apply_gradients(
            zip(tape.gradient(total_loss, weights), weights, strict=True)
        )
        self.total_loss_tracker.update_state(total_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {
            "total_loss": self.total_loss_tracker.result(),
            "reconstruction_loss": self.reconstruction_loss_tracker.result(),
            "kl_loss": self.kl_loss_tracker.result(),
        }
