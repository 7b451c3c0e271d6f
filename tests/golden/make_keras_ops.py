"""Writes `keras_ops.npz`: values and gradients of the functions of Keras's `ops`, by Keras itself.

For every case of `tests/support/ops_cases.py`: the results, and the gradients of the sum of their
products with `weights_for` with respect to the operands that are float arrays.

    KERAS_BACKEND=tensorflow python -m tests.golden.make_keras_ops
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.golden.golden_file import save
from tests.support.ops_cases import CASES, Case, weights_for


def golden(name: str, case: Case) -> dict[str, np.ndarray]:
    import tensorflow as tf
    from keras import ops

    function = ops
    for part in name.split("."):
        function = getattr(function, part)
    arguments, keywords = case.drawn(name)
    operands: list[Any] = []

    def convert(value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
            return [convert(each) for each in value]
        if isinstance(value, list) and value and isinstance(value[0], float):
            return tf.constant(value)
        if not isinstance(value, np.ndarray):
            return value
        tensor = tf.convert_to_tensor(value)
        if value.dtype == np.float32:
            operands.append(tensor)
        return tensor

    with tf.GradientTape() as tape:
        arguments = [convert(a) for a in arguments]
        keywords = {k: convert(v) for k, v in keywords.items()}
        for tensor in operands:
            tape.watch(tensor)
        result = function(*arguments, **keywords)
        results = list(result) if isinstance(result, (list, tuple)) else [result]
        total = tf.zeros(())
        for number, y in enumerate(results):
            if y.dtype == tf.float32:
                total += tf.reduce_sum(y * weights_for(name, number, tuple(y.shape)))
    found = {f"{name}/y{number}": np.asarray(y) for number, y in enumerate(results)}
    if case.differentiable:
        for number, dx in enumerate(tape.gradient(total, operands)):
            if dx is not None:
                found[f"{name}/dx{number}"] = np.asarray(tf.convert_to_tensor(dx))
    return found


def main() -> None:
    arrays: dict[str, np.ndarray] = {}
    for name, case in CASES.items():
        if case.golden:
            arrays.update(golden(name, case))
    dtypes = {key: array.dtype.name for key, array in arrays.items()}
    save("keras_ops.npz", [dtypes], arrays)


if __name__ == "__main__":
    main()
