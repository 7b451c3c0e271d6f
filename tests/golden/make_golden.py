"""Run real Keras to compute the golden values that ``tests/test_golden.py`` compares with.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_golden            # rewrites the files beside this script
    python -m tests.golden.make_golden --check    # recomputes in float64 and reports the distance

``--check`` exists because a golden value is only worth as many digits as Keras itself delivers in
float32: it repeats every case in float64 and prints, per file, the largest difference to what is
stored, so that the tolerances in the test can be seen to be wider than Keras's own rounding.

The TensorFlow backend is required: it is the one whose ``same`` padding with strides, softmax
logits cache and sparse cross-entropy are the semantics that fastconv mirrors.

Files (all small, see `golden_file`); every one holds ``cases``, a list that says how the arrays
were made, so that the test needs no copy of the parameters:

===================  ==============================================================================
``layers.npz``       one layer at a time: convolutions and poolings, outputs and gradients
``losses.npz``       loss values and gradients, metrics, the loss behind a softmax layer
``optimizers.npz``   five steps of each optimizer on fixed weights and gradients
``initializers.npz`` fans, limits and the statistics of a large sample
``network.npz``      a small CNN: outputs, shapes, weights after three steps, histories
``tiny.keras``       a model saved by Keras after training, ``tiny.npz``: what it computes
``tiny.weights.h5``  the weights file of the same model
===================  ==============================================================================
"""

from __future__ import annotations

import argparse
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# oneDNN's reordered sums are as accurate as Eigen's, but they depend on the machine.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras  # the environment above decides the backend
import numpy as np
import tensorflow as tf
from keras import layers, losses, optimizers

from tests.golden.golden_cases import (
    CNN_OPTIMIZERS,
    CONVOLUTIONS,
    INITIALIZER_SHAPES,
    INITIALIZERS,
    OPTIMIZERS,
    POOLINGS,
)
from tests.golden.golden_file import HERE, Arrays, load, save


def grid_normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers rounded to multiples of 1/256: exact in float32 and well compressible."""
    return np.round(rng.standard_normal(shape) * scale * 256) / 256


def floats(array) -> np.ndarray:
    return np.asarray(array, dtype=keras.config.floatx())


# ------------------------------------------------------------------------------------- one layer


def make_layers() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(20240501)
    cases, arrays = [], {}
    for name, image, filters, kernel, strides, padding, dilation, activation in CONVOLUTIONS:
        layer = layers.Conv2D(
            filters,
            kernel,
            strides=strides,
            padding=padding,
            dilation_rate=dilation,
            activation=activation,
        )
        layer.build((None, *image))
        x = floats(grid_normal(rng, 2, *image))
        w = floats(grid_normal(rng, *kernel, image[-1], filters, scale=0.5))
        b = floats(grid_normal(rng, filters))
        layer.set_weights([w, b])
        y, dy, dx, (dw, db) = _layer_gradients(layer, x, rng)
        cases.append(
            {
                "name": name,
                "kind": "conv",
                "filters": filters,
                "kernel_size": kernel,
                "strides": strides,
                "padding": padding,
                "dilation_rate": dilation,
                "activation": activation,
                "output_shape": list(layer.compute_output_shape((None, *image))),
            }
        )
        named = {"x": x, "w": w, "b": b, "y": y, "dy": dy, "dx": dx, "dw": dw, "db": db}
        arrays.update({f"{name}/{key}": value for key, value in named.items()})
    for name, kind, image, pool, strides, padding in POOLINGS:
        make = layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D
        layer = make(pool, strides=strides, padding=padding)
        x = floats(grid_normal(rng, 2, *image))
        y, dy, dx, _ = _layer_gradients(layer, x, rng)
        cases.append(
            {
                "name": name,
                "kind": kind,
                "pool_size": pool,
                "strides": strides,
                "padding": padding,
                "output_shape": list(layer.compute_output_shape((None, *image))),
            }
        )
        named = {"x": x, "y": y, "dy": dy, "dx": dx}
        arrays.update({f"{name}/{key}": value for key, value in named.items()})
    return cases, arrays


def _layer_gradients(layer, x, rng):
    """Output of ``layer`` at ``x`` and the gradients of ``sum(dy * y)`` for a random ``dy``."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        dy = floats(grid_normal(rng, *y.shape))
        objective = tf.reduce_sum(y * dy)
    variables = [v.value for v in layer.trainable_variables]
    dx, *dvariables = tape.gradient(objective, [x, *variables])
    return y.numpy(), dy, dx.numpy(), [d.numpy() for d in dvariables]


# -------------------------------------------------------------------------------- losses, metrics


def make_losses() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(20240502)
    samples, classes = 6, 5
    logits = floats(grid_normal(rng, samples, classes, scale=2.0))
    extreme = floats(logits * 0)
    extreme[0] = [1e4, -1e4, 0, 3, 1]
    extreme[1] = [-1e4, -1e4, -1e4, -1e4, -1e4]
    extreme[2] = [60, -60, 0, 0, 0]
    probabilities = floats(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))
    # Rows that a softmax cannot produce: a certain wrong answer (clipped), a sum that is not 1.
    probabilities[1] = [0, 1, 0, 0, 0]
    probabilities[2] = probabilities[2] * floats(0.5)
    labels = np.array([0, 3, 1, 4, 2, 2])
    one_hot = floats(np.eye(classes)[labels])
    soft = floats(0.8 * np.eye(classes)[labels] + 0.2 / classes)
    weights = floats([1.0, 0.5, 2.0, 0.0, 3.0, 0.25])

    cases, arrays = [], {}
    predictions = {"logits": logits, "extreme": extreme, "probabilities": probabilities}
    for kind in ("categorical", "soft", "sparse"):
        for source, prediction in predictions.items():
            from_logits = source != "probabilities"
            make = (
                losses.SparseCategoricalCrossentropy
                if kind == "sparse"
                else losses.CategoricalCrossentropy
            )
            target = {"categorical": one_hot, "soft": soft, "sparse": labels}[kind]
            if kind == "soft" and source == "probabilities":
                continue  # an impossible class with a positive target is clipped: covered above
            _loss_case(
                cases,
                arrays,
                f"{kind}_{source}",
                make(from_logits=from_logits),
                {"kind": kind, "from_logits": from_logits},
                target,
                prediction,
                weights,
            )
    prediction, target = (floats(grid_normal(rng, samples, 3)) for _ in range(2))
    _loss_case(
        cases,
        arrays,
        "mse",
        losses.MeanSquaredError(),
        {"kind": "mse"},
        target,
        prediction,
        weights,
    )
    prediction, target = (floats(grid_normal(rng, samples, 2, 3)) for _ in range(2))
    _loss_case(
        cases,
        arrays,
        "mse_rank3",
        losses.MeanSquaredError(),
        {"kind": "mse"},
        target,
        prediction,
        None,
    )
    _accuracies(cases, arrays, rng)
    _loss_behind_softmax(cases, arrays, extreme, one_hot)
    return cases, arrays


def _loss_case(cases, arrays, name, loss, settings, target, prediction, weights):
    for weighted in (False,) if weights is None else (False, True):
        sample_weight = weights if weighted else None
        tensor = tf.constant(prediction)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            value = loss(target, tensor, sample_weight=sample_weight)
        full = f"{name}_weighted" if weighted else name
        cases.append({"name": full, "group": "loss", "weighted": weighted, **settings})
        arrays[f"{full}/value"] = value.numpy()
        arrays[f"{full}/gradient"] = tape.gradient(value, tensor).numpy()
        arrays[f"{full}/target"] = target
        arrays[f"{full}/prediction"] = prediction
        if weighted:
            arrays[f"{full}/sample_weight"] = weights


def _accuracies(cases, arrays, rng):
    """``metrics=["accuracy"]`` in its three resolutions, through ``evaluate`` of an identity model.

    Ties and a probability of exactly one half are among the rows: the first maximum wins, and the
    binary threshold is strict.
    """
    three = np.round(rng.random((9, 3)), 1)
    three[0] = [0.5, 0.5, 0.0]
    three[1] = [0.2, 0.4, 0.4]
    labels = np.array([0, 2, 1, 1, 0, 2, 2, 1, 0])
    binary = np.array([[0.5], [0.51], [0.49], [0.9], [0.1], [0.7], [0.0]])
    settings = [
        ("binary_accuracy", binary, np.array([[1], [1], [0], [1], [1], [0], [0]])),
        ("categorical_accuracy", three, np.eye(3)[labels]),
        ("sparse_accuracy_rank1", three, labels),
        ("sparse_accuracy_rank2", three, labels[:, None]),
    ]
    for name, prediction, target in settings:
        sparse = name.startswith("sparse")
        loss = "sparse_categorical_crossentropy" if sparse else "mse"
        prediction, target = floats(prediction), (target if sparse else floats(target))
        model = identity_model(prediction.shape[-1])
        model.compile(loss=loss, metrics=["accuracy"])
        result = model.evaluate(prediction, target, batch_size=4, verbose=0, return_dict=True)
        cases.append({"name": name, "group": "accuracy", "loss": loss})
        arrays[f"{name}/prediction"] = prediction
        arrays[f"{name}/target"] = target
        arrays[f"{name}/loss"] = floats(result["loss"])
        arrays[f"{name}/accuracy"] = floats(result["accuracy"])


def identity_model(width: int):
    model = keras.Sequential([keras.Input((width,)), layers.Dense(width, use_bias=False)])
    model.set_weights([floats(np.eye(width))])
    return model


def _loss_behind_softmax(cases, arrays, logits, one_hot):
    """Saturated softmax outputs: Keras takes the loss from the logits, so nothing is clipped."""
    width = logits.shape[-1]
    endings = {
        "dense_softmax": [layers.Dense(width, use_bias=False, activation="softmax")],
        "activation_softmax": [layers.Dense(width, use_bias=False), layers.Activation("softmax")],
        "softmax_layer": [layers.Dense(width, use_bias=False), layers.Softmax()],
    }
    for name, ending in endings.items():
        model = keras.Sequential([keras.Input((width,)), *ending])
        model.set_weights([floats(np.eye(width))])
        model.compile(loss="categorical_crossentropy")
        cases.append({"name": name, "group": "behind_softmax"})
        arrays[f"{name}/x"] = logits
        arrays[f"{name}/target"] = one_hot
        arrays[f"{name}/loss"] = floats(model.evaluate(logits, one_hot, verbose=0))


# ------------------------------------------------------------------------------------- optimizers


def make_optimizers() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(20240503)
    steps, size = 5, 23
    w0 = floats(grid_normal(rng, size))
    gradients = floats(grid_normal(rng, steps, size))
    gradients[:, 0] = 0.0  # never a gradient: the weight must not move
    gradients[1:, 1] = 0.0  # one gradient, then momentum alone
    gradients[:, 2] *= floats(1e-5)  # where the place of epsilon shows
    cases, arrays = [], {"w0": w0, "gradients": gradients}
    for name, (kind, settings) in OPTIMIZERS.items():
        optimizer = getattr(optimizers, kind)(**settings)
        variable = keras.Variable(w0)
        trail = []
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient)], [variable])
            trail.append(variable.numpy().copy())
        config = optimizer.get_config()
        defaults = {
            key: config[key]
            for key in (
                "learning_rate",
                "momentum",
                "nesterov",
                "rho",
                "epsilon",
                "centered",
                "beta_1",
                "beta_2",
            )
            if key in config
        }
        cases.append(
            {
                "name": name,
                "optimizer": kind,
                "settings": settings,
                "resolved": {k: float(v) for k, v in defaults.items()},
            }
        )
        arrays[f"{name}/w"] = np.stack(trail)
    return cases, arrays


# ----------------------------------------------------------------------------------- initializers


def make_initializers() -> tuple[list[dict], Arrays]:
    """Only statistics: the random streams of the two libraries differ, their formulas must not."""
    from keras.src.initializers.random_initializers import compute_fans

    cases, arrays = [], {}
    for shape in [*INITIALIZER_SHAPES, (7,), (3, 3, 1, 4)]:
        arrays["fans/" + "x".join(map(str, shape))] = np.array(compute_fans(shape))
    for name in INITIALIZERS:
        for shape in INITIALIZER_SHAPES:
            sample = np.asarray(getattr(keras.initializers, name)(seed=7)(shape), np.float64)
            cases.append(
                {
                    "name": name,
                    "shape": shape,
                    "mean": float(sample.mean()),
                    "std": float(sample.std()),
                    "largest": float(np.abs(sample).max()),
                }
            )
    return cases, arrays


# ---------------------------------------------------------------------------------- small network


CNN_INPUT = (9, 11, 2)


def small_cnn():
    """Strided and padded convolutions, both poolings, three activations, 4 classes."""
    return keras.Sequential(
        [
            keras.Input(CNN_INPUT),
            layers.Conv2D(5, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(6, (3, 2), strides=(2, 1), padding="valid", activation="tanh"),
            layers.AveragePooling2D((1, 2), strides=1, padding="same"),
            layers.Conv2D(4, 2, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.Dense(8, activation="sigmoid"),
            layers.Dense(4, activation="softmax"),
        ]
    )


def make_network() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(20240504)
    keras.utils.clear_session()  # layer names count from the start
    model = small_cnn()
    weights = [floats(grid_normal(rng, *w.shape, scale=0.6)) for w in model.get_weights()]
    x = floats(grid_normal(rng, 10, *CNN_INPUT))
    labels = rng.integers(0, 4, 10)
    y = floats(np.eye(4)[labels])
    sample_weight = floats([1, 0.5, 2, 0, 1, 3, 1, 0.25, 1, 1])
    model.set_weights(weights)
    shape, shapes = (None, *CNN_INPUT), []
    for layer in model.layers:
        shape = layer.compute_output_shape(shape)
        shapes.append(list(shape))
    cases = [
        {
            "name": "cnn",
            "group": "forward",
            "shapes": shapes,
            "layer_names": [layer.name for layer in model.layers],
            "parameters": model.count_params(),
        }
    ]
    arrays = {
        "x": x,
        "y": y,
        "labels": labels,
        "sample_weight": sample_weight,
        "predictions": model.predict(x, batch_size=4, verbose=0),
    }
    for index, w in enumerate(weights):
        arrays[f"weights/{index}"] = w

    for name in CNN_OPTIMIZERS:
        kind, settings = OPTIMIZERS[name]
        model.set_weights(weights)
        model.compile(
            getattr(optimizers, kind)(**settings), "categorical_crossentropy", metrics=["accuracy"]
        )
        history = model.fit(x, y, batch_size=10, epochs=3, shuffle=False, verbose=0).history
        cases.append({"name": name, "group": "steps", "optimizer": kind, "settings": settings})
        _record(arrays, name, history, model)

    for name, fit, compilation in _fit_variants(x, y, labels, sample_weight):
        model.set_weights(weights)
        model.compile(optimizers.SGD(0.05), **compilation)
        history = model.fit(**fit, epochs=2, batch_size=4, shuffle=False, verbose=0).history
        cases.append(
            {"name": name, "group": "fit", "keys": list(history), "loss": compilation["loss"]}
        )
        _record(arrays, name, history, model)
    model.set_weights(weights)
    model.compile(loss="categorical_crossentropy", metrics=["accuracy"])
    arrays["evaluate"] = floats(model.evaluate(x, y, batch_size=4, verbose=0))
    arrays["evaluate_weighted"] = floats(
        model.evaluate(x, y, batch_size=4, sample_weight=sample_weight, verbose=0)
    )
    return cases, arrays


def _fit_variants(x, y, labels, sample_weight):
    """Ways of calling ``fit`` whose reported numbers depend on more than the gradient."""
    crossentropy = {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}
    sparse = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    return [
        ("partial_batch", {"x": x, "y": y}, crossentropy),
        ("sparse", {"x": x, "y": labels}, sparse),
        ("mse", {"x": x, "y": y}, {"loss": "mse", "metrics": ["accuracy"]}),
        ("validation_split", {"x": x, "y": y, "validation_split": 0.25}, crossentropy),
        (
            "validation_data",
            {"x": x[:8], "y": y[:8], "validation_data": (x[5:], y[5:])},
            crossentropy,
        ),
        ("sample_weight", {"x": x, "y": y, "sample_weight": sample_weight}, crossentropy),
        ("class_weight", {"x": x, "y": labels, "class_weight": {0: 2.0, 2: 0.5}}, sparse),
    ]


def _record(arrays, name, history, model):
    for key, values in history.items():
        arrays[f"{name}/history/{key}"] = floats(values)
    for index, w in enumerate(model.get_weights()):
        arrays[f"{name}/weights/{index}"] = w


# ------------------------------------------------------------------------------------ saved model


def make_saved(write: bool) -> tuple[list[dict], Arrays]:
    """A trained model in Keras's own file formats, and what one more training step makes of it."""
    rng = np.random.default_rng(20240505)
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((6, 7, 2)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(3, 2),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(5, activation="softmax"),
        ],
        name="tiny",
    )
    weights = [floats(grid_normal(rng, *w.shape, scale=0.6)) for w in model.get_weights()]
    model.set_weights(weights)
    model.compile(optimizers.RMSprop(0.01), "categorical_crossentropy", metrics=["accuracy"])
    x = floats(grid_normal(rng, 8, 6, 7, 2))
    y = floats(np.eye(5)[rng.integers(0, 5, 8)])
    # Dropout would make the result depend on Keras's random stream; three steps without it.
    model.layers[5].rate = 0.0
    model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    model.layers[5].rate = 0.25
    arrays: Arrays = {
        "x": x,
        "y": y,
        "predictions": model.predict(x, verbose=0),
        "evaluate": floats(model.evaluate(x, y, verbose=0)),
    }
    for index, w in enumerate(model.get_weights()):
        arrays[f"weights/{index}"] = w
    for index, variable in enumerate(model.optimizer.variables):
        arrays[f"optimizer/{index}"] = np.asarray(variable.numpy())
    if write:
        model.save(HERE / "tiny.keras")
        model.save_weights(HERE / "tiny.weights.h5")
    # What a resumed training does depends on the optimizer's state in the file.
    model.layers[5].rate = 0.0
    model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    for index, w in enumerate(model.get_weights()):
        arrays[f"continued/{index}"] = w
    return [
        {"name": "tiny", "keras_version": keras.__version__, "learning_rate": 0.01, "steps": 3}
    ], arrays


MAKERS = {
    "layers.npz": make_layers,
    "losses.npz": make_losses,
    "optimizers.npz": make_optimizers,
    "initializers.npz": make_initializers,
    "network.npz": make_network,
}


def check() -> None:
    """Print how far the stored float32 values lie from the same computation in float64."""
    keras.config.set_floatx("float64")
    makers = {**MAKERS, "tiny.npz": lambda: make_saved(write=False)}
    for name, make in makers.items():
        _, arrays = make()
        worst, where = 0.0, ""
        _, stored = load(name)
        for key, value in arrays.items():
            value = np.asarray(value, np.float64)
            error = np.max(np.abs(stored[key] - value) / (1 + np.abs(value)), initial=0.0)
            if error > worst:
                worst, where = float(error), key
        print(f"{name:18} largest |difference| / (1 + |value|) = {worst:.1e} at {where}")


def main() -> None:
    parser = argparse.ArgumentParser(description="compute golden values with real Keras")
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare the stored values with a float64 computation; write nothing",
    )
    if parser.parse_args().check:
        check()
        return
    for name, make in MAKERS.items():
        save(name, *make())
    save("tiny.npz", *make_saved(write=True))
    for path in sorted(HERE.iterdir()):
        if path.suffix in (".npz", ".keras", ".h5"):
            print(f"{path.name:18} {path.stat().st_size:7,} bytes")


if __name__ == "__main__":
    main()
