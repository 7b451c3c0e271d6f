"""Writes onnx.npz: the files of `onnx_cases`, an input of each, and the outputs of ONNX Runtime.

python -m tests.golden.make_onnx        in an environment with onnx and onnxruntime
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from tests.golden.onnx_cases import CASES


def main() -> None:
    arrays = {}
    for name, build in CASES.items():
        model = build()
        onnx.checker.check_model(model)
        data = model.SerializeToString()
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        shape = [n if isinstance(n, int) else 3 for n in session.get_inputs()[0].shape]
        x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        arrays[f"{name}/file"] = np.frombuffer(data, np.uint8)
        arrays[f"{name}/x"] = x
        for k, y in enumerate(session.run(None, {"x": x})):
            arrays[f"{name}/y{k}"] = y
    np.savez_compressed(Path(__file__).with_name("onnx.npz"), **arrays)


if __name__ == "__main__":
    main()
