"""OpenVINO, CPU plugin, tuned for latency, held to float32 arithmetic."""

from __future__ import annotations

import io

import numpy as np
import openvino

from benchmarks.model_nets import AnyNet
from benchmarks.peers import Session, nchw, onnx_file


def version() -> str:
    return f"OpenVINO {openvino.__version__.split('-')[0]}"


def inference(net: AnyNet, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    core = openvino.Core()
    model = core.read_model(io.BytesIO(onnx_file.build(net, weights, len(x)).SerializeToString()))
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(nchw(x)))
    return Session(request.infer, lambda: request.get_output_tensor().data)
