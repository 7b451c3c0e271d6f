"""Run real Keras on labels, predictions and weights of many shapes, for
`test_loss_shapes_against_keras`.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_shapes

Writes ``shapes.npz``: one case per loss or metric, reduction, pair of shapes and shape of weights,
with the shape of what Keras returns, None where it raises an error.
"""

from __future__ import annotations

import os
import warnings

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np

from tests.golden import shape_cases as cases
from tests.golden.golden_file import Arrays, save

REDUCTIONS = {
    "sum_over_batch_size": cases.WEIGHTS,
    "none": cases.WEIGHTS,
    "sum": cases.FEW_WEIGHTS,
    "mean_with_sample_weight": cases.FEW_WEIGHTS,
}


def loss_of(name, arguments, kind, reduction, pair, weight):
    loss = getattr(keras.losses, name)(reduction=reduction, **arguments)
    return loss(cases.labels(pair[1], kind), cases.predictions(pair[0]), **weight)


def metric_of(name, arguments, kind, reduction, pair, weight):
    metric = getattr(keras.metrics, name)(**arguments)
    for shift in (1.0, 0.5):
        metric.update_state(
            cases.labels(pair[1], kind), shift * cases.predictions(pair[0]), **weight
        )
    return metric.result()


def make() -> tuple[list[dict], Arrays]:
    warnings.simplefilter("ignore")
    found, values = [], []
    for group, function, entries, reductions in (
        ("losses", loss_of, cases.LOSSES, REDUCTIONS),
        ("metrics", metric_of, cases.METRICS, {"": cases.WEIGHTS}),
    ):
        for number, entry in enumerate(entries):
            print(*entry, flush=True)
            for reduction, shapes in reductions.items():
                results = {}
                for place, pair in enumerate(cases.PAIRS):
                    for weight in shapes:
                        given = {} if weight is None else {"sample_weight": cases.weights(weight)}
                        try:
                            value = np.float32(function(*entry, reduction, pair, given))
                        except Exception:  # of whatever kind: Keras refuses
                            if weight is None:
                                break  # whatever the weights
                            continue
                        results[f"{place} {cases.WEIGHTS.index(weight)}"] = list(value.shape)
                        values.append(value.ravel())
                found.append(
                    {"group": group, "number": number, "reduction": reduction, "found": results}
                )
    return found, {"values": np.concatenate(values)}


if __name__ == "__main__":
    save("shapes.npz", *make())
