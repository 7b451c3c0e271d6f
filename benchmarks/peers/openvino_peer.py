"""OpenVINO, CPU plugin, tuned for latency, held to float32 arithmetic."""

from __future__ import annotations

import io

import numpy as np
import openvino

from benchmarks.model_nets import AnyNet
from benchmarks.peers import Session, calibration, nchw, onnx_file


def version() -> str:
    return f"OpenVINO {openvino.__version__.split('-')[0]}"


def inference(net: AnyNet, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    return _session(_model(net, weights, len(x)), x, threads)


def quantized(net: AnyNet, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    """By NNCF, OpenVINO's own quantizer, with its defaults."""
    import nncf

    model = _model(net, weights, len(x))
    images = nncf.Dataset(calibration(net, len(x)), nchw)
    return _session(nncf.quantize(model, images, subset_size=images.get_length()), x, threads)


def _model(net: AnyNet, weights: list[np.ndarray], batch: int) -> openvino.Model:
    model = onnx_file.build(net, weights, batch).SerializeToString()
    return openvino.Core().read_model(io.BytesIO(model))


def _session(model: openvino.Model, x: np.ndarray, threads: int) -> Session:
    compiled = openvino.Core().compile_model(
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
