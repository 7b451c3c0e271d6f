"""Cats against dogs: pictures from a folder, augmentation, callbacks."""

import os
import pathlib

import numpy as np

import fastconv as keras
from fastconv import layers
from fastconv.utils import image_dataset_from_directory
from tests.listings.material import start, write_pets

base = pathlib.Path("pets")
write_pets(base)
keras.utils.set_random_seed(1)

train_dataset = image_dataset_from_directory(base / "train", image_size=(32, 32), batch_size=4)
validation_dataset = image_dataset_from_directory(
    base / "validation", image_size=(32, 32), batch_size=4, shuffle=False
)
test_dataset = image_dataset_from_directory(
    base / "test", image_size=(32, 32), batch_size=4, shuffle=False
)
class_names = train_dataset.class_names
for data_batch, labels_batch in validation_dataset:
    batch_shapes = [tuple(data_batch.shape), tuple(labels_batch.shape)]
    break
for images, _ in validation_dataset.take(1):
    first = np.asarray(images)[0]

data_augmentation = keras.Sequential(
    [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.2),
    ]
)
augmented_images = data_augmentation(images, training=True)

inputs = keras.Input(shape=(32, 32, 3))
x = data_augmentation(inputs)
x = layers.Rescaling(1.0 / 255)(x)
x = layers.Conv2D(filters=8, kernel_size=3, activation="relu")(x)
x = layers.MaxPooling2D(pool_size=2)(x)
x = layers.Conv2D(filters=16, kernel_size=3, activation="relu")(x)
x = layers.MaxPooling2D(pool_size=2)(x)
x = layers.Flatten()(x)
x = layers.Dropout(0.5)(x)
outputs = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs=inputs, outputs=outputs)
start(model)

model.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
before = model.evaluate(test_dataset, verbose=0)
probabilities = model.predict(test_dataset, verbose=0)

callbacks = [
    keras.callbacks.ModelCheckpoint(
        filepath="convnet_with_augmentation.keras", save_best_only=True, monitor="val_loss"
    ),
    keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=10, restore_best_weights=True),
    keras.callbacks.ReduceLROnPlateau(patience=1),
]
history = model.fit(
    train_dataset, epochs=3, validation_data=validation_dataset, callbacks=callbacks, verbose=0
)
accuracy = history.history["accuracy"]
val_accuracy = history.history["val_accuracy"]
loss = history.history["loss"]
val_loss = history.history["val_loss"]
epochs = range(1, len(accuracy) + 1)

test_model = keras.models.load_model("convnet_with_augmentation.keras")
test_loss, test_acc = test_model.evaluate(test_dataset, verbose=0)

assert len(epochs) == 3 and os.path.getsize("convnet_with_augmentation.keras") > 1000
assert np.isfinite([*loss, *val_loss, test_loss]).all() and max(*accuracy, *val_accuracy) <= 1
assert tuple(augmented_images.shape) == (4, 32, 32, 3)
assert not np.allclose(augmented_images, images)
best = min(val_loss)
assert abs(test_model.evaluate(validation_dataset, verbose=0)[0] - best) < 1e-4

results = {
    "class_names": class_names,
    "shapes": batch_shapes,
    "first": first,
    "before": before,
    "probabilities": probabilities,
    "keys": list(history.history),
    "files": [os.path.basename(path) for path in test_dataset.file_paths],
}
