"""Run real Keras to compute ``volumes.npz``: outputs and gradients of the layers on volumes in
`convolution_cases`, and a model saved by Keras, ``volumes.keras``.

Run by hand, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_volumes
"""

from __future__ import annotations

import numpy as np

from tests.golden.convolution_cases import FIRST, VOLUME_CASES
from tests.golden.golden_file import HERE, save
from tests.golden.make_convolution_layers import grid_normal, keras, layers, one_layer


def different(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Different multiples of 1/256: of equal maxima, TensorFlow gives all the gradient."""
    numbers = rng.permutation(int(np.prod(shape))) - np.prod(shape) // 2
    return (numbers / 256).astype(np.float32).reshape(shape)


def main() -> None:
    rng = np.random.default_rng(20261130)
    cases, arrays = [], {}
    for name, kind, shape, settings in VOLUME_CASES:
        config, values = one_layer(rng, kind, settings, shape, different)
        cases.append({"name": name, "kind": "layer", "shape": shape, "config": config})
        arrays |= {f"{name}/{key}": value for key, value in values.items()}
    dropout = layers.SpatialDropout3D(0.25, seed=4, **FIRST)
    config = keras.saving.serialize_keras_object(dropout)
    cases.append({"name": "SpatialDropout3D", "kind": "configured", "config": config})

    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((6, 8, 8, 1)),
            layers.Conv3D(4, 3, activation="relu", padding="same", kernel_regularizer="l2"),
            layers.MaxPooling3D(2),
            layers.BatchNormalization(),
            layers.Conv3D(6, (1, 3, 3), strides=(1, 2, 2)),
            layers.SpatialDropout3D(0.2, seed=1),
            layers.UpSampling3D((1, 2, 2)),
            layers.ZeroPadding3D(1),
            layers.Cropping3D((1, 1, 0)),
            layers.Conv3DTranspose(3, 2, strides=2),
            layers.AveragePooling3D((2, 1, 1)),
            layers.GlobalMaxPooling3D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(HERE / "volumes.keras")
    x = grid_normal(rng, 2, 6, 8, 8, 1)
    arrays |= {"volumes/x": x, "volumes/y": model.predict(x, verbose=0)}
    save("volumes.npz", cases, arrays)


if __name__ == "__main__":
    main()
