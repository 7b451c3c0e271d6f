"""Let real Keras 2 train small models and write them, and spell some as older versions did.

Run by hand, never by the tests, in an environment that holds TensorFlow and tf_keras (Keras 2)::

    python -m tests.golden.make_keras2            # rewrites keras2.zip and keras2.npz

`keras2.zip` holds the files. `keras2.npz` holds for each what its model predicts for `samples`, and
for those that are trained on the weights after more steps, which depend on the optimizer's state.

tf_keras writes the spelling of 2.15. `as_2_0` and `as_tensorflow_1` rewrite attributes of such a
file by the rules of the versions they are named for; the weights stay where they are.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import h5py
import numpy as np
import tf_keras as keras

from tests.golden.golden_file import HERE, save

layers = keras.layers
MORE_STEPS = 3


def samples(count: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (np.round(rng.standard_normal((count, *shape)) * 16) / 16).astype(np.float32)


# ----------------------------------------------------------------------------------------- models


def sequential():
    model = keras.Sequential([
        layers.Conv2D(
            3, 3, activation="relu", input_shape=(8, 8, 2), kernel_regularizer="l2",
            kernel_constraint=keras.constraints.MaxNorm(2.0), kernel_initializer="he_normal",
        ),
        layers.BatchNormalization(),
        layers.LeakyReLU(0.1),
        layers.MaxPooling2D(),
        layers.SpatialDropout2D(0.1),
        layers.Flatten(),
        layers.Dropout(0.2, noise_shape=(None, 1)),
        layers.Dense(4, activation="tanh", bias_regularizer=keras.regularizers.L1L2(0.1, 0.2)),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    metrics = ["accuracy", keras.metrics.MeanSquaredError(), keras.metrics.Precision()]
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=metrics)
    return model


def xception(optimizer=None):
    """The form of the networks for emotions of 2017."""
    inputs = layers.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, use_bias=False, kernel_regularizer=keras.regularizers.L1L2(0.0, 0.01))(
        inputs
    )
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    short = layers.BatchNormalization()(layers.Conv2D(6, 1, 2, "same", use_bias=False)(x))
    x = layers.SeparableConv2D(6, 3, padding="same", use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(3, 2, "same")(x)
    x = layers.Conv2D(3, 3, padding="same")(layers.add([x, short]))
    outputs = layers.Activation("softmax", name="predictions")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    optimizer = optimizer or keras.optimizers.legacy.Adam(0.01, decay=0.1)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def nested():
    inputs = layers.Input((6, 6, 2))
    chain = keras.Sequential([
        layers.Conv2D(3, 3, input_shape=(6, 6, 2)), layers.BatchNormalization(), layers.ReLU(4.0),
    ], name="chain")  # fmt: skip
    start = layers.Input((3,))
    graph = keras.Model(start, [layers.Dense(2)(start), layers.Dense(2, "tanh")(start)])
    pooled = layers.GlobalMaxPooling2D()(chain(inputs))
    first, second = graph(pooled)
    third, _ = graph(layers.Dense(3, "elu")(pooled))
    joined = layers.Concatenate()([first, second, third])
    model = keras.Model(inputs, [joined, layers.Subtract()([first, second])])
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 0.5], metrics=[["mae"], ["mse"]])
    return model


def everything():
    """Every kind of layer that Keras 2 and fastconv have, each on a branch of its own."""
    inputs = layers.Input((6, 6, 4))
    images = [
        layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"),
        layers.SeparableConv2D(3, 3, dilation_rate=2, activation="selu"),
        layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="swish"),
        layers.Conv2D(4, 3, groups=2, activation="softplus"),
        layers.AveragePooling2D(2, padding="same"),
        layers.ZeroPadding2D(((1, 0), (2, 1))),
        layers.Cropping2D(((1, 0), (2, 1))),
        layers.UpSampling2D(2),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.PReLU(shared_axes=[1, 2], alpha_initializer="ones"),
        layers.ELU(0.5),
        layers.ReLU(2.0, 0.1, 0.5),
        layers.Softmax(axis=-1),
        layers.LayerNormalization(),
        layers.BatchNormalization(scale=False),
        layers.Permute((3, 1, 2)),
        layers.Rescaling(2.0, -1.0),
        layers.Resizing(3, 5),
        layers.CenterCrop(4, 4),
        layers.GaussianNoise(0.1),
        layers.GaussianDropout(0.1),
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
        layers.RandomTranslation(0.1, 0.1),
        layers.UnitNormalization(),
        layers.GroupNormalization(2),
    ]
    sequences = [
        layers.Conv1D(3, 3, padding="causal", activation="sigmoid"),
        layers.SeparableConv1D(3, 3),
        layers.DepthwiseConv1D(3),
        layers.Conv1DTranspose(3, 3, strides=2),
        layers.MaxPooling1D(2),
        layers.AveragePooling1D(2),
        layers.ZeroPadding1D(2),
        layers.Cropping1D((1, 2)),
        layers.UpSampling1D(2),
        layers.SpatialDropout1D(0.1),
    ]
    ends = [layers.GlobalAveragePooling2D()(layer(inputs)) for layer in images]
    sequence = layers.Reshape((9, 16))(inputs)
    ends += [layers.GlobalMaxPooling1D()(layer(sequence)) for layer in sequences]
    pair = [layers.Dense(4)(ends[0]), layers.Dense(4, "gelu")(ends[1])]
    kinds = (layers.Add, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
    merged = [kind()(pair) for kind in (*kinds, layers.Subtract)]
    repeated = layers.GlobalAveragePooling1D()(layers.RepeatVector(3)(pair[0]))
    return keras.Model(inputs, layers.Concatenate()([*ends, *merged, repeated]))


def train(model, x, seed):
    outputs = model.output_shape if isinstance(model.output_shape, list) else [model.output_shape]
    rng = np.random.default_rng(seed)
    ys = []
    for *_, classes in outputs:
        ys.append(np.eye(classes, dtype=np.float32)[rng.integers(0, classes, len(x))])
    y = ys if len(ys) > 1 else ys[0]
    model.fit(x, y, batch_size=len(x) // MORE_STEPS, shuffle=False, verbose=0)


def moved(model):
    """The model with statistics of batches that are not those of the start."""
    rng = np.random.default_rng(9)
    model.set_weights([
        np.abs(w + 0.1 * rng.standard_normal(w.shape)) if "moving_variance" in v.name
        else w + 0.1 * rng.standard_normal(w.shape)
        for v, w in zip(model.weights, model.get_weights(), strict=True)
    ])  # fmt: skip
    return model


# -------------------------------------------------------------------------------------- spellings


def rewritten(path, rewrite, version):
    """Rewrite the descriptions in a file: `rewrite(entry)` is called for every layer."""
    with h5py.File(path, "r+") as h5:
        config = json.loads(h5.attrs["model_config"])
        walk(config, rewrite)
        h5.attrs["model_config"] = np.bytes_(json.dumps(config))
        h5.attrs["keras_version"] = np.bytes_(version)
        if "training_config" in h5.attrs:
            training = json.loads(h5.attrs["training_config"])
            h5.attrs["training_config"] = np.bytes_(json.dumps(old_training(training)))


def walk(entry, rewrite):
    config = entry["config"]
    if isinstance(config.get("layers"), list):
        for layer in config["layers"]:
            walk(layer, rewrite)
    rewrite(entry)


def old_training(training):
    optimizer = training["optimizer_config"]
    config = optimizer["config"]
    config["lr"] = config.pop("learning_rate")
    config.pop("name", None)
    metrics = training["metrics"]
    if metrics:
        metrics = [m["config"]["name"] if isinstance(m, dict) else m for m in metrics[0]]
    return {
        "optimizer_config": optimizer, "loss": training["loss"], "metrics": metrics,
        "sample_weight_mode": None, "loss_weights": training["loss_weights"],
    }  # fmt: skip


SCALED = {
    "GlorotUniform": (1.0, "fan_avg", "uniform"), "HeNormal": (2.0, "fan_in", "normal"),
}  # fmt: skip


def old_layer(entry):
    """A layer as Keras 2.0 described it."""
    config = entry["config"]
    for key, value in list(config.items()):
        if isinstance(value, dict) and "module" in value:
            name, inner = value["class_name"], value["config"]
            if name in SCALED:
                keys = ("scale", "mode", "distribution", "seed")
                name, inner = "VarianceScaling", dict(zip(keys, (*SCALED[name], None), strict=True))
            if name == "L2":
                name, inner = "L1L2", {"l1": 0.0, **inner}
            config[key] = {"class_name": name, "config": inner}
    for key in ("groups", "keepdims", "ragged", "optional"):
        config.pop(key, None)
    if entry["class_name"] != "InputLayer" and "batch_input_shape" not in config:
        config.pop("dtype", None)
    if isinstance(config.get("axis"), list):
        config["axis"] = -1
    if entry["class_name"] == "LeakyReLU":
        config["alpha"] = {"type": "ndarray", "value": config["alpha"]}
    if entry["class_name"].startswith("Separable"):
        for what in ("initializer", "regularizer", "constraint"):
            config.pop(f"kernel_{what}")


def texts(names):
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def as_2_0(path):
    """Keras 2.0.5: a Sequential is a list, a graph is a Model, optimizers have unnamed slots, which
    are in the order of the names of the weights."""

    def rewrite(entry):
        old_layer(entry)
        if entry["class_name"] == "Sequential":
            first, *rest = entry["config"]["layers"]
            entry["config"] = rest if first["class_name"] == "InputLayer" else [first, *rest]
        elif entry["class_name"] == "Functional":
            entry["class_name"] = "Model"
            entry["config"].pop("trainable", None)

    rewritten(path, rewrite, "2.0.5")
    with h5py.File(path, "r+") as h5:
        old = h5["optimizer_weights"]
        names = [
            name.decode() if isinstance(name, bytes) else name for name in old.attrs["weight_names"]
        ]
        arrays = {name: old[name][()] for name in names}
        slots = {"m": [], "v": []}
        for name in names[1:]:
            _, *weight, slot = name.split("/")
            slots[slot.removesuffix(":0")].append(("/".join(weight), arrays[name]))
        ordered = [a for slot in slots.values() for _, a in sorted(slot, key=lambda pair: pair[0])]
        del h5["optimizer_weights"]
        group = h5.create_group("optimizer_weights")
        new = ["iterations_1:0", *(f"Variable_{104 + i}:0" for i in range(len(ordered)))]
        group.attrs["weight_names"] = np.array(new, "S")
        for name, array in zip(new, [arrays[names[0]], *ordered], strict=True):
            group[name] = array


def as_tensorflow_1(path):
    """tf.keras of TensorFlow 1.13: BatchNormalizationV1, initializers with a dtype; names of layers
    in pieces, as of networks with very many."""

    def rewrite(entry):
        for key, value in entry["config"].items():
            if key.endswith("_initializer"):
                inner = value["config"] | {"dtype": "float32"}
                entry["config"][key] = {"class_name": value["class_name"], "config": inner}
        if entry["class_name"] == "BatchNormalization":
            entry["class_name"] = "BatchNormalizationV1"
        if entry["class_name"] == "Functional":
            entry["class_name"] = "Model"

    rewritten(path, rewrite, "2.2.4-tf")
    with h5py.File(path, "r+") as h5:
        weights = h5["model_weights"]
        names = weights.attrs["layer_names"]
        del weights.attrs["layer_names"]
        for number, part in enumerate(np.array_split(names.astype("S"), 3)):
            weights.attrs[f"layer_names{number}"] = part


def with_slashes(path):
    """Names of layers as DenseNet of that time has them."""
    with h5py.File(path, "r+") as h5:
        text = h5.attrs["model_config"].replace("dense_a", "block/dense_a")
        h5.attrs["model_config"] = text
        weights = h5["model_weights"]
        names = texts(weights.attrs["layer_names"])
        old = weights["dense_a"]
        new = weights.create_group("block/dense_a")
        paths = texts(old.attrs["weight_names"])
        new.attrs["weight_names"] = np.array([f"block/{p}" for p in paths], "S")
        for p in paths:
            new[f"block/{p}"] = old[p][()]
        del weights["dense_a"]
        weights.attrs["layer_names"] = np.array(
            ["block/dense_a" if n == "dense_a" else n for n in names], "S"
        )


def small():
    return keras.Sequential([
        layers.Dense(3, "relu", input_shape=(4,), name="dense_a"), layers.Dense(2, name="dense_b"),
    ])  # fmt: skip


def frozen():
    """Layers inside of a model that is the first layer of another one have modules in 2.15."""
    inner = keras.Sequential([
        layers.Conv2D(2, 3, input_shape=(6, 6, 2)), layers.BatchNormalization(),
        layers.Conv2D(2, 3, strides=2), layers.BatchNormalization(),
    ])  # fmt: skip
    inner.trainable = False
    model = keras.Sequential([inner, layers.GlobalAveragePooling2D(), layers.Dense(2)])
    model.compile("adam", "mse")
    return model


def momentum():
    model = small()
    model.compile(keras.optimizers.legacy.SGD(0.1, 0.9, nesterov=True), "mse")
    return model


def amsgrad():
    model = small()
    model.compile(keras.optimizers.Adam(0.05, amsgrad=True), "mse")
    return model


FILES = {
    "sequential.h5": (sequential, None, True),
    "xception.hdf5": (xception, None, True),
    "xception_2_0_5.hdf5": (xception, as_2_0, True),
    "xception_tf_1.h5": (xception, as_tensorflow_1, True),
    "nested.hdf": (nested, None, True),
    "everything.h5": (everything, None, False),
    "slashes.h5": (small, with_slashes, False),
    "momentum.h5": (momentum, None, True),
    "amsgrad.h5": (amsgrad, None, True),
    "frozen.h5": (frozen, None, False),
    "weights.h5": (small, "weights", False),
}


def make() -> None:
    cases, arrays = [], {}
    with (
        zipfile.ZipFile(HERE / "keras2.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        tempfile.TemporaryDirectory() as directory,
    ):
        for number, (name, (build, respell, trained)) in enumerate(FILES.items()):
            keras.backend.clear_session()
            keras.utils.set_random_seed(number)
            model = moved(build())
            x = samples(6, model.input_shape[1:], number)
            if trained:
                train(model, x, 1)
            path = Path(directory, name)
            if respell == "weights":
                model.save_weights(path)
            else:
                model.save(path, save_format="h5")
                if respell:
                    respell(path)
            predicted = model.predict(x, verbose=0)
            for index, each in enumerate(predicted if isinstance(predicted, list) else [predicted]):
                arrays[f"{name}/predicted/{index}"] = each
            goes_on = build in (xception, momentum, amsgrad)
            if goes_on:
                train(model, x, 2)
                for index, weight in enumerate(model.get_weights()):
                    arrays[f"{name}/after/{index}"] = weight
            cases.append({
                "file": name, "seed": number, "trained": trained, "goes_on": goes_on,
                "compiled": model.optimizer is not None,
            })  # fmt: skip
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    save("keras2.npz", cases, arrays)


if __name__ == "__main__":
    make()
