"""`fastconv doctor`: examine the installation, and test the kernels for about two seconds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from fastconv.cli.wrapping import print_wrapped

HELP = "examine the installation and test the kernels"
DESCRIPTION = (
    "Shows the processor, the instruction sets and why one of them is used, the threads and\n"
    "what limits them, the libraries and the folders of data; then tests the kernels. The\n"
    "exit code is 1 if a test fails."
)
EXAMPLES = ["fastconv doctor"]

LIBRARIES = ("numpy", "h5py", "rich", "pillow", "matplotlib", "scikit-learn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # no arguments of its own


def run(options: argparse.Namespace) -> None:
    del options
    for name, value in facts():
        print_wrapped(f"{name:<18} ", value)
    failed = []
    for name, check in CHECKS.items():
        try:
            check()
        except Exception as error:
            failed.append(name)
            print_wrapped(f"{'FAILED':<18} ", f"{name}: {error}")
        else:
            print(f"{'passed':<18} {name}")
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(CHECKS)} tests failed: {', '.join(failed)}")


def facts() -> Iterator[tuple[str, str]]:
    """Yield a name and a line for each property of the installation."""
    from fastconv import runtime

    config = runtime.config()
    yield "fastconv", f"{config['fastconv']}, Python {config['python']}"
    yield "system", config["platform"]
    from fastconv.bench.processor import processor

    yield "processor", processor()
    for isa in runtime.compiled_isas():
        yield f"  {isa}", _why(isa, config["instruction set"])
    yield "threads", f"{config['threads']}, limited by {config['threads limited by']}"
    yield "OpenMP", config["OpenMP"]
    for name in LIBRARIES:
        yield name, _version(name)
    for folder in data_folders():
        yield "data", folder


def _why(isa: str, chosen: str) -> str:
    from fastconv import runtime

    if isa == chosen.split()[0]:
        forced = "FASTCONV_ISA" in chosen
        return (
            "used: FASTCONV_ISA asks for it" if forced else "used: the best one that is supported"
        )
    if isa not in runtime.available_isas():
        return "not used: the processor or the system does not support it"
    return f"not used: {chosen.split()[0]} is used instead; FASTCONV_ISA={isa} chooses it"


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def data_folders() -> list[str]:
    """Return the folders that are searched for data sets, with their state."""
    import os
    from pathlib import Path

    from fastconv.datasets._files import cache_folder

    named = os.environ.get("FASTCONV_DATA")
    folders = ([Path(named)] if named else []) + [cache_folder()]
    return [f"{folder}{'' if folder.is_dir() else ' (does not exist yet)'}" for folder in folders]


def _instruction_sets() -> None:
    """Every supported set computes a convolution and its gradients as NumPy does."""
    import numpy as np

    from fastconv import ops, reference, runtime

    rng = np.random.default_rng(0)
    x, w = rng.random((2, 9, 11, 5), np.float32), rng.random((3, 3, 5, 17), np.float32)
    wanted = reference.conv2d(x.astype(float), w.astype(float))
    now = runtime.isa()
    try:
        for isa in runtime.available_isas():
            runtime.set_isa(isa)
            found = ops.conv2d(x, w)
            if not np.allclose(found, wanted, rtol=1e-4, atol=1e-4):
                raise RuntimeError(f"{isa}: the largest error is {abs(found - wanted).max():g}")
    finally:
        runtime.set_isa(now)


def _threads() -> None:
    """One thread and all threads compute the same bits."""
    import numpy as np

    from fastconv import ops, runtime

    rng = np.random.default_rng(1)
    x, w = rng.random((4, 32, 32, 16), np.float32), rng.random((3, 3, 16, 32), np.float32)
    one = ops.conv2d(x, w, num_threads=1)
    if not np.array_equal(one, ops.conv2d(x, w, num_threads=runtime.get_num_threads())):
        raise RuntimeError("the results differ")


def _training() -> None:
    """A small network learns the embedded digits."""
    from fastconv.datasets import digits

    (x, y), _ = digits.load_data()
    model = _network()
    before = model.evaluate(x[:256, ..., None], y[:256], verbose=0)
    model.fit(x[:256, ..., None], y[:256], batch_size=32, epochs=3, verbose=0)
    after = model.evaluate(x[:256, ..., None], y[:256], verbose=0)
    if not after < before:
        raise RuntimeError(f"the loss went from {before:.3f} to {after:.3f}")


def _files() -> None:
    """A saved model predicts the same bits."""
    import tempfile
    from pathlib import Path

    import numpy as np

    from fastconv.models import load_model

    model = _network()
    x = np.zeros((1, 8, 8, 1), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        same = load_model(path)
    if not np.array_equal(model.predict(x, verbose=0), same.predict(x, verbose=0)):
        raise RuntimeError("the predictions differ")


def _network() -> Any:
    from fastconv import layers, models

    model = models.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Rescaling(1 / 16),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


CHECKS: dict[str, Callable[[], None]] = {
    "all instruction sets agree with NumPy": _instruction_sets,
    "one thread and all threads give the same bits": _threads,
    "a network learns the embedded digits": _training,
    "a saved model predicts the same": _files,
}
