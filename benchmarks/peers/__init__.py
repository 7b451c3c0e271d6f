"""The same networks in every library: a module per library, all with the same functions.

    version() -> str
    inference(net, weights, x, threads) -> Session
    training(net, weights, x, labels, threads) -> Session     (libraries that train)
    quantized(net, weights, x, threads) -> Session            (libraries that quantize)

``net`` is a `benchmarks.nets.Net`, ``weights`` its arrays in Keras's layout, ``x`` NHWC float32
images, ``labels`` integers. Libraries that read ONNX take a `benchmarks.model_nets.ModelNet` as
well; it brings its weights. Whatever a library needs once (conversion, compilation, moving weights)
happens in these functions; the session's call is one forward pass of the batch, from an array in
the library's own layout to probabilities, or one whole training step: forward, cross-entropy,
backward, RMSprop.

Add a library by writing its module and one line in `PEERS`.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import numpy as np

from benchmarks.model_nets import MODEL_NETS, AnyNet
from benchmarks.nets import NETS

# Steps are timed many times over on one batch. A rate this small keeps the weights where they are:
# no network diverges into NaN or dies into zeros while it is measured, and losses stay comparable.
LEARNING_RATE = 1e-6
RHO = 0.9
EPSILON = 1e-7
CALIBRATION = 32  # images, at least, that determine the ranges of a quantized network


class Session(NamedTuple):
    """``result`` gives the probabilities of the last call; of a training step, its loss.

    ``account``, where a library keeps one, gives the bytes that it says it holds, by purpose.
    """

    call: Callable[[], object]
    result: Callable[[], np.ndarray]
    account: Callable[[], dict[str, int]] | None = None


class Library(NamedTuple):
    """``module`` of this package; ``packages`` that it imports; whether it ``trains`` here, and
    computes on 8-bit integers, with the ``quantizer`` packages."""

    module: str
    packages: tuple[str, ...]
    trains: bool = False
    quantizer: tuple[str, ...] | None = None
    # Whether its kernels can be held to AVX2, by a switch of its own (`benchmarks.command`).
    restrictable: bool = False
    takes_models: bool = False


OURS = "fastconv"
PEERS = {
    "torch": Library("torch_peer", ("torch", "onnx"), True, restrictable=True, takes_models=True),
    "keras": Library("keras_peer", ("keras", "tensorflow"), trains=True),
    "onnxruntime": Library(
        "onnxruntime_peer", ("onnxruntime", "onnx"), quantizer=("onnxruntime",), takes_models=True
    ),
    "openvino": Library(
        "openvino_peer",
        ("openvino", "onnx"),
        quantizer=("nncf",),
        restrictable=True,
        takes_models=True,
    ),
    "mnn": Library("mnn_peer", ("MNN", "onnx")),
    "ncnn": Library("ncnn_peer", ("ncnn",)),
}
_LIBRARIES = {
    OURS: Library("fastconv_side", ("fastconv",), True, (), restrictable=True, takes_models=True),
    **PEERS,
}


def choose(wanted: list[str] | None, *, isa: str = "best", quantizing: bool = False) -> list[str]:
    """The peers in ``wanted``, or all that are installed, that can be held to ``isa`` and, with
    ``quantizing``, compute on 8-bit integers.

    Raises ValueError for a peer that is unknown, and, if asked for by name, for one that is not
    installed or unable to: a peer must not drop out of a table unnoticed.
    """
    if wanted is None:
        return [
            name
            for name, library in PEERS.items()
            if not _missing(name, quantizing)
            and (isa == "best" or library.restrictable)
            and not (quantizing and library.quantizer is None)
        ]
    for name in wanted:
        if name not in PEERS:
            raise ValueError(f"no peer named {name!r}; there are: {', '.join(PEERS)}")
        missing = _missing(name, quantizing)
        if missing:
            raise ValueError(f"peer {name!r} is not installed: no {', '.join(missing)}")
        if isa != "best" and not PEERS[name].restrictable:
            raise ValueError(f"peer {name!r} cannot be held to {isa}")
        if quantizing and PEERS[name].quantizer is None:
            raise ValueError(f"peer {name!r} does not quantize here")
    return wanted


def session(name: str, kind: str, net_name: str, batch: int, threads: int) -> Session:
    """``kind`` ("inference", "quantized" or "training") of a network by the library ``name``, ready
    to call.

    Every library gets the same weights and images: they are made from the same seeds. Raises
    ValueError for a library that takes chains only, and a network that is none.
    """
    net = NETS.get(net_name) or MODEL_NETS[net_name]
    if net_name in MODEL_NETS and not _LIBRARIES[name].takes_models:
        raise ValueError(f"{name} is given chains of layers only, and {net.title} is none")
    x, labels = net.batch(batch)
    library = module(name)
    if kind == "inference":
        return library.inference(net, net.weights(), x, threads)
    if kind == "training":
        return library.training(net, net.weights(), x, labels, threads)
    if kind == "quantized":
        return library.quantized(net, net.weights(), x, threads)
    raise ValueError(f"`kind` must be 'inference', 'quantized' or 'training', received {kind!r}")


def version(name: str) -> str:
    """Name and version, asked for in a process of its own: some libraries exclude each other."""
    code = f"from benchmarks.peers import module; print(module({name!r}).version())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def module(name: str) -> ModuleType:
    """The adapter of a library, which imports the library."""
    return importlib.import_module(f"{__name__}.{_LIBRARIES[name].module}")


def _missing(name: str, quantizing: bool) -> list[str]:
    library = PEERS[name]
    packages = library.packages + ((library.quantizer or ()) if quantizing else ())
    return [package for package in packages if importlib.util.find_spec(package) is None]


def calibration(net: AnyNet, batch: int) -> list[np.ndarray]:
    """The batches of images (NHWC) that the ranges of a quantized network are taken from."""
    count = max(CALIBRATION // batch, 1)
    images, _ = net.batch(count * batch, seed=3)
    return np.split(images, count)


def nchw(x: np.ndarray) -> np.ndarray:
    """NHWC images in the layout of the libraries that want channels first."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
