"""Compares random networks with real Keras: values, training, and files in both directions.

    python -m tests.long.random_networks --count 400 --seed 0

needs `keras` and a backend of it beside fastconv. Network number n of a run is made from
`seed + n` alone, so `--seed 123 --count 1` repeats the network that a report calls 123.

A network is built twice by the same code, once from Keras's classes and once from fastconv's. It
may have several inputs and outputs, layers that are called twice, models inside of models, and
layers that are part of both the outer and the inner model. These things are compared:

    predict      the outputs for the same weights
    train        the weights after three steps, unless a layer is random in training
    config       to_json of one library, read by the other
    FORMAT >     a file of `.keras`, `.h5` or `.weights.h5` that Keras wrote and fastconv reads
    FORMAT <     the same in the other direction
    clone        clone_model with the same weights
    again        the `.safetensors` weights of the network, read by the same network built anew

A row of the report is a network and a thing that disagreed or was refused; the table at the end
counts them, and how often each layer took part. The exit status is 1 if there was any row.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

# Rounding errors of a few layers in float32, relative to the largest value.
TOLERANCE = 2e-4

ACTIVATIONS = [
    None, "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid",
    "softplus", "softsign", "hard_sigmoid", "hard_silu", "mish", "softmax", "log_softmax",
]  # fmt: skip
RANDOM_IN_TRAINING = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
    "RandomFlip", "RandomTranslation", "RandomRotation", "RandomZoom", "RandomCrop",
)  # fmt: skip


class Chooser:
    """Random choices; two of the same seed choose alike."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)

    def number(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return int(self.random.integers(low, high + 1))

    def one(self, options: Any) -> Any:
        return options[self.number(0, len(options) - 1)]

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def pair(self, low: int, high: int) -> Any:
        return self.number(low, high) if self.chance(0.6) else tuple(
            self.number(low, high) for _ in range(2)
        )  # fmt: skip


# ------------------------------------------------------------------------------ arguments of layers

# Each function gives the arguments of one kind of layer for samples of `shape`, or None if the
# layer does not fit there.


def weighted(c: Chooser, library: Any, bias: bool = True, kernel: str = "kernel") -> dict:
    """The arguments that layers with a kernel share."""
    made: dict[str, Any] = {}
    if c.chance(0.7):
        made["activation"] = c.one(ACTIVATIONS)
    if bias:
        made["use_bias"] = c.chance(0.8)
    if c.chance(0.2):
        made[f"{kernel}_regularizer"] = c.one(["l2", library.regularizers.L1L2(0.001, 0.002)])
    if c.chance(0.15):
        made[f"{kernel}_constraint"] = library.constraints.MaxNorm(c.one([0.5, 2.0]))
    if c.chance(0.1):
        made["activity_regularizer"] = library.regularizers.L2(0.001)
    return made


def window(c: Chooser, space: tuple[int, ...], largest: int = 3) -> Any:
    sizes = [c.number(1, min(largest, size)) for size in space]
    return sizes[0] if len(sizes) == 1 else tuple(sizes)


def strided(c: Chooser, space: tuple[int, ...], dilates: bool = True) -> dict:
    """kernel_size, strides, padding, dilation_rate that fit `space`."""
    made = {"kernel_size": window(c, space), "padding": c.one(["valid", "same"])}
    kernel = made["kernel_size"] if len(space) > 1 else (made["kernel_size"],)
    if c.chance(0.4):
        made["strides"] = c.number(1, 3)
    elif dilates and all((k - 1) * 2 + 1 <= n for k, n in zip(kernel, space, strict=True)):
        made["dilation_rate"] = c.number(1, 2)
    return made


def conv(c, library, shape):
    *space, channels = shape
    made = {"filters": c.number(1, 6)} | strided(c, tuple(space)) | weighted(c, library)
    if channels % 2 == 0 and c.chance(0.3):
        made |= {"groups": 2, "filters": 2 * c.number(1, 3)}
    return made


def conv_transpose(c, library, shape):
    space = shape[:-1]
    if max(space) > 12:
        return None
    made = {"filters": c.number(1, 4), "kernel_size": window(c, space), "strides": c.number(1, 2)}
    made["padding"] = c.one(["valid", "same"])
    return made | weighted(c, library)


def depthwise(c, library, shape):
    made = strided(c, tuple(shape[:-1])) | weighted(c, library, kernel="depthwise")
    return made | {"depth_multiplier": c.number(1, 2)}


def separable(c, library, shape):
    made = strided(c, tuple(shape[:-1])) | weighted(c, library, kernel="pointwise")
    return made | {"filters": c.number(1, 6), "depth_multiplier": c.number(1, 2)}


def pooling(c, library, shape):
    made = {"pool_size": window(c, shape[:-1]), "padding": c.one(["valid", "same"])}
    if c.chance(0.4):
        made["strides"] = c.number(1, 3)
    return made


def flatten(c, library, shape):
    return {} if np.prod(shape) <= 400 else None


def reshape(c, library, shape):
    return {"target_shape": (*shape[:-2], shape[-2] * shape[-1]) if len(shape) > 1 else (-1, 1)}


def permute(c, library, shape):
    return {"dims": tuple(int(axis) + 1 for axis in c.random.permutation(len(shape)))}


def margins(c, library, shape):
    axes = len(shape) - 1
    sides = [(c.number(0, 2), c.number(0, 2)) for _ in range(axes)]
    return {"padding": sides[0] if axes == 1 else tuple(sides)}


def cropping(c, library, shape):
    sides = [(c.number(0, (n - 1) // 2), c.number(0, (n - 1) // 2)) for n in shape[:-1]]
    return {"cropping": sides[0] if len(sides) == 1 else tuple(sides)}


def up_sampling(c, library, shape):
    if max(shape[:-1]) > 10:
        return None
    if len(shape) == 2:
        return {"size": c.number(1, 3)}
    return {"size": c.pair(1, 3), "interpolation": c.one(["nearest", "bilinear"])}


def rate(c, library, shape):
    return {"rate": c.one([0.1, 0.5])}


def batch_norm(c, library, shape):
    made = {"momentum": c.one([0.5, 0.9])} if c.chance(0.5) else {}
    for switch in ("center", "scale"):
        if c.chance(0.2):
            made[switch] = False
    return made


def layer_norm(c, library, shape):
    return {"epsilon": c.one([1e-3, 1e-2])}


def group_norm(c, library, shape):
    return {"groups": c.one([n for n in (1, 2, 3, -1) if n < 0 or shape[-1] % n == 0])}


def no_arguments(c, library, shape):
    return {}


def keepdims(c, library, shape):
    return {"keepdims": True} if c.chance(0.2) else {}


def resizing(c, library, shape):
    return {"height": c.number(3, 9), "width": c.number(3, 9),
            "interpolation": c.one(["bilinear", "nearest"])}  # fmt: skip


def middle(c, library, shape):
    return {"height": c.number(1, shape[0]), "width": c.number(1, shape[1])}


def activation(c, library, shape):
    return {"activation": c.one(ACTIVATIONS[1:])}


def relu(c, library, shape):
    return c.one([{}, {"max_value": 1.0}, {"negative_slope": 0.1}, {"threshold": 0.2}])


def prelu(c, library, shape):
    return {"shared_axes": list(range(1, len(shape)))} if len(shape) > 1 and c.chance(0.5) else {}


def scaling(c, library, shape):
    return {"scale": c.one([0.5, 2.0]), "offset": c.one([0.0, -1.0])}


def dense(c, library, shape):
    return {"units": c.number(1, 8)} | weighted(c, library)


VECTORS, SEQUENCES, IMAGES = 1, 2, 3
KINDS: dict[str, tuple[tuple[int, ...], Any]] = {
    "Dense": ((1, 2, 3), dense),
    "Activation": ((1, 2, 3), activation),
    "ReLU": ((1, 2, 3), relu),
    "LeakyReLU": ((1, 2, 3), no_arguments),
    "ELU": ((1, 2, 3), no_arguments),
    "PReLU": ((1, 2, 3), prelu),
    "Softmax": ((1, 2, 3), no_arguments),
    "BatchNormalization": ((1, 2, 3), batch_norm),
    "LayerNormalization": ((1, 2, 3), layer_norm),
    "GroupNormalization": ((2, 3), group_norm),
    "UnitNormalization": ((1, 2, 3), no_arguments),
    "Dropout": ((1, 2, 3), rate),
    "GaussianNoise": ((1, 2, 3), lambda c, library, shape: {"stddev": 0.1}),
    "GaussianDropout": ((1, 2, 3), rate),
    "Flatten": ((2, 3), flatten),
    "Reshape": ((1, 2, 3), reshape),
    "Permute": ((2, 3), permute),
    "RepeatVector": ((1,), lambda c, library, shape: {"n": c.number(1, 4)}),
    "Rescaling": ((1, 2, 3), scaling),
    "Conv1D": ((2,), conv),
    "Conv1DTranspose": ((2,), conv_transpose),
    "DepthwiseConv1D": ((2,), depthwise),
    "SeparableConv1D": ((2,), separable),
    "MaxPooling1D": ((2,), pooling),
    "AveragePooling1D": ((2,), pooling),
    "GlobalMaxPooling1D": ((2,), keepdims),
    "GlobalAveragePooling1D": ((2,), keepdims),
    "ZeroPadding1D": ((2,), margins),
    "Cropping1D": ((2,), cropping),
    "UpSampling1D": ((2,), up_sampling),
    "SpatialDropout1D": ((2,), rate),
    "Conv2D": ((3,), conv),
    "Conv2DTranspose": ((3,), conv_transpose),
    "DepthwiseConv2D": ((3,), depthwise),
    "SeparableConv2D": ((3,), separable),
    "MaxPooling2D": ((3,), pooling),
    "AveragePooling2D": ((3,), pooling),
    "GlobalMaxPooling2D": ((3,), keepdims),
    "GlobalAveragePooling2D": ((3,), keepdims),
    "ZeroPadding2D": ((3,), margins),
    "Cropping2D": ((3,), cropping),
    "UpSampling2D": ((3,), up_sampling),
    "SpatialDropout2D": ((3,), rate),
    "Resizing": ((3,), resizing),
    "CenterCrop": ((3,), middle),
    "RandomFlip": ((3,), no_arguments),
    "RandomTranslation": ((3,), lambda *_: {"height_factor": 0.1, "width_factor": 0.1}),
    "RandomRotation": ((3,), lambda *_: {"factor": 0.1}),
    "RandomZoom": ((3,), lambda *_: {"height_factor": 0.1}),
}  # RandomCrop is left out: outside of training Keras 3.15 returns the image uncropped
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")


# ---------------------------------------------------------------------------------- random networks


class Builder:
    """Builds network number `seed` from the classes of `library`; notes the kinds it used."""

    def __init__(self, seed: int, library: Any):
        self.choose, self.library = Chooser(seed), library
        self.made: list[tuple[Any, tuple]] = []  # layers and the shape that they were first given
        self.kinds: Counter = Counter()
        self.count = 0

    def name(self, kind: str) -> dict[str, str]:
        """A name of its own for every third layer; the others are named by the library."""
        self.count += 1
        return {"name": f"{kind.lower()}_no_{self.count}"} if self.choose.chance(0.3) else {}

    def layer(self, shape: tuple[int, ...]) -> Any:
        """A new layer for samples of `shape`, or None if the one that was drawn does not fit."""
        c, library = self.choose, self.library
        kind = c.one([kind for kind, (ranks, _) in KINDS.items() if len(shape) in ranks])
        arguments = KINDS[kind][1](c, library, shape)
        if arguments is None:
            return None
        if c.chance(0.1):
            arguments["trainable"] = False
        layer = getattr(library.layers, kind)(**arguments, **self.name(kind))
        self.kinds[kind] += 1
        self.made.append((layer, shape))
        return layer

    def step(self, tensor: Any) -> Any:
        """`tensor` after one more layer: a new one, one that exists already, or a model."""
        c, shape = self.choose, tuple(tensor.shape[1:])
        same = [layer for layer, suits in self.made if suits == shape]
        if same and c.chance(0.2):
            self.kinds["(called again)"] += 1
            return c.one(same)(tensor)
        if c.chance(0.08):
            return self.model(shape)(tensor)
        layer = self.layer(shape)
        return tensor if layer is None else layer(tensor)

    def model(self, shape: tuple[int, ...]) -> Any:
        """A model of two or three layers, some of which exist already."""
        c, library = self.choose, self.library
        if c.chance(0.4):
            self.kinds["(inner Sequential)"] += 1
            inner = self.sequential(shape)
            self.made.append((inner, shape))
            return inner
        self.kinds["(inner Model)"] += 1
        start = end = library.layers.Input(shape)
        for _ in range(c.number(1, 3)):
            end = self.step(end)
        if end is start:
            end = library.layers.ReLU()(end)
        inner = library.models.Model(start, end, **self.name("Inner"))
        if c.chance(0.2):
            inner.trainable = False
        self.made.append((inner, shape))
        return inner

    def merge(self, tensors: list[Any]) -> Any:
        """Two of the tensors joined, if there are two that can be."""
        c, library = self.choose, self.library
        by_shape: dict[tuple, list[Any]] = {}
        for tensor in tensors:
            by_shape.setdefault(tuple(tensor.shape), []).append(tensor)
        pairs = [alike for alike in by_shape.values() if len(alike) > 1]
        if not pairs:
            return None
        alike, kind = c.one(pairs), c.one(MERGES)
        self.kinds[kind] += 1
        return getattr(library.layers, kind)(**self.name(kind))([alike[-2], alike[-1]])

    def network(self) -> Any:
        c, library = self.choose, self.library
        image = (c.number(5, 9), c.number(5, 9), c.number(1, 4))
        sequence, vector = (c.number(6, 12), c.number(1, 4)), (c.number(2, 8),)
        shapes = [image, image, sequence, vector]
        if c.chance(0.3):
            return self.sequential(c.one(shapes))
        inputs = [library.layers.Input(c.one(shapes)) for _ in range(1 + c.chance(0.3))]
        tensors = list(inputs)
        for _ in range(c.number(2, 8)):
            merged = self.merge(tensors) if c.chance(0.4) else None
            tensors.append(self.step(c.one(tensors[-2:])) if merged is None else merged)
        ends = [tensor for tensor in tensors[len(inputs) :] if all(tensor is not i for i in inputs)]
        outputs = [ends[-1]] if ends else [library.layers.ReLU()(inputs[0])]
        if len(ends) > 1 and ends[-2] is not ends[-1] and c.chance(0.3):
            outputs.append(ends[-2])
        return library.models.Model(
            inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0]
        )

    def sequential(self, shape: tuple[int, ...]) -> Any:
        c, library = self.choose, self.library
        self.kinds["(Sequential)"] += 1
        model = library.models.Sequential([library.layers.Input(shape)], **self.name("Chain"))
        for _ in range(c.number(1, 7)):
            layer = self.layer(tuple(model.output_shape[1:]) if model.layers else shape)
            if layer is not None:
                model.add(layer)
        if not model.layers:
            model.add(library.layers.ReLU())
        return model


# -------------------------------------------------------------------------------------- comparisons


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
        if not shares_layers(self.theirs):  # the JSON of Keras does not tell who shares a layer
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


def library(name: str) -> Any:
    """The modules of Keras or fastconv that networks are made of."""
    if name == "keras":
        import keras

        return keras
    from fastconv import constraints, layers, models, optimizers, regularizers, utils

    return SimpleNamespace(
        constraints=constraints, layers=layers, models=models, optimizers=optimizers,
        regularizers=regularizers, utils=utils,
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400, help="networks (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the first (default %(default)s)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    keras, ours = library("keras"), library("fastconv")
    kinds, passed, failed, compared, left = Counter(), Counter(), Counter(), 0, 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        with tempfile.TemporaryDirectory() as folder:
            comparison = Comparison(seed, keras, ours)
            used = comparison.run(folder)
        if used is None:
            left += 1
            continue
        compared += 1
        kinds += used
        passed += comparison.passed
        for what, how, message in comparison.rows:
            failed[f"{what} {how}"] += 1
            print(f"network {seed}: {what}: {how}: {message}", flush=True)
        keras.backend.clear_session()
    print(f"\n{compared} networks compared, {left} that Keras itself refuses to build or run")
    print("layers:", ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    missing = sorted({*KINDS, *MERGES} - set(kinds))
    print("kinds that took no part:", ", ".join(missing) or "none")
    for heading, counter in (("agreed", passed), ("failed", failed)):
        counts = ", ".join(f"{what} {count}" for what, count in sorted(counter.items()))
        print(f"{heading}:", counts or "none")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
