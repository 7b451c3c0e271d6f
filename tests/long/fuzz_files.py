"""Damages files of every format that fastconv reads: only documented errors may come out.

    python -m tests.long.fuzz_files --count 50000 --seed 0

Mutation number n of a run is made from `seed` and n alone, so `--seed 0 --first 123 --count 1 -v`
repeats the one that a report calls 123. The mutations know the formats (`mutations`): they change
trees of JSON, objects of HDF5, members of archives and bytes, and put checksums right where there
are some, so that what is wrong reaches the code behind them. What must hold for each:

    errors     those that the function documents; a MemoryError says how much
    target     a model whose weights are loaded is the same as before if there is an error
    use        a model that is loaded can be saved; a small one predicts
    time       at most ten seconds
    process    alive

The mutations run in processes of their own, with a bound on their memory. The exit status is 1 if
there is any finding; the table at the end counts mutations and refusals of each target.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib.util
import io
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tarfile
import tempfile
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastconv import (
    FormatError,
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
)
from fastconv.datasets import _cifar, idx
from fastconv.saving import safetensors_file
from fastconv.saving.state_file import load_state, save_state
from fastconv.utils import load_img, set_random_seed
from tests.long.mutations import (
    dumped,
    mutated_bytes,
    mutated_hdf5,
    mutated_members,
    mutated_tree,
    unzipped,
    zipped,
)

if HAS_ONNX := importlib.util.find_spec("onnx") is not None:
    from fastconv import onnx
    from tests.long import onnx_mutations

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SECONDS = 10
MEMORY = 3 << 30  # bytes that a process may have more than at its start
CHUNK = 500  # mutations per process


class Target(NamedTuple):
    """What is attacked: `make(rng)` gives an argument, mutated, of `use(argument)`."""

    make: Callable[[random.Random], Any]
    use: Callable[[Any], None]
    errors: tuple[type[Exception], ...]


class Finding(Exception):
    """Something that must not happen, beside an error that must not be."""


# ----------------------------------------------------------------------------------- good examples

X = np.random.default_rng(0).standard_normal((4, 6, 6, 2)).astype(np.float32)
Y = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]


def sequential(optimizer: Any = "adam") -> models.Model:
    set_random_seed(1)
    model = models.Sequential([
        layers.Input((6, 6, 2)),
        layers.Conv2D(3, 3, activation="relu", kernel_regularizer="l2", name="first"),
        layers.BatchNormalization(), layers.MaxPooling2D(), layers.Dropout(0.2), layers.Flatten(),
        layers.Dense(3, "softmax", kernel_constraint="max_norm"),
    ])  # fmt: skip
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy", "mae"])
    return model


def graph() -> models.Model:
    set_random_seed(2)
    inputs = layers.Input((6, 6, 2))
    inner = models.Sequential([layers.Input((6, 6, 2)), layers.SeparableConv2D(2, 3), layers.ELU()])
    shared = layers.Conv2D(2, 3, padding="same")
    x = layers.add([shared(inputs), shared(shared(inputs))])
    x = layers.concatenate([layers.GlobalAveragePooling2D()(inner(x)), layers.Flatten()(x)])
    model = models.Model(inputs, layers.Dense(3)(x))
    rate = optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model.compile(optimizers.SGD(rate, momentum=0.9, clipnorm=1.0), losses.Huber(0.5))
    return model


def trained(model: models.Model) -> models.Model:
    model.fit(X, Y, batch_size=2, verbose=0)
    return model


def in_file(write: Callable[[Path], Any], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory, name))
        return Path(directory, name).read_bytes()


# -------------------------------------------------------------------------------------- the targets


class Files:
    """The good examples, made once per process, and the targets that mutate them."""

    def __init__(self, directory: Path):
        self.path = directory / "file"
        own = [trained(sequential()), trained(graph()), sequential("sgd")]
        self.targets_of_weights = [sequential(), graph()]
        golden = [GOLDEN / name for name in ("saved_rmsprop.keras", "tiny.keras", "spatial.keras")]
        with zipfile.ZipFile(GOLDEN / "functions.zip") as archive:
            functions = [archive.read("functions.keras"), archive.read("functions.h5")]
        with zipfile.ZipFile(GOLDEN / "keras2.zip") as archive:
            keras2 = [archive.read(name) for name in archive.namelist()]
        self.keras = [in_file(model.save, "a.keras") for model in own]
        self.keras += [path.read_bytes() for path in golden] + functions[:1]
        self.legacy = [in_file(model.save, "a.h5") for model in own]
        self.legacy += [(GOLDEN / "saved_adam.h5").read_bytes(), *functions[1:]]
        self.legacy += [each for each in keras2 if len(each) < 100_000]
        self.weights = [
            (number, in_file(model.save_weights, f"a{suffix}"))
            for suffix in (".weights.h5", ".safetensors")
            for number, model in enumerate(own[:2])
        ]
        self.weights += list(enumerate([*self.keras[:2]])) + list(enumerate(self.legacy[:2]))
        self.state = in_file(lambda path: save_state(_state(), path), "a.safetensors")
        self.descriptions = [json.loads(model.to_json()) for model in own[:2]]
        self.objects = self._objects()
        self.pictures = self._pictures()
        with np.load(GOLDEN / "onnx.npz") as arrays:
            self.graphs = [arrays[name].tobytes() for name in arrays if name.endswith("/file")]
        self.own = {"rmse": _rmse, "golden>largest": _rmse, "twos": _twos}

    def targets(self) -> dict[str, Target]:
        return {
            "load_model .keras": Target(self.mutated_keras, self.load_model, (FormatError,)),
            "load_model .h5": Target(self.mutated_legacy, self.load_model, (FormatError,)),
            "load_weights": Target(self.mutated_weights, self.load_weights, (FormatError,)),
            "load_state": Target(self.mutated_state, self.load_state, (FormatError,)),
            "model_from_json": Target(self.mutated_json, models.model_from_json, (ValueError,)),
            "from_config": Target(self.mutated_config, _from_config, (ValueError, TypeError)),
            "get": Target(self.mutated_object, _get, (ValueError, TypeError)),
            "idx": Target(self.mutated_idx, self.load_idx, (FormatError,)),
            "cifar": Target(self.mutated_cifar, self.load_cifar, (FormatError,)),
            "load_img": Target(self.mutated_picture, self.load_img, (FormatError,)),
            "load_onnx": Target(self.mutated_graph, self.load_graph, (FormatError,)),
        }

    # Whole models -----------------------------------------------------------------------------

    def mutated_keras(self, rng: random.Random) -> bytes:
        data = rng.choice(self.keras)
        if rng.random() < 0.1:
            return mutated_bytes(rng, data)
        members = unzipped(data)
        if rng.random() < 0.1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile warns of names that are there twice
                return zipped(mutated_members(rng, members))
        index = rng.choice((0, 1, 1, 1, 2, 2))
        name, content = members[index]
        if name.endswith(".json") and rng.random() < 0.95:
            content = dumped(mutated_tree(rng, json.loads(content))).encode()
        elif name.endswith(".h5") and rng.random() < 0.6:
            content = mutated_hdf5(rng, content)
        else:
            content = mutated_bytes(rng, content)
        members[index] = (name, content)
        return zipped(members)

    def mutated_legacy(self, rng: random.Random) -> bytes:
        data = rng.choice(self.legacy)
        if rng.random() < 0.3:
            return mutated_bytes(rng, data)
        return mutated_hdf5(rng, data, ("model_config", "training_config"))

    def load_model(self, data: bytes) -> None:
        self.path.write_bytes(data)
        model = models.load_model(self.path, custom_objects=self.own)
        model.save(self.path.with_suffix(".keras"))
        if model.built and _is_small(model):
            model.predict_on_batch(_zeros(model))

    # Weights ----------------------------------------------------------------------------------

    def mutated_weights(self, rng: random.Random) -> tuple[models.Model, bytes, bool]:
        number, data = rng.choice(self.weights)
        model = self.targets_of_weights[number]
        if rng.random() < 0.25:
            data = mutated_bytes(rng, data)
        elif data[:2] == b"PK":
            members = unzipped(data)
            members[2] = (members[2][0], mutated_hdf5(rng, members[2][1]))
            data = zipped(members)
        elif data[1:4] == b"HDF":
            data = mutated_hdf5(rng, data)
        else:
            data = _mutated_safetensors(rng, data)
        return model, data, rng.random() < 0.2

    def load_weights(self, given: tuple[models.Model, bytes, bool]) -> None:
        model, data, skip = given
        self.path.write_bytes(data)
        before = _everything(model)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if skip else "error")
                model.load_weights(self.path, skip_mismatch=skip)
            in_file(model.save, "a.keras")
        except BaseException:
            if before != _everything(model):
                _reset(model)
                raise Finding("the model was changed although there was an error") from None
            raise
        _reset(model)

    # States -----------------------------------------------------------------------------------

    def mutated_state(self, rng: random.Random) -> bytes:
        if rng.random() < 0.2:
            return mutated_bytes(rng, self.state)
        return _mutated_safetensors(rng, self.state)

    def load_state(self, data: bytes) -> None:
        self.path.write_bytes(data)
        load_state(self.path)

    # Descriptions -----------------------------------------------------------------------------

    def mutated_json(self, rng: random.Random) -> str:
        return dumped(mutated_tree(rng, rng.choice(self.descriptions)))

    def mutated_config(self, rng: random.Random) -> tuple[type, Any]:
        description = rng.choice(self.descriptions)
        kind = models.Sequential if description["class_name"] == "Sequential" else models.Model
        return kind, mutated_tree(rng, description["config"])

    def _objects(self) -> list[tuple[Callable[[Any], Any], Any]]:
        """Functions that take a description, with good ones."""
        from fastconv.serialization import serialize

        schedule = optimizers.schedules.CosineDecay(0.1, 100, warmup_target=0.2, warmup_steps=3)
        things = {
            optimizers.get: [optimizers.Nadam(schedule), optimizers.RMSprop(momentum=0.5)],
            losses.get: [losses.CategoricalFocalCrossentropy(), losses.Huber()],
            metrics.get: [metrics.AUC(), metrics.TopKCategoricalAccuracy(), metrics.FBetaScore()],
            initializers.get: [
                initializers.VarianceScaling(), initializers.Constant(np.ones((2, 2))),
            ],
            regularizers.get: [regularizers.L1L2(0.1, 0.2)],
            constraints.get: [constraints.MinMaxNorm(0.1, 2.0, axis=[0, 1])],
        }  # fmt: skip
        return [(get, serialize(thing)) for get, those in things.items() for thing in those]

    def mutated_object(self, rng: random.Random) -> tuple[Callable[[Any], Any], Any]:
        get, description = rng.choice(self.objects)
        return get, mutated_tree(rng, description)

    # Data -------------------------------------------------------------------------------------

    def mutated_idx(self, rng: random.Random) -> bytes:
        data = bytes([0, 0, rng.choice((8, 9, 11, 12, 13, 14)), 2, 0, 0, 0, 4, 0, 0, 0, 3])
        data = mutated_bytes(rng, data + bytes(range(96)))
        if rng.random() < 0.5:
            data = gzip.compress(data, mtime=0)
            data = mutated_bytes(rng, data) if rng.random() < 0.5 else data
        return data

    def load_idx(self, data: bytes) -> None:
        self.path.write_bytes(data)
        idx.read(self.path)

    def mutated_cifar(self, rng: random.Random) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name in ("folder/train.bin", "folder/test.bin"):
                record = bytes([rng.choice((0, 1, 9, 10, 255))]) + bytes(3072)
                content = mutated_bytes(rng, record) if rng.random() < 0.2 else record
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                if rng.random() < 0.3:
                    entry.type = rng.choice((b"0", b"1", b"2", b"3", b"6", b"S", b"x", b"L"))
                    entry.linkname = "/etc/passwd"
                archive.addfile(entry, io.BytesIO(content))
        data = buffer.getvalue()
        data = mutated_bytes(rng, data) if rng.random() < 0.6 else data
        return gzip.compress(data, mtime=0) if rng.random() < 0.7 else data

    def load_cifar(self, data: bytes) -> None:
        self.path.write_bytes(data)
        _cifar.read(self.path, ("folder/train.bin", "folder/test.bin"), (10,))

    def _pictures(self) -> list[bytes]:
        try:
            from PIL import Image
        except ImportError:
            return []
        pixels = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)
        found = []
        for form in ("PNG", "BMP", "GIF", "JPEG", "PPM", "TIFF", "WEBP"):
            buffer = io.BytesIO()
            with contextlib.suppress(OSError, KeyError):  # a build without this one
                Image.fromarray(pixels).save(buffer, form)
                found.append(buffer.getvalue())
        return found

    def mutated_picture(self, rng: random.Random) -> bytes:
        return mutated_bytes(rng, rng.choice(self.pictures)) if self.pictures else b""

    def load_img(self, data: bytes) -> None:
        self.path.write_bytes(data)
        if self.pictures:
            load_img(self.path)

    # Networks of other programs ---------------------------------------------------------------

    def mutated_graph(self, rng: random.Random) -> bytes:
        if not HAS_ONNX:
            return b""
        return onnx_mutations.mutated_onnx(rng, rng.choice(self.graphs))

    def load_graph(self, data: bytes) -> None:
        if not HAS_ONNX:
            return
        self.path.write_bytes(data)
        model = onnx.load(self.path)
        if _is_small(model):
            with contextlib.suppress(ValueError):  # some networks take one size of batch alone
                model.predict_on_batch(_zeros(model))


def _rmse(y_true, y_pred):
    return np.sqrt(np.square(y_true - y_pred).mean(-1))


def _twos(shape, dtype=None):
    return np.full(shape, 2, dtype)


def _from_config(given: tuple[type, Any]) -> None:
    kind, config = given
    kind.from_config(config).to_json()


def _get(given: tuple[Callable[[Any], Any], Any]) -> None:
    get, description = given
    thing = get(description)
    if hasattr(thing, "get_config"):
        json.dumps(thing.get_config(), default=str)


def _state() -> Any:
    """The state of a run, as a backup holds it."""
    model, states = sequential(), []

    class Keep(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            states.append(self.model.training_run.state())

    model.fit(X, Y, batch_size=2, verbose=0, callbacks=[callbacks.EarlyStopping("loss"), Keep()])
    return states[0]


def _mutated_safetensors(rng: random.Random, data: bytes) -> bytes:
    """Another header, or other arrays, with the right length and the right checksum."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    metadata = header["__metadata__"]
    text = metadata.get("state", metadata["format"])
    if rng.random() < 0.4:
        header = mutated_tree(rng, header)
    else:
        arrays = {
            name: np.frombuffer(body[slice(*each["data_offsets"])], "<f4" if "32" in each["dtype"]
                else np.uint8).copy() for name, each in header.items() if name != "__metadata__"
        }  # fmt: skip
        if "state" in metadata and rng.random() < 0.9:
            text = dumped(mutated_tree(rng, json.loads(text)))
            metadata["state"] = text
        elif arrays:
            name = rng.choice(sorted(arrays))
            start, end = header[name]["data_offsets"]
            body = body[:start] + mutated_bytes(rng, body[start:end]).ljust(end - start)[
                : end - start
            ] + body[end:]  # fmt: skip
        metadata["sha256"] = _checksum(text, header, body)
    text = dumped(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _checksum(text: str, header: dict[str, Any], body: bytes) -> str:
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            raw = body[slice(*entry["data_offsets"])]
            dtype = np.dtype(safetensors_file._DTYPES[entry["dtype"]])
            arrays[name] = np.frombuffer(raw, dtype).reshape(entry["shape"])
    return safetensors_file.checksum(text, arrays)


def _everything(model: models.Model) -> list[Any]:
    """Weights and optimizer, to be compared."""
    variables = [variable.numpy().tobytes() for variable in model.optimizer.variables]
    return [*(weight.tobytes() for weight in model.get_weights()), *variables]


def _reset(model: models.Model) -> None:
    fresh = sequential() if isinstance(model, models.Sequential) else graph()
    model.set_weights(fresh.get_weights())
    model.compile(fresh.optimizer, fresh.loss, metrics=["mae"])


def _is_small(model: models.Model) -> bool:
    shapes = [layer.output_shape for layer in model.leaf_layers()]
    sizes = [
        np.prod([float(n or 1e6) for n in shape[1:]])
        for shape in shapes
        if isinstance(shape, tuple)
    ]
    return sum(sizes) < 1e5 and sum(variable.size for variable in model.weights) < 1e5


def _zeros(model: models.Model) -> Any:
    arrays = [np.zeros((2, *tensor.shape[1:]), np.float32) for tensor in model.inputs]
    return model.pack_inputs(arrays) if hasattr(model, "pack_inputs") else (
        arrays[0] if len(arrays) == 1 else arrays
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ running


def attack(target: Target, rng: random.Random) -> tuple[bool, str | None]:
    """(whether it was refused, the report or None) for one mutation."""
    argument = target.make(rng)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        target.use(argument)
    except target.errors:
        return True, None
    except MemoryError as error:
        if re.search(r"\d", str(error)):
            return True, None
        return True, _report(error)
    except Warning:
        return True, None
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return True, _report(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return False, None


def _report(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "fastconv" in frame.filename] or frames
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {where}: {str(error)[:160]}"


def run(numbers: range, seed: int, only: str | None = None, verbose: bool = False):
    """Yield (number, target, refused, report) for each mutation."""

    def too_long(*_):
        raise Finding(f"took more than {SECONDS} seconds")

    signal.signal(signal.SIGALRM, too_long)
    with tempfile.TemporaryDirectory() as directory:
        files = Files(Path(directory))
        targets = {n: t for n, t in files.targets().items() if only is None or only in n}
        weighted = [n for n in targets for _ in range(6 if n.startswith("load_") else 1)]
        for number in numbers:
            rng = random.Random(f"{seed}/{number}")
            name = rng.choice(weighted)
            if verbose:
                print(number, name, flush=True)
            yield number, name, *attack(targets[name], rng)


def _work(options: argparse.Namespace) -> None:
    """A process of its own: prints one line per mutation."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    warnings.simplefilter("ignore")
    numbers = range(options.first, options.first + options.count)
    for number, name, refused, report in run(numbers, options.seed, options.target):
        print(json.dumps([number, name, refused, report]), flush=True)


def _supervise(options: argparse.Namespace, first: int, count: int) -> list[tuple]:
    """The results of `count` mutations; a process that dies or hangs is a finding."""
    results, end = [], first + count
    while first < end:
        command = [sys.executable, "-m", "tests.long.fuzz_files", "--worker"]
        command += ["--seed", str(options.seed), "--first", str(first), "--count", str(end - first)]
        command += ["--target", options.target] if options.target else []
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        ended = f"the process took more than {6 * SECONDS} seconds"
        signal.setitimer(signal.ITIMER_REAL, 6 * SECONDS)
        try:
            for line in child.stdout:
                signal.setitimer(signal.ITIMER_REAL, 6 * SECONDS)
                results.append(tuple(json.loads(line)))
                first = results[-1][0] + 1
            child.wait()
            ended = f"the process ended with {child.returncode}: {child.stderr.read()[-300:]}"
        except TimeoutError:
            child.kill()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if first < end:
            results.append((first, "process", True, ended))
            first += 1
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", help="only targets whose names contain this")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    if options.worker:
        _work(options)
        return 0

    def late(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    counts, refusals, findings = Counter(), Counter(), []
    for first in range(options.first, options.first + options.count, CHUNK):
        count = min(CHUNK, options.first + options.count - first)
        for number, name, refused, report in _supervise(options, first, count):
            counts[name] += 1
            refusals[name] += refused
            if report is not None:
                findings.append(report)
                print(f"{number} {name}: {report}", flush=True)
            elif options.verbose:
                print(f"{number} {name}: {'refused' if refused else 'loaded'}", flush=True)
    for name in sorted(counts):
        print(f"{name:20} {counts[name]:7} mutations, {refusals[name]:7} refused")
    kinds = Counter(re.sub(r"\d+", "N", report) for report in findings)
    print(f"{sum(counts.values())} mutations, {len(findings)} findings of {len(kinds)} kinds")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
