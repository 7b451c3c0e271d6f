"""ONNX Runtime, CPU execution provider, all graph optimizations (its default)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.model_nets import AnyNet
from benchmarks.peers import Session, calibration, nchw, onnx_file


def version() -> str:
    return f"ONNX Runtime {onnxruntime.__version__}"


def inference(net: AnyNet, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    return _session(onnx_file.build(net, weights, len(x)).SerializeToString(), x, threads)


def quantized(net: AnyNet, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    """Static quantization with scales per channel, as the documentation advises for VNNI."""
    model = onnx_file.build(net, weights, len(x))
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, narrow = (
            str(Path(folder, name)) for name in ("plain.onnx", "prepared.onnx", "narrow.onnx")
        )
        onnx.save(model, plain)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            narrow,
            _Images(calibration(net, len(x))),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return _session(Path(narrow).read_bytes(), x, threads)


class _Images(CalibrationDataReader):
    def __init__(self, batches: list[np.ndarray]):
        self._left = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._left, None)
        return None if batch is None else {onnx_file.INPUT: nchw(batch)}


def _session(model: bytes, x: np.ndarray, threads: int) -> Session:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {onnx_file.INPUT: nchw(x)}
    latest = [None]

    def call():
        latest[0] = session.run(None, feed)[0]

    return Session(call, lambda: latest[0])
