"""Run real Keras to compute ``wrapped.npz`` and ``wrapped.keras``: a network with `TimeDistributed`
around a layer, a normalization and a model; its output, and losses and weights of three steps.

Run by hand, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_wrapped
"""

from __future__ import annotations

from tests.golden.golden_file import HERE, save
from tests.golden.make_convolution_layers import grid_normal, keras, layers, np


def main() -> None:
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    inner = keras.Sequential([layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(4, "tanh")])
    model = keras.Sequential(
        [
            keras.Input((3, 6, 6, 2)),
            layers.TimeDistributed(layers.Conv2D(4, 3, activation="relu")),
            layers.TimeDistributed(layers.BatchNormalization(momentum=0.5), name="normalized"),
            layers.TimeDistributed(inner),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.compile(keras.optimizers.SGD(0.125), "mse")
    x, target = grid_normal(rng, 4, 3, 6, 6, 2), grid_normal(rng, 4, 2)
    model.predict(x, verbose=0)
    model.save(HERE / "wrapped.keras")
    arrays = {"x": x, "target": target, "y": model.predict(x, verbose=0)}
    arrays["losses"] = np.array([model.train_on_batch(x, target) for _ in range(3)], np.float32)
    arrays["trained"] = model.predict(x, verbose=0)
    config = keras.saving.serialize_keras_object(model.layers[0])
    save("wrapped.npz", [{"config": config}], arrays)


if __name__ == "__main__":
    main()
