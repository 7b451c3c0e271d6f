"""Looking inside: activations of layers, patterns of filters, Grad-CAM."""

import numpy as np

import fastconv
import fastconv as keras
from fastconv import layers, ops
from tests.listings.material import colored, start

images, _ = colored(3, 24, 3)
inputs = keras.Input((24, 24, 3))
x = layers.Rescaling(1 / 255)(inputs)
x = layers.Conv2D(8, 3, activation="relu", name="block1_conv")(x)
x = layers.MaxPooling2D(2, name="block1_pool")(x)
x = layers.SeparableConv2D(12, 3, activation="relu", name="block2_sepconv")(x)
x = layers.GlobalAveragePooling2D()(x)
outputs = layers.Dense(3, activation="softmax", name="predictions")(x)
model = keras.Model(inputs, outputs)
start(model)

# Activations of every convolution and pooling.
layer_outputs, layer_names = [], []
for layer in model.layers:
    if isinstance(layer, (layers.Conv2D, layers.SeparableConv2D, layers.MaxPooling2D)):
        layer_outputs.append(layer.output)
        layer_names.append(layer.name)
activation_model = keras.Model(inputs=model.input, outputs=layer_outputs)
activations = activation_model.predict(images[:1], verbose=0)
filters, biases = model.get_layer("block1_conv").get_weights()

# Patterns that filters respond to.
layer = model.get_layer(name="block2_sepconv")
feature_extractor = keras.Model(inputs=model.input, outputs=layer.output)


def compute_loss(image, filter_index):
    activation = feature_extractor(image)
    return ops.mean(activation[:, 2:-2, 2:-2, filter_index])


def gradient_of_loss(model, image, filter_index):
    """Return the gradient of `compute_loss` with respect to the image."""

    def slope(activation):
        gradient = np.zeros_like(activation)
        inner = gradient[:, 2:-2, 2:-2]
        inner[..., filter_index] = 1 / inner[..., 0].size
        return gradient

    return fastconv.inspect.gradients(model, image, slope).gradient


def generate_filter_pattern(filter_index):
    image = np.random.default_rng(0).uniform(0.4, 0.6, (1, 24, 24, 3)).astype("float32")
    for _ in range(5):
        grads = gradient_of_loss(feature_extractor, image, filter_index)
        image += 10.0 * grads / np.sqrt(np.maximum(np.sum(grads**2), 1e-12))
    return image


pattern = generate_filter_pattern(filter_index=2)


def deprocess_image(image):
    image -= image.mean()
    image /= image.std()
    image *= 64
    image += 128
    return np.clip(image, 0, 255).astype("uint8")


picture = deprocess_image(pattern[0].copy())

# Grad-CAM.


def gradient_of_class(model, image, class_index, layer_name):
    """Return the output of the layer, and the gradient of the class with respect to it."""
    found = fastconv.inspect.gradients(model, image, class_index, wrt=layer_name, logits=False)
    return found.at, found.gradient


preds = model.predict(images, verbose=0)
pred_index = 1
outputs, grads = gradient_of_class(model, images[1:2], pred_index, "block2_sepconv")
pooled_grads = np.mean(grads, axis=(0, 1, 2))
heatmap = np.mean(outputs[0] * pooled_grads, axis=-1)
heatmap = np.maximum(heatmap, 0)
heatmap /= np.max(np.abs(heatmap)) + 1e-12

results = {
    "names": layer_names,
    "shapes": [each.shape for each in activations],
    "first": activations[0][..., 4],
    "last": activations[-1],
    "filters": filters.shape,
    "pattern": pattern,
    "loss": float(compute_loss(pattern, 2)),
    "picture": picture.shape,
    "pooled": pooled_grads * 1e3,
    "heatmap": heatmap,
}
