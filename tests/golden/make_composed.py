"""Run real Keras on layers that fastconv composes of several operations.

    python -m tests.golden.make_composed     # rewrites composed.npz beside this script

Outputs, the gradients of sum(dy * y), and configurations: adaptive pooling, RMSNormalization, Dot.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import tensorflow as tf
from keras import layers

from tests.golden.golden_file import save

IMAGE, SEQUENCE = [(7, 5, 2)], [(7, 3)]
LAYERS = [
    # class, arguments, shapes of the inputs
    *(
        (f"Adaptive{kind}Pooling{rank}D", arguments, shapes)
        for kind in ("Average", "Max")
        for rank, arguments, shapes in (
            (2, {"output_size": 3}, IMAGE),
            (2, {"output_size": [4, 5]}, IMAGE),
            (2, {"output_size": [9, 1], "data_format": "channels_first"}, IMAGE),
            (2, {"output_size": [2, 3]}, [(6, 9, 2)]),
            (1, {"output_size": 3}, SEQUENCE),
            (1, {"output_size": 2, "data_format": "channels_first"}, SEQUENCE),
        )
    ),
    ("RMSNormalization", {}, IMAGE),
    ("RMSNormalization", {"axis": 3, "epsilon": 0.5}, IMAGE),
    ("RMSNormalization", {"axis": [-2, -1], "epsilon": 0.01}, IMAGE),
    ("RMSNormalization", {}, [(6,)]),
    ("Dot", {"axes": 1}, [(5,), (5,)]),
    ("Dot", {"axes": -1, "normalize": True}, [(5,), (5,)]),
    ("Dot", {"axes": [1, 2]}, [(3, 5), (4, 3)]),
    ("Dot", {"axes": [2, 1], "normalize": True}, [(4, 3), (3, 5)]),
    ("Dot", {"axes": [3, 1]}, [(2, 4, 3), (3,)]),
    ("Dot", {"axes": [1, 2]}, [(3,), (2, 3, 4)]),
]


def one_layer(rng: np.random.Generator, kind: str, arguments: dict, shapes: list) -> tuple:
    layer = getattr(layers, kind)(**arguments)
    config = {k: v for k, v in layer.get_config().items() if k not in ("name", "dtype")}
    inputs = [
        (np.round(rng.standard_normal((2, *shape)) * 256) / 256).astype(np.float32)
        for shape in shapes
    ]
    with tf.GradientTape() as tape:
        sources = [tf.constant(x) for x in inputs]
        for source in sources:
            tape.watch(source)
        argument = sources if len(sources) > 1 else sources[0]
        layer.build([x.shape for x in inputs] if len(sources) > 1 else inputs[0].shape)
        weights = [rng.integers(1, 16, w.shape).astype(np.float32) / 8 for w in layer.weights]
        layer.set_weights(weights)
        y = layer(argument)
        dy = rng.integers(-8, 9, y.shape).astype(np.float32) / 8
        objective = tf.reduce_sum(y * dy)
    variables = [v.value for v in layer.trainable_variables]
    gradients = tape.gradient(objective, [*sources, *variables])
    arrays = {f"x{i}": x for i, x in enumerate(inputs)}
    arrays |= {f"weight{i}": w for i, w in enumerate(weights)}
    arrays |= {f"gradient{i}": np.asarray(g) for i, g in enumerate(gradients)}
    return config, arrays | {"y": np.asarray(y), "dy": dy}


def main() -> None:
    rng = np.random.default_rng(20261130)
    cases, arrays = [], {}
    for number, (kind, arguments, shapes) in enumerate(LAYERS):
        name = f"{number}_{kind}"
        config, named = one_layer(rng, kind, arguments, shapes)
        cases.append({"name": name, "class_name": kind, "arguments": arguments, "config": config})
        arrays |= {f"{name}/{key}": value for key, value in named.items()}
    save("composed.npz", cases, arrays)


if __name__ == "__main__":
    main()
