"""The methods and properties that a user of Keras may override, by introspection of real Keras.

    python -m tests.golden.make_overridable

writes `overridable.json`, which `tests/test_overriding.py` reads. It needs Keras 3 with TensorFlow.
"""

from __future__ import annotations

import json
from pathlib import Path

import keras

BASES = {
    "Layer": keras.layers.Layer,
    "Model": keras.Model,
    "Sequential": keras.Sequential,
    "Loss": keras.losses.Loss,
    "Metric": keras.metrics.Metric,
    "Optimizer": keras.optimizers.Optimizer,
    "Callback": keras.callbacks.Callback,
    "Initializer": keras.initializers.Initializer,
    "Regularizer": keras.regularizers.Regularizer,
    "Constraint": keras.constraints.Constraint,
    "LearningRateSchedule": keras.optimizers.schedules.LearningRateSchedule,
    "PyDataset": keras.utils.PyDataset,
}
SPECIAL = ("__call__", "__getitem__", "__len__")


def overridable(cls: type) -> list[str]:
    """What Keras's own classes in the ancestry of `cls` define for others to override."""
    return sorted(
        {
            name
            for base in cls.__mro__
            if base.__module__.startswith("keras.")
            for name, value in vars(base).items()
            if (not name.startswith("_") or name in SPECIAL)
            and (callable(value) or isinstance(value, (property, classmethod, staticmethod)))
        }
    )


def main() -> None:
    methods = {name: overridable(cls) for name, cls in BASES.items()}
    content = {"keras": keras.__version__, "methods": methods}
    path = Path(__file__).with_name("overridable.json")
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
