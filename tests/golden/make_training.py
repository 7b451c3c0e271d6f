"""Run real Keras to compute what training is made of: ``training_*.npz``, read by the tests.

Run by hand in an environment with Keras 3.15 and TensorFlow, this checkout on its path::

    python -m tests.golden.make_training [name ...]

Every file holds ``cases``, from `training_cases`, which say how to make the object with fastconv
(class and arguments, or a name), and the arrays that Keras computed with it; inputs are multiples
of 1/256.

=======================  ==========================================================================
``training_weights``     regularizers and constraints, alone and in a network that trains
``training_losses``      every loss: values and gradients, with and without weights
``training_metrics``     every metric after each of three batches, with and without weights
``training_curves``      the losses of 100 steps of the networks of `curve_networks`, in float32 and
                         in float64
``training_optimizers``  20 steps of every optimizer, its variables after them; schedules
=======================  ==========================================================================
"""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras  # the environment above decides the backend
import numpy as np
import tensorflow as tf
from keras import layers

from tests.golden import curve_networks
from tests.golden.golden_file import Arrays, save
from tests.golden.training_cases import (
    CONSTRAINTS,
    LOSSES,
    METRICS,
    OPTIMIZERS,
    PENALISED,
    REGULARIZERS,
    SCHEDULES,
)


def grid_normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers rounded to multiples of 1/256: exact in float32 and well compressible."""
    return (np.round(rng.standard_normal(shape) * scale * 256) / 256).astype(np.float32)


def make(module, entry):
    """The Keras object of a case: ("Class", {arguments})."""
    name, arguments = entry
    return getattr(module, name)(**arguments)


# --------------------------------------------------------------------- regularizers, constraints


def made(arguments):
    modules = {"regularizer": keras.regularizers, "constraint": keras.constraints}
    return {key: make(modules[key.rpartition("_")[2]], entry) for key, entry in arguments.items()}


def penalised_network(convolution, dense):
    return keras.Sequential(
        [
            keras.Input((5, 5, 2)),
            layers.Conv2D(4, 3, activation="relu", **made(convolution)),
            layers.Flatten(),
            layers.Dense(3, **made(dense)),
        ]
    )


def make_weights() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(1)
    cases, arrays = [], {}
    matrix = grid_normal(rng, 6, 5)
    arrays["matrix"] = matrix
    for number, entry in enumerate(REGULARIZERS):
        x = tf.constant(matrix)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = make(keras.regularizers, entry)(x)
        cases.append({"name": f"regularizer{number}", "group": "regularizer", "object": entry})
        arrays[f"regularizer{number}/value"] = value.numpy()
        # TensorFlow gives no gradient for the penalty that is zero for every matrix.
        gradient = tape.gradient(value, x)
        arrays[f"regularizer{number}/gradient"] = (
            np.zeros_like(matrix) if gradient is None else gradient.numpy()
        )
    for number, (name, arguments, shape) in enumerate(CONSTRAINTS):
        w = grid_normal(rng, *shape)
        case = {"name": f"constraint{number}", "group": "constraint", "object": (name, arguments)}
        cases.append(case)
        arrays[f"constraint{number}/before"] = w
        arrays[f"constraint{number}/after"] = np.asarray(
            make(keras.constraints, (name, arguments))(tf.constant(w))
        )
    x, y = grid_normal(rng, 10, 5, 5, 2), grid_normal(rng, 10, 3)
    arrays |= {"x": x, "y": y}
    for number, (convolution, dense) in enumerate(PENALISED):
        model = penalised_network(convolution, dense)
        start = [grid_normal(rng, *w.shape, scale=0.5) for w in model.get_weights()]
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(0.05, clipnorm=1.0), "mse")
        name = f"network{number}"
        cases.append({"name": name, "group": "network", "convolution": convolution, "dense": dense})
        arrays[f"{name}/evaluate"] = np.float32(model.evaluate(x, y, batch_size=4, verbose=0))
        history = model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
        arrays[f"{name}/loss"] = np.float32(history.history["loss"])
        for index, (before, after) in enumerate(zip(start, model.get_weights(), strict=True)):
            arrays[f"{name}/before/{index}"] = before
            arrays[f"{name}/after/{index}"] = after
    return cases, arrays


# ------------------------------------------------------------------------- optimizers, schedules

STEPS = 20


def make_optimizer(entry):
    name, arguments = entry
    rate = arguments.get("learning_rate")
    if isinstance(rate, tuple):
        arguments = arguments | {"learning_rate": make(keras.optimizers.schedules, rate)}
    return make(keras.optimizers, (name, arguments))


def make_optimizers() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(2)
    cases, arrays = [], {}
    starts = [grid_normal(rng, 3, 7), grid_normal(rng, 9)]
    gradients = [grid_normal(rng, STEPS, *w.shape) for w in starts]
    gradients[1][:, 0] = 0.0  # never a gradient
    gradients[1][1:, 1] = 0.0  # one gradient, then what slots remember
    gradients[1][:, 2] *= np.float32(2.0**-16)  # where the place of epsilon shows
    for index, (w, g) in enumerate(zip(starts, gradients, strict=True)):
        arrays |= {f"start/{index}": w, f"gradients/{index}": g}
    for number, entry in enumerate(OPTIMIZERS):
        optimizer = make_optimizer(entry)
        weights = [keras.Variable(w, name=f"w{i}") for i, w in enumerate(starts)]
        trails = [[] for _ in weights]
        for step in range(STEPS):
            optimizer.apply([tf.constant(g[step]) for g in gradients], weights)
            for trail, w in zip(trails, weights, strict=True):
                trail.append(w.numpy().copy())
        name = f"optimizer{number}"
        variables = [np.asarray(v.numpy()) for v in optimizer.variables]
        cases.append(
            {
                "name": name,
                "group": "optimizer",
                "object": entry,
                "variables": len(variables),
                "config": keras.optimizers.serialize(optimizer)["config"],
            }
        )
        for index, trail in enumerate(trails):
            arrays[f"{name}/w/{index}"] = np.stack(trail)[[0, 1, 2, 5, 10, 19]]
        for index, value in enumerate(variables):
            arrays[f"{name}/variables/{index}"] = value
    steps = list(range(30)) + [35, 60, 100]
    for number, entry in enumerate(SCHEDULES):
        schedule = make(keras.optimizers.schedules, entry)
        name = f"schedule{number}"
        cases.append(
            {
                "name": name,
                "group": "schedule",
                "object": entry,
                "config": schedule.get_config(),
                "steps": steps,
            }
        )
        arrays[f"{name}/rates"] = np.float32([float(schedule(step)) for step in steps])
    return cases, arrays


# ---------------------------------------------------------------------------------------- losses


def loss_arrays(rng) -> Arrays:
    shape, classes = (3, 4), 5
    logits = grid_normal(rng, *shape, classes, scale=2.0)
    labels = rng.integers(0, classes, shape)
    extreme = logits.copy()
    extreme[0, 0] = [1e4, -1e4, 0, 3, 1]
    extreme[0, 1] = [60, -60, 0, 0, 0]
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    probabilities = (np.round(probabilities * 1024) / 1024 + 2.0**-10).astype(np.float32)
    # Sums to 1, which TensorFlow's gradient of the cross-entropy takes for granted.
    distribution = np.float32(0.75) * np.eye(classes, dtype=np.float32)[labels] + np.float32(0.05)
    shares = (np.round(rng.random((*shape, classes)) * 254 + 1) / 256).astype(np.float32)
    shares[2, 0, :3] = [0, 1, 0.5]
    return {
        "real": grid_normal(rng, *shape, classes),
        "positive": np.abs(grid_normal(rng, *shape, classes)) + np.float32(1 / 256),
        "logits": extreme,
        "probabilities": probabilities,
        "shares": shares,
        "target_real": grid_normal(rng, *shape, classes),
        "target_positive": np.abs(grid_normal(rng, *shape, classes)),
        "target_signs": np.sign(grid_normal(rng, *shape, classes)),
        "target_binary": rng.integers(0, 2, (*shape, classes)).astype(np.float32),
        "target_counts": rng.integers(0, 6, (*shape, classes)).astype(np.float32),
        "target_one_hot": np.eye(classes, dtype=np.float32)[labels],
        "target_distribution": distribution,
        "target_labels": labels,
        "target_some_labels": np.where(labels == 1, -1, labels),
        "weights": np.abs(grid_normal(rng, *shape)),
    }


def make_losses() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(3)
    cases, arrays = [], loss_arrays(rng)
    for number, (name, arguments, kind, target) in enumerate(LOSSES):
        loss = make(keras.losses, (name, arguments))
        case = f"loss{number}"
        cases.append(
            {
                "name": case,
                "object": (name, arguments),
                "prediction": kind,
                "target": f"target_{target}",
                "config": loss.get_config(),
            }
        )
        y, p = arrays[f"target_{target}"], tf.constant(arrays[kind])
        for key, weights in {"plain": None, "weighted": arrays["weights"]}.items():
            with tf.GradientTape() as tape:
                tape.watch(p)
                value = loss(y, p, sample_weight=weights)
            arrays[f"{case}/{key}"] = np.asarray(value)
            arrays[f"{case}/{key}_gradient"] = tape.gradient(value, p).numpy()
    for name, ending in {"binary": "sigmoid", "categorical": "softmax"}.items():
        # Keras computes these from the input of the last activation, not from its rounded output.
        model = keras.Sequential(
            [keras.Input((5,)), layers.Dense(5, use_bias=False, activation=ending)]
        )
        model.set_weights([np.eye(5, dtype=np.float32)])
        model.compile("sgd", f"{name}_crossentropy")
        target = arrays["target_binary" if name == "binary" else "target_one_hot"].reshape(-1, 5)
        x = arrays["logits"].reshape(-1, 5)
        arrays[f"behind_{ending}"] = np.float32(model.evaluate(x, target, verbose=0))
    return cases, arrays


# --------------------------------------------------------------------------------------- metrics

BATCHES = ((0, 4), (4, 11), (11, 12))


def make_metrics() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(4)
    # Twelve samples of five outputs each.
    whole = {key: value.reshape(12, *value.shape[2:]) for key, value in loss_arrays(rng).items()}
    whole["counts"] = rng.integers(0, 3, (12, 5)).astype(np.float32)
    whole["target_counts2"] = rng.integers(0, 3, (12, 5)).astype(np.float32)
    whole["grid"] = (rng.integers(0, 8, (12, 5)) / 8).astype(np.float32)
    # Sixteenths lie on thresholds; whatever lies beside one does so by more than rounding.
    cases, arrays = [], dict(whole)
    for number, (name, arguments, kind, target) in enumerate(METRICS):
        case = f"metric{number}"
        entry = {"name": case, "object": (name, arguments), "prediction": kind}
        metric = make(keras.metrics, (name, arguments))
        entry["config"] = metric.get_config()
        if arguments.get("label_weights"):
            entry["config"]["label_weights"] = arguments["label_weights"]
        cases.append(entry | {"target": f"target_{target}"})
        for key in ("plain", "weighted"):
            metric = make(keras.metrics, (name, arguments))
            results = []
            for begin, end in BATCHES:
                metric.update_state(
                    whole[f"target_{target}"][begin:end],
                    whole[kind][begin:end],
                    sample_weight=whole["weights"][begin:end] if key == "weighted" else None,
                )
                results.append(np.asarray(metric.result(), np.float32))
            arrays[f"{case}/{key}"] = np.stack(results)
    return cases, arrays


# ------------------------------------------------------------------------------------ hundred steps


def set_precision(dtype: str) -> None:
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(
        dtype
    )  # the first layer has made the policy; floatx alone is late


def make_curves() -> tuple[list[dict], Arrays]:
    cases, arrays = [], {}
    for network in curve_networks.NETWORKS:
        for optimizer in curve_networks.OPTIMIZERS:
            name = f"{network}/{optimizer}"
            cases.append({"name": name, "network": network, "optimizer": optimizer})
            for dtype in ("float32", "float64"):
                set_precision(dtype)
                arrays[f"{name}/{dtype}"] = curve_networks.losses(
                    layers, keras.models, keras.optimizers, network, optimizer
                )
            set_precision("float32")
    return cases, arrays


MAKERS = {
    "curves": make_curves,
    "weights": make_weights,
    "optimizers": make_optimizers,
    "losses": make_losses,
    "metrics": make_metrics,
}


def main() -> None:
    for name in sys.argv[1:] or MAKERS:
        save(f"training_{name}.npz", *MAKERS[name]())


if __name__ == "__main__":
    main()
