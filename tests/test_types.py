"""What type checkers see of the package: mistakes of users, and the names that arguments take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from fastconv import (
    activations,
    constraints,
    initializers,
    losses,
    ops,
    optimizers,
    regularizers,
    resampling,
    shapes,
)  # fmt: skip
from fastconv.bench import operations
from fastconv.common import literals
from fastconv.common.naming import snake_case
from fastconv.ops import compiled, shaping
from tests.support import lint_types

CHECKOUT = Path(__file__).resolve().parents[1]

# Lines that end in `# wrong` have one mistake each; the others have none.
PROGRAM = """\
import numpy as np

import fastconv
from fastconv import layers, losses, metrics, models, ops, optimizers
from fastconv.callbacks import Callback, EarlyStopping


class Doubled(models.Model):
    def __init__(self, units: int) -> None:
        super().__init__(name="doubled")
        self.dense = layers.Dense(units)

    def call(self, x: object) -> object:
        return self.dense(x) * 2


class Report(Callback):
    pass


model = fastconv.Sequential([fastconv.layers.Conv2D(8, 3, padding="same", name="first")])
model.add(layers.Conv2D(8, 3, pading="same"))  # wrong
model.add(layers.Conv2D(8, 3, padding="smae"))  # wrong
model.add(layers.Dense(3, activation="rleu"))  # wrong
model.add(layers.Dense(3, kernel_initializer="he_norml"))  # wrong
model.add(layers.Dense(3, activation=layers.LeakyReLU(0.1), kernel_regularizer="l2"))
model.comple("sgd", "mse")  # wrong
model.compile("sdg", loss="mse")  # wrong
model.compile("sgd", loss="msee")  # wrong
model.compile(optimizers.SGD(0.1, momentun=0.9), losses.MeanSquaredError())  # wrong
model.compile(optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0), losses.mean_squared_error)
x = np.zeros((4, 8, 8, 1), np.float32)
model.fit(x, x, epoch=3)  # wrong
model.fit(x, x, epochs=3, callbacks=[EarlyStopping(patience=2), Report()], verbose=2)
loss, accuracy = model.evaluate(x, x)
print(fastconv.explain(model).sumary())  # wrong
fastconv.explain(model, batch_size=2).show()
print(models.load_model("net.keras").predct(x))  # wrong
print(models.load_model("net.keras").predict(x), metrics.Precision(), fastconv.zoo.vgg16())
print(Doubled(3).predict(x), Doubled(units="3"))  # wrong
w = np.zeros((3, 3, 1, 2), np.float32)
ops.conv2d(x, w, padding="smae")  # wrong
ops.conv2d(x, w, activation="gelu")  # wrong
ops.conv2d(x, w, algorithm="winograd")  # wrong
ops.conv2d(x, w, padding=(1, 2), activation="relu")
ops.conv2d(x, w, padding=((1, 2), (0, 0)), padding_mode="edge", algorithm="direct")
ops.max_pool2d(x, pool_size=2, padding="both")  # wrong
ops.max_pool2d(x, pool_size=2, padding=np.int64(1))
ops.conv(x, w, padding="same", data_format="channel_last")  # wrong
ops.image.resize(x, (4, 4), interpolation="cubic")  # wrong
ops.image.resize(x, (4, 4), interpolation="bicubic")
ops.pad(x, 1, mode="mirror")  # wrong
print(layers.Convolution2D(4, 3).get_config()["filters"], optimizers.Adam().learning_rate)
"""
WRONG = {n for n, line in enumerate(PROGRAM.split("\n"), start=1) if line.endswith("# wrong")}


def errors(folder: Path, module: str, *arguments: str) -> set[int]:
    """The lines of `PROGRAM` for which a checker reports an error."""
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed: make lint")
    path = folder / "program.py"
    path.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, path],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "MYPYPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = re.findall(r"program\.py:(\d+):.*\berror\b", done.stdout)
    assert found, done.stdout + done.stderr
    return {int(line) for line in found}


def test_mypy_reports_every_mistake_and_nothing_else(tmp_path):
    cache = CHECKOUT / "build/mypy"
    options = ("--strict", "--follow-imports=silent", "--cache-dir", str(cache))
    assert errors(tmp_path, "mypy", *options) == WRONG


def test_pyright_reports_every_mistake_and_nothing_else(tmp_path):
    options = ("--level", "error", "--pythonpath", sys.executable)
    assert errors(tmp_path, "basedpyright", *options) == WRONG


def test_nearly_all_of_the_public_interface_has_known_types():
    if find_spec("basedpyright") is None:
        pytest.skip("basedpyright is not installed: make lint")
    score, lines = lint_types.completeness()
    assert score >= lint_types.LEAST, "\n".join(lines)


def names(module, aliases=()) -> set[str]:
    return {*module.CLASSES, *map(snake_case, module.CLASSES), *aliases}


@pytest.mark.parametrize(
    ("literal", "module", "known"),
    [
        (literals.ActivationName, activations, {*activations.FUNCTIONS, *activations._ALIASES}),
        (literals.ConstraintName, constraints, names(constraints)),
        (literals.InitializerName, initializers, names(initializers, initializers._ALIASES)),
        (literals.LossName, losses, names(losses, losses.ALIASES)),
        (
            literals.OptimizerName,
            optimizers,
            {*optimizers.CLASSES, *(name.lower() for name in optimizers.CLASSES)},
        ),
        (literals.RegularizerName, regularizers, names(regularizers)),
    ],
    ids=["activations", "constraints", "initializers", "losses", "optimizers", "regularizers"],
)
def test_the_names_for_type_checkers_are_those_that_are_accepted(literal, module, known):
    assert set(get_args(literal)) == known
    for name in known:
        assert module.get(name) is not None


@pytest.mark.parametrize(
    ("literal", "known"),
    [
        (literals.Algorithm, compiled.ALGORITHMS),
        (literals.ConvolutionPass, operations.PASSES),
        (literals.FillMode, resampling.FILL_MODES),
        (literals.Interpolation, resampling.INTERPOLATIONS),
        (literals.PaddingMode, shapes.PADDING_MODES),
        (literals.PadMode, shaping._PAD_MODES),
        (literals.Resampling, resampling.RESIZINGS),
    ],
    ids=["algorithm", "pass", "fill", "interpolation", "padding", "pad", "resizing"],
)
def test_the_words_for_type_checkers_are_those_that_operations_accept(literal, known):
    assert set(get_args(literal)) == set(known)


def test_an_operation_applies_the_activations_that_type_checkers_know():
    x, w = np.ones((1, 2), np.float32), np.eye(2, dtype=np.float32)
    for name in get_args(literals.FusedActivation):
        ops.dense(x, w, activation=name)
    for name in set(get_args(literals.ActivationName)) - set(get_args(literals.FusedActivation)):
        with pytest.raises(ValueError, match="activation"):
            ops.dense(x, w, activation=name)
