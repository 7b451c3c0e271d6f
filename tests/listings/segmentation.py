"""Segmentation: a network without sizes gives every pixel a class."""

import numpy as np

import fastconv as keras
from fastconv import layers
from fastconv.layers import Conv2D, Conv2DTranspose, Rescaling
from tests.listings.material import shapes_and_masks, start

images, targets = shapes_and_masks(8, 24)
num_val_samples = 2
train_input_imgs, train_targets = images[:-num_val_samples], targets[:-num_val_samples]
val_input_imgs, val_targets = images[-num_val_samples:], targets[-num_val_samples:]


def get_model(img_size, num_classes):
    inputs = keras.Input(shape=img_size + (3,))
    x = Rescaling(1.0 / 255)(inputs)
    x = Conv2D(8, 3, strides=2, activation="relu", padding="same")(x)
    x = Conv2D(8, 3, activation="relu", padding="same")(x)
    x = Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    x = Conv2DTranspose(16, 3, activation="relu", padding="same")(x)
    x = Conv2DTranspose(8, 3, activation="relu", padding="same", strides=2)(x)
    x = Conv2DTranspose(8, 3, activation="relu", padding="same", strides=2)(x)
    outputs = Conv2D(num_classes, 3, activation="softmax", padding="same")(x)
    return keras.Model(inputs, outputs)


model = get_model((None, None), num_classes=3)
start(model)
foreground_iou = keras.metrics.IoU(
    num_classes=3, target_class_ids=(0,), name="foreground_iou", sparse_y_true=True,
    sparse_y_pred=False,
)  # fmt: skip
model.compile(
    optimizer=keras.optimizers.Adam(1e-2),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy", foreground_iou],
)
history = model.fit(
    train_input_imgs,
    train_targets,
    epochs=2,
    batch_size=3,
    shuffle=False,
    validation_data=(val_input_imgs, val_targets),
    verbose=0,
)

larger, _ = shapes_and_masks(1, 40, seed=5)
mask = model.predict(larger[:, :32], verbose=0)[0]
predicted = np.argmax(mask, axis=-1)

# A U-Net: what the way down has seen is joined to the way up.
inputs = keras.Input((None, None, 3))
skips, x = [], layers.Rescaling(1 / 255)(inputs)
for filters in (4, 8):
    x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    skips.append(x)
    x = layers.MaxPool2D()(x)
for filters in (8, 4):
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    x = layers.concatenate([x, skips.pop()])
    x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
unet = keras.Model(inputs, layers.Conv2D(3, 1, activation="softmax")(x), name="u_net")
start(unet)
unet.compile("sgd", keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
unet_history = unet.fit(images, targets, batch_size=4, epochs=1, shuffle=False, verbose=0)

results = {
    "keys": list(history.history),
    "loss": history.history["loss"],
    "iou": history.history["foreground_iou"],
    "val_loss": history.history["val_loss"],
    "mask": mask,
    "shape": predicted.shape,
    "output": model.output_shape,
    "unet": unet_history.history["loss"],
    "unet_other": unet.predict(larger[:, :32], verbose=0),
}
