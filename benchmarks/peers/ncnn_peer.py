"""ncnn, with its defaults (packed layouts, Winograd), in float32.

ncnn works on one image at a time, so a batch is a loop over its images. Its model is a text file of
layers and a file of weights, both written here.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version as package_version
from pathlib import Path

import ncnn
import numpy as np

from benchmarks.nets import Conv, Dense, Net, Pool
from benchmarks.peers import Session, nchw
from benchmarks.peers.chain import channels_first

_RAW_FLOAT32 = b"\0\0\0\0"  # the tag before the weights of a layer: not quantized


def version() -> str:
    return f"ncnn {package_version('ncnn')}"


def inference(net: Net, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    network = ncnn.Net()
    network.opt.num_threads = threads
    for option in (
        "use_fp16_packed",
        "use_fp16_storage",
        "use_fp16_arithmetic",
        "use_bf16_storage",
    ):
        setattr(network.opt, option, False)
    text, binary = _files(net, weights)
    with tempfile.TemporaryDirectory() as folder:
        param, model = Path(folder, "net.param"), Path(folder, "net.bin")
        param.write_text(text)
        model.write_bytes(binary)
        if network.load_param(str(param)) or network.load_model(str(model)):
            raise RuntimeError(f"ncnn refused the model of {net.name}")
    images = [ncnn.Mat(image).clone() for image in nchw(x)]
    latest: list = []

    def call():
        latest.clear()
        for image in images:
            extractor = network.create_extractor()
            extractor.input("images", image)
            latest.append(extractor.extract("probabilities")[1])

    return Session(call, lambda: np.stack([np.array(row) for row in latest]))


def _files(net: Net, weights: list[np.ndarray]) -> tuple[str, bytes]:
    lines = ["Input images 0 1 images"]
    binary = []
    current = "images"

    def add(kind: str, **settings) -> None:
        nonlocal current
        after = f"t{len(lines)}"
        numbered = " ".join(f"{key.removeprefix('p')}={value}" for key, value in settings.items())
        lines.append(f"{kind} {kind}_{len(lines)} 1 1 {current} {after} {numbered}".rstrip())
        current = after

    for layer, kernel, bias in channels_first(net, weights):
        activation = getattr(layer, "activation", None)
        relu = int(activation == "relu")
        if isinstance(layer, Conv):
            add(
                "Convolution",
                p0=layer.filters,
                p1=layer.kernel,
                p3=layer.stride,
                p4=layer.border,
                p5=1,
                p6=kernel.size,
                p9=relu,
            )
        elif isinstance(layer, Pool):
            add("Pooling", p0=int(layer.kind == "average"), p1=layer.size, p2=layer.stride, p5=1)
        elif isinstance(layer, Dense):
            add("InnerProduct", p0=layer.units, p1=1, p2=kernel.size, p9=relu)
        else:
            add("Flatten")
        if kernel is not None:
            binary += [_RAW_FLOAT32, kernel.tobytes(), bias.tobytes()]
        if activation == "tanh":
            add("TanH")
        elif activation == "softmax":
            add("Softmax", p0=0, p1=1)
    lines[-1] = lines[-1].replace(f" {current}", " probabilities")
    header = f"7767517\n{len(lines)} {len(lines)}\n"
    return header + "\n".join(lines) + "\n", b"".join(binary)
