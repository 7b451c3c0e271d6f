"""The step of `gan.py` with gradient tapes, for Keras."""

import numpy as np
import tensorflow as tf


class GAN:
    def train_step(self, real_images):
        batch_size = real_images.shape[0]
        vectors = self.draw.normal(size=(batch_size, self.latent_dim)).astype("float32")
        combined_images = np.concatenate([self.generator(vectors), real_images], axis=0)
        labels = np.concatenate([np.ones((batch_size, 1)), np.zeros((batch_size, 1))], axis=0)
        labels += 0.05 * self.draw.uniform(size=labels.shape)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(combined_images))
        weights = self.discriminator.trainable_weights
        grads = tape.gradient(d_loss, weights)
        self.d_optimizer.apply_gradients(zip(grads, weights, strict=True))

        vectors = self.draw.normal(size=(batch_size, self.latent_dim)).astype("float32")
        with tf.GradientTape() as tape:
            predictions = self.discriminator(self.generator(vectors))
            g_loss = self.loss_fn(np.zeros((batch_size, 1)), predictions)
        weights = self.generator.trainable_weights
        grads = tape.gradient(g_loss, weights)
        self.g_optimizer.apply_gradients(zip(grads, weights, strict=True))

        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        return {"d_loss": self.d_loss_metric.result(), "g_loss": self.g_loss_metric.result()}
