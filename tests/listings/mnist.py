"""The first network of every course: handwritten digits, with a small convnet."""

import numpy as np

import fastconv as keras
from fastconv import layers
from tests.listings.material import digits, start

(train_images, train_labels), (test_images, test_labels) = digits(96), digits(40, seed=1)
train_images = train_images.reshape((96, 12, 12, 1)).astype("float32") / 255
test_images = test_images.reshape((40, 12, 12, 1)).astype("float32") / 255

inputs = keras.Input(shape=(12, 12, 1))
x = layers.Conv2D(filters=8, kernel_size=3, activation="relu")(inputs)
x = layers.MaxPooling2D(pool_size=2)(x)
x = layers.Conv2D(filters=16, kernel_size=3, activation="relu")(x)
x = layers.GlobalAveragePooling2D()(x)
outputs = layers.Dense(10, activation="softmax")(x)
model = keras.Model(inputs=inputs, outputs=outputs)
lines = []
model.summary(line_length=80, print_fn=lines.append)
start(model)

model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.01),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
history = model.fit(
    train_images,
    train_labels,
    epochs=2,
    batch_size=32,
    shuffle=False,
    validation_data=(test_images, test_labels),
    verbose=0,
)
history_dict = history.history
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)
predictions = model.predict(test_images[:10], verbose=0)

# The same in the other style: one-hot labels, a Sequential model that grows, a test of all digits.
dense = keras.Sequential([layers.Input((12, 12, 1)), layers.Flatten()])
dense.add(layers.Dense(16, activation="relu", name="hidden"))
dense.add(layers.Dense(10, activation="softmax"))
dense.pop()
dense.add(layers.Dense(10, activation="softmax", name="probabilities"))
start(dense)
dense.compile(
    "rmsprop", "categorical_crossentropy", metrics=["accuracy", "top_k_categorical_accuracy"]
)
one_hot = keras.utils.to_categorical(train_labels, num_classes=10)
dense_loss = dense.train_on_batch(train_images[:32], one_hot[:32])
dense_test = dense.test_on_batch(train_images[:32], one_hot[:32], return_dict=True)

results = {
    "keys": list(history_dict),
    "loss": history_dict["loss"],
    "val_loss": history_dict["val_loss"],
    "accuracy": history_dict["accuracy"],
    "test": [test_loss, test_acc],
    "predictions": predictions,
    "classes": predictions.argmax(axis=1),
    "parameters": model.count_params(),
    "shapes": [tuple(layer.output.shape) for layer in model.layers],
    "names": [layer.name.rstrip("_0123456789") for layer in model.layers],
    "dense": np.concatenate(
        [np.ravel(dense_loss), [dense_test[key] for key in sorted(dense_test)]]
    ),
    "hidden": [layer.name for layer in dense.layers[1:]],
    "epochs": history.epoch,
}
