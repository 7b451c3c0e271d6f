"""A small network in the manner of Xception: residual connections, separable convolutions."""

import numpy as np

import fastconv as keras
from fastconv import layers
from tests.listings.material import colored, start

images, labels = colored(16, 32, 2)


def make_model(input_shape, augmentation, dropout):
    inputs = keras.Input(shape=input_shape)
    x = augmentation(inputs) if augmentation else inputs
    x = layers.Rescaling(1.0 / 255)(x)
    x = layers.Conv2D(filters=8, kernel_size=5, use_bias=False)(x)
    for size in [8, 16]:
        residual = x
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(size, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(size, 3, padding="same", use_bias=False)(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        residual = layers.Conv2D(size, 1, strides=2, padding="same", use_bias=False)(residual)
        x = layers.add([x, residual])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inputs=inputs, outputs=outputs)


model = make_model((32, 32, 3), None, 0.0)
start(model)
model.compile(
    loss=keras.losses.BinaryCrossentropy(),
    optimizer=keras.optimizers.SGD(0.05, momentum=0.9),
    metrics=[keras.metrics.BinaryAccuracy(name="acc")],
)
history = model.fit(
    images, labels, batch_size=8, epochs=2, shuffle=False, validation_split=0.25, verbose=0
)

augmentation = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
whole = make_model((32, 32, 3), augmentation, 0.5)
whole.set_weights(model.get_weights())
whole.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
seen = whole.fit(images, labels, batch_size=8, epochs=1, verbose=0)
assert np.isfinite(seen.history["loss"]).all()

results = {
    "history": [value for key in sorted(history.history) for value in history.history[key]],
    "keys": sorted(history.history),
    "predictions": model.predict(images, verbose=0),
    "statistics": model.layers[3].get_weights()[2],
    "parameters": model.count_params(),
    "separable": [tuple(w.shape) for w in model.get_layer(index=5).weights],
}
