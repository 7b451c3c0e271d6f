"""One network in both libraries: values, training, and files in both directions."""

from __future__ import annotations

import os
import traceback
from collections import Counter
from typing import Any

import numpy as np

from tests.long.random_networks.builder import Builder
from tests.long.random_networks.chooser import Chooser

# Rounding errors of a few layers in float32, relative to the largest value.
TOLERANCE = 2e-4

RANDOM_IN_TRAINING = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
    "RandomFlip", "RandomTranslation", "RandomRotation", "RandomZoom", "RandomCrop",
)  # fmt: skip


class Disagreement(AssertionError):
    pass


def listed(value: Any) -> list[np.ndarray]:
    return [np.asarray(v) for v in (value if isinstance(value, (list, tuple)) else [value])]


def agree(what: str, expected: Any, received: Any, tolerance: float = TOLERANCE) -> None:
    expected, received = listed(expected), listed(received)
    if [e.shape for e in expected] != [r.shape for r in received]:
        raise Disagreement(f"{what}: shapes {[e.shape for e in expected]}, received "
                           f"{[r.shape for r in received]}")  # fmt: skip
    for index, (e, r) in enumerate(zip(expected, received, strict=True)):
        scale = max(1.0, float(np.abs(e).max(initial=0)))
        error = float(np.abs(e - r).max(initial=0)) / scale
        if not error <= tolerance:
            raise Disagreement(f"{what}: number {index} of {len(expected)} differs by {error:.2e}")


def shares_layers(model: Any) -> bool:
    """Whether a layer belongs to several of the models that `model` is made of."""
    models, users = [model], Counter()
    while models:
        layers = {id(layer): layer for layer in models.pop().layers}
        users.update(layers.keys())
        models += [layer for layer in layers.values() if hasattr(layer, "layers")]
    return max(users.values()) > 1


class Comparison:
    """One network in both libraries; `rows` are (what, kind of failure, message)."""

    def __init__(self, seed: int, keras: Any, fastconv: Any):
        self.seed, self.keras, self.fastconv = seed, keras, fastconv
        self.rows: list[tuple[str, str, str]] = []
        self.passed: Counter = Counter()
        self.random = np.random.default_rng(seed)

    def attempt(self, what: str, function: Any) -> bool:
        try:
            function()
        except Disagreement as error:
            self.rows.append((what, "disagrees", str(error)))
            return False
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            side = "keras" if os.sep + "keras" + os.sep in where.filename else "fastconv"
            message = " ".join(str(error).split())[:300]
            self.rows.append((what, f"refused by {side}", f"{type(error).__name__}: {message}"))
            return False
        self.passed[what] += 1
        return True

    def attempt_keras(self, what: str, ours: Any, theirs: Any) -> None:
        """Keras reads what fastconv wrote, unless it cannot read its own file of the network."""
        if self.attempt(what, ours):
            return
        try:
            theirs()
        except Exception:
            del self.rows[-1]
            self.passed[f"{what} not asked of Keras, which refuses its own"] += 1

    def run(self, folder: str) -> Counter | None:
        """The kinds of layers compared; None if Keras itself does not build the network."""
        builder = Builder(self.seed, self.keras)
        self.keras.utils.set_random_seed(self.seed)
        try:
            self.theirs = builder.network()
            self.set_weights()
            x = [
                self.random.standard_normal((4, *tensor.shape[1:])).astype(np.float32)
                for tensor in self.theirs.inputs
            ]
            self.x = x if len(x) > 1 else x[0]
            self.expected = self.theirs.predict(self.x, verbose=0)
        except Exception:
            return None
        self.kinds = builder.kinds
        if not self.attempt("build", self.build_ours):
            return builder.kinds
        self.attempt("predict", lambda: agree("predict", self.expected, self.predict(self.ours)))
        self.files(folder)
        if not any(kind in RANDOM_IN_TRAINING for kind in self.kinds):
            self.attempt("train", self.train)
            self.attempt("keras compiled >", lambda: self.compiled_file(folder))
        return builder.kinds

    def set_weights(self) -> None:
        """Weights that are neither symmetric nor zero; variances are positive."""
        values = []
        for variable in self.theirs.weights:
            value = 0.4 * self.random.standard_normal(variable.shape)
            if "variance" in variable.path:
                value = 0.5 + np.abs(value)
            values.append(value.astype(np.float32))
        self.theirs.set_weights(values)

    def build_ours(self) -> None:
        self.ours = Builder(self.seed, self.fastconv).network()
        shapes = [tuple(v.shape) for v in self.theirs.weights]
        if [tuple(v.shape) for v in self.ours.weights] != shapes:
            raise Disagreement("the weights have other shapes or another order")
        self.ours.set_weights(self.theirs.get_weights())

    def predict(self, model: Any) -> Any:
        return model.predict(self.x, verbose=0)

    def files(self, folder: str) -> None:
        keras, fastconv = self.keras, self.fastconv

        def path(suffix: str) -> str:
            return os.path.join(folder, f"{self.seed}{suffix}")

        def model_file(suffix: str, writer: Any, reader: Any) -> None:
            writer.save(path(suffix))
            options = {"compile": False}
            read = reader.models.load_model(path(suffix), **options)
            agree(f"predict after {suffix}", self.expected, self.predict(read))

        def weights_file(suffix: str, writer: Any, reader: Any) -> None:
            writer.save_weights(path(suffix))
            new = Builder(self.seed, reader).network()
            new.load_weights(path(suffix))
            agree(f"predict after {suffix}", self.expected, self.predict(new))

        def config(writer: Any, reader: Any) -> None:
            new = reader.models.model_from_json(writer.to_json())
            if [tuple(v.shape) for v in new.weights] != [tuple(v.shape) for v in writer.weights]:
                raise Disagreement("the weights have other shapes or another order")

        def clone() -> None:
            new = fastconv.models.clone_model(self.ours)
            if len(new.weights) != len(self.ours.weights):
                raise Disagreement(f"{len(new.weights)} weights, of {len(self.ours.weights)}")
            new.set_weights(self.ours.get_weights())
            agree("predict after clone_model", self.expected, self.predict(new))

        for suffix in (".keras", ".h5"):
            self.attempt(f"{suffix} >", lambda s=suffix: model_file(s, self.theirs, fastconv))
            self.attempt_keras(
                f"{suffix} <",
                lambda s=suffix: model_file(s, self.ours, keras),
                lambda s=suffix: model_file(s, self.theirs, keras),
            )
            self.attempt(f"{suffix} =", lambda s=suffix: model_file(s, self.ours, fastconv))
        suffix = ".weights.h5"
        self.attempt(f"{suffix} >", lambda: weights_file(suffix, self.theirs, fastconv))
        self.attempt_keras(
            f"{suffix} <",
            lambda: weights_file(suffix, self.ours, keras),
            lambda: weights_file(suffix, self.theirs, keras),
        )
        if not shares_layers(self.theirs):  # Keras's JSON does not say which calls share a layer
            self.attempt("config >", lambda: config(self.theirs, fastconv))
            self.attempt_keras(
                "config <", lambda: config(self.ours, keras), lambda: config(self.theirs, keras)
            )
        self.attempt("clone", clone)
        self.attempt("again", lambda: weights_file(".safetensors", self.ours, fastconv))

    def train(self) -> None:
        """Three steps by gradient descent, whose steps are as smooth as the network itself."""
        chosen = Chooser(self.seed).one(
            [{"learning_rate": 0.02}, {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True}]
        )
        y = [self.random.standard_normal(e.shape).astype(np.float32) for e in listed(self.expected)]
        y = y if len(y) > 1 else y[0]
        for model, library in ((self.theirs, self.keras), (self.ours, self.fastconv)):
            options = {"run_eagerly": True} if library is self.keras else {}
            model.compile(library.optimizers.SGD(**chosen), "mse", **options)
            for _ in range(3):
                model.train_on_batch(self.x, y)
        agree("weights after training", self.theirs.get_weights(), self.ours.get_weights(), 2e-3)

    def compiled_file(self, folder: str) -> None:
        """A file of a compiled model with its optimizer."""
        path = os.path.join(folder, f"{self.seed}_compiled.keras")
        self.theirs.save(path)
        read = self.fastconv.models.load_model(path)
        agree("predict", self.theirs.predict(self.x, verbose=0), self.predict(read))
        ours, theirs = read.optimizer.iterations, self.theirs.optimizer.iterations.numpy()
        if ours != theirs:
            raise Disagreement(f"{ours} iterations, of {theirs}")
