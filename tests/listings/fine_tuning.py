"""Feature extraction with a network that others trained, then fine-tuning of its last layers."""

import numpy as np

import fastconv as keras
from fastconv import layers
from tests.listings.material import colored, start

images, labels = colored(12, 32, 2)
conv_base = keras.applications.MobileNetV2(
    weights=None, include_top=False, input_shape=(32, 32, 3), alpha=0.35
)
start(conv_base)


def get_features_and_labels(batches):
    all_features, all_labels = [], []
    for pictures, names in batches:
        preprocessed = keras.applications.mobilenet_v2.preprocess_input(pictures.copy())
        all_features.append(conv_base.predict(preprocessed, verbose=0))
        all_labels.append(names)
    return np.concatenate(all_features), np.concatenate(all_labels)


batches = [(images[:6], labels[:6]), (images[6:], labels[6:])]
train_features, train_labels = get_features_and_labels(batches)

inputs = keras.Input(shape=train_features.shape[1:])
x = layers.Flatten()(inputs)
x = layers.Dense(16)(x)
outputs = layers.Dense(1, activation="sigmoid")(x)
classifier = keras.Model(inputs, outputs)
start(classifier)
classifier.compile(loss="binary_crossentropy", optimizer="sgd", metrics=["accuracy"])
on_features = classifier.fit(
    train_features, train_labels, epochs=2, batch_size=6, shuffle=False, verbose=0
)

conv_base.trainable = True
trainable_before = len(conv_base.trainable_weights)
conv_base.trainable = False
trainable_after = len(conv_base.trainable_weights)

inputs = keras.Input(shape=(32, 32, 3))
x = keras.applications.mobilenet_v2.preprocess_input(inputs)
x = conv_base(x, training=False)
x = layers.GlobalAveragePooling2D()(x)
outputs = layers.Dense(1, activation="sigmoid", name="top")(x)
model = keras.Model(inputs, outputs)
start(model.get_layer("top"))
model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(0.1), metrics=["accuracy"])
frozen = model.fit(images, labels, epochs=2, batch_size=6, shuffle=False, verbose=0)

conv_base.trainable = True
for layer in conv_base.layers[:-6]:
    layer.trainable = False
for layer in conv_base.layers:
    if isinstance(layer, layers.BatchNormalization):
        layer.trainable = False
model.compile(
    loss="binary_crossentropy",
    optimizer=keras.optimizers.SGD(learning_rate=1e-2),
    metrics=["accuracy"],
)
tuned = model.fit(images, labels, epochs=2, batch_size=6, shuffle=False, verbose=0)

results = {
    "features": train_features[:2],
    "on_features": on_features.history["loss"],
    "trainable": [trainable_before, trainable_after, len(model.trainable_weights)],
    "frozen": frozen.history["loss"],
    "tuned": tuned.history["loss"],
    "test": model.evaluate(images, labels, verbose=0),
    "layers": len(conv_base.layers),
}
