"""MNN, CPU backend, full precision, from an ONNX file converted by its own tool."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import MNN
import numpy as np

from benchmarks.nets import Net
from benchmarks.peers import Session, nchw, onnx_file


def version() -> str:
    return f"MNN {MNN.version()}"


def inference(net: Net, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    import _tools  # MNN's converter, a top-level extension module of its package

    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder, "net.onnx"), Path(folder, "net.mnn")
        source.write_bytes(onnx_file.build(net, weights, len(x)).SerializeToString())
        _tools.mnnconvert(
            [
                "mnnconvert",
                "-f",
                "ONNX",
                "--modelFile",
                str(source),
                "--MNNModel",
                str(target),
                "--bizCode",
                "benchmark",
            ]
        )
        interpreter = MNN.Interpreter(str(target))
    with _quiet():
        session = interpreter.createSession(
            {"backend": "CPU", "numThread": threads, "precision": "high"}
        )
    batch = nchw(x)
    tensor = interpreter.getSessionInput(session)
    host_batch = MNN.Tensor(
        batch.shape, MNN.Halide_Type_Float, batch, MNN.Tensor_DimensionType_Caffe
    )
    output = interpreter.getSessionOutput(session)

    def call():
        # A run overwrites its input: MNN gives that memory to later layers.
        tensor.copyFrom(host_batch)
        interpreter.runSession(session)

    def result():
        shape = (len(x), net.classes)
        host = MNN.Tensor(
            shape,
            MNN.Halide_Type_Float,
            np.zeros(shape, np.float32),
            MNN.Tensor_DimensionType_Caffe,
        )
        output.copyToHostTensor(host)
        return np.array(host.getData(), np.float32).reshape(shape)

    return Session(call, result)


@contextmanager
def _quiet():
    """The converter reports on the standard output of the process, below Python's."""
    sys.stdout.flush()
    saved = os.dup(1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(silent)
