"""Writes `keras_ops_model.keras`, a model of functions of Keras's `ops` by Keras itself, and its
outputs in `keras_ops_model.npz`.

    KERAS_BACKEND=tensorflow python -m tests.golden.make_keras_ops_model
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tests.golden.golden_file import HERE, save


def make_model() -> keras.Model:
    x, z = keras.Input((4, 4, 3)), keras.Input((4, 4, 3))
    y = 1 - (x * 2.0 + z)
    y = ops.mean(ops.sum(y, axis=-1, keepdims=True), 1)
    joined = ops.concatenate([x, z], axis=-1)
    first, second = ops.split(joined, 2, axis=-1)
    product = ops.relu(first) @ ops.transpose(second, (0, 1, 3, 2))
    best = ops.max(x, axis=(1, 2))
    values, places = ops.top_k(best, 2)
    kernel = np.linspace(-1, 1, 54, dtype="float32").reshape(3, 3, 3, 2)
    return keras.Model(
        [x, z],
        [
            y[:, 0], y[..., 0:2, None], ops.where(x > 0, x, np.full((3,), 0.25, "float32")),
            ops.reshape(product, (-1, 64)), ops.image.resize(x, (8, 8)),
            ops.one_hot(ops.cast(best, "int32"), 4), ops.exp(y), x**2, values, places,
            ops.conv(x, kernel, strides=1, padding="same"), ops.softmax(best, axis=-1),
            ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), -x, abs(x), x // 2.0, x % 2.0,
            ops.clip(x, 0, 1), ops.normalize(x), *ops.moments(x, (1, 2)),
            ops.einsum("bijc,bjkc->bikc", x, z), ops.logsumexp(x, axis=-1), ops.take(x, [2, 0], -1),
            ops.full_like(x, 2.0), ops.stack([x, z], axis=1), ops.squeeze(x[:, :1, :1], (1, 2)),
        ],
    )  # fmt: skip


def main() -> None:
    rng = np.random.default_rng(0)
    x, z = (rng.standard_normal((5, 4, 4, 3)).astype("float32") for _ in range(2))
    model = make_model()
    model.save(HERE / "keras_ops_model.keras")
    outputs = model.predict([x, z], verbose=0)
    save("keras_ops_model.npz", [], {"x": x, "z": z, **{f"y{n}": y for n, y in enumerate(outputs)}})


if __name__ == "__main__":
    main()
