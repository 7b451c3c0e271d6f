"""The gradients of `looking_inside.py` with gradient tapes, for Keras."""

import keras
import tensorflow as tf


def gradient_of_loss(model, image, filter_index):
    image = tf.convert_to_tensor(image)
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = tf.reduce_mean(model(image)[:, 2:-2, 2:-2, filter_index])
    return tape.gradient(loss, image).numpy()


def gradient_of_class(model, image, class_index, layer_name):
    grad_model = keras.Model(model.inputs, [model.get_layer(layer_name).output, model.outputs[0]])
    with tf.GradientTape() as tape:
        layer_output, all_preds = grad_model(image)
        class_channel = all_preds[:, class_index]
    return layer_output.numpy(), tape.gradient(class_channel, layer_output).numpy()
