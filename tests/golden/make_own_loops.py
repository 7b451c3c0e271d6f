"""Write what own training loops compute in Keras into `own_loops.npz`: loss, gradients and weights
of steps with GradientTape, gradients with respect to samples and inner layers, and steps of
optimizers on some of their weights.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_own_loops
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from tests.golden.golden_file import save
from tests.golden.own_loop_cases import LOOPS, STEPS, SUBSETS, network, patterns


def loops() -> tuple[list[dict], dict]:
    cases, arrays = [], {}
    x, y, sample_weight = patterns()
    loss_fn = keras.losses.SparseCategoricalCrossentropy()
    for number, (name, arguments) in enumerate(LOOPS):
        model = network(keras)
        optimizer = getattr(keras.optimizers, name)(**arguments)
        losses = []
        for step in range(STEPS):
            with tf.GradientTape() as tape:
                outputs = model(x, training=True)
                loss = loss_fn(y, outputs, sample_weight if step % 2 else None)
                loss += sum(model.losses)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            losses.append(float(loss))
            if step == 0 and number == 0:
                arrays["outputs"] = outputs.numpy()
                for index, gradient in enumerate(gradients):
                    arrays[f"gradient/{index}"] = gradient.numpy()
        cases.append({"group": "loop", "number": number, "losses": losses})
        for index, variable in enumerate(model.weights):
            arrays[f"loop{number}/{index}"] = variable.numpy()
    return cases, arrays


def inner_gradients() -> dict:
    model, (x, _, _) = network(keras), patterns()
    names = ("conv", "second")
    inner = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    image = tf.Variable(x)
    with tf.GradientTape() as tape:
        conv, second = inner(image)
        loss = tf.reduce_mean(tf.square(second - 0.25)) + 0.5 * tf.reduce_mean(tf.square(conv))
    arrays = {"features/loss": loss.numpy(), "features/x": tape.gradient(loss, image).numpy()}
    both = keras.Model(model.inputs, [model.get_layer("conv").output, model.outputs[0]])
    with tf.GradientTape() as tape:
        conv, probabilities = both(image)
        score = tf.reduce_sum(probabilities[:, 1])
    arrays["class/conv"] = tape.gradient(score, conv).numpy()
    with tf.GradientTape() as tape:
        score = tf.reduce_sum(model(image)[:, 1])
    arrays["class/x"] = tape.gradient(score, image).numpy()
    return arrays


def subsets() -> dict:
    arrays = {}
    for number, (name, arguments, calls) in enumerate(SUBSETS):
        optimizer = getattr(keras.optimizers, name)(**arguments)
        rng = np.random.default_rng(number)
        variables = [
            keras.Variable(rng.normal(size=shape).astype("float32")) for shape in ((2, 3), (3,))
        ]
        optimizer.build(variables)
        for call in calls:
            chosen = [variables[index] for index in call]
            gradients = [rng.normal(size=tuple(v.shape)).astype("float32") for v in chosen]
            optimizer.apply_gradients(zip(map(tf.constant, gradients), chosen, strict=True))
        for index, variable in enumerate(variables):
            arrays[f"subset{number}/{index}"] = variable.numpy()
        for index, variable in enumerate(optimizer.variables):
            arrays[f"subset{number}/variables/{index}"] = np.asarray(variable.numpy())
    return arrays


def main() -> None:
    cases, arrays = loops()
    save("own_loops.npz", cases, arrays | inner_gradients() | subsets())


if __name__ == "__main__":
    main()
