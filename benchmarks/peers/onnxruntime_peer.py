"""ONNX Runtime, CPU execution provider, all graph optimizations (its default)."""

from __future__ import annotations

import numpy as np
import onnxruntime

from benchmarks.model_nets import AnyNet
from benchmarks.peers import Session, nchw, onnx_file


def version() -> str:
    return f"ONNX Runtime {onnxruntime.__version__}"


def inference(net: AnyNet, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    model = onnx_file.build(net, weights, len(x)).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {onnx_file.INPUT: nchw(x)}
    latest = [None]

    def call():
        latest[0] = session.run(None, feed)[0]

    return Session(call, lambda: latest[0])
