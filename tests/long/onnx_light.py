"""The nine networks in onnx's folder `light`, with random weights, beside ONNX Runtime.

    python -m tests.long.onnx_light        needs onnx and onnxruntime

The files have constants as weights, with which most errors do not show: they are replaced by random
ones, in the range that training keeps. Prints the largest distance of the model's results, before
the softmax, relative to the largest, and exits with 1 if one is above 1e-4.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, numpy_helper

from fastconv.onnx.importing import imported

MOST = 1e-4
FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def randomized(model: ModelProto) -> ModelProto:
    """Return the network with random weights for its constants, without a softmax at the end."""
    graph, rng = model.graph, np.random.default_rng(0)
    shapes = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    roles = {
        name: k
        for node in graph.node
        if node.op_type == "BatchNormalization"
        for k, name in enumerate(node.input)
    }
    kept: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            weights = _random(rng, tuple(shapes[node.input[0]]), roles.get(node.output[0]))
            graph.initializer.append(numpy_helper.from_array(weights, node.output[0]))
        else:
            kept.append(node)
    if kept[-1].op_type == "Softmax":
        graph.output[0].name = kept.pop().input[0]
    del graph.node[:]
    graph.node.extend(kept)
    return model


def _random(rng: np.random.Generator, shape: tuple[int, ...], role: int | None) -> np.ndarray:
    """Return a weight; `role` is the place among the inputs of a BatchNormalization."""
    if role in (1, 4):  # scale and variance
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    spread = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    return rng.normal(0, spread, shape).astype(np.float32)


def distance(model: ModelProto) -> float:
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    weights = {each.name for each in model.graph.initializer}
    (given,) = (each for each in session.get_inputs() if each.name not in weights)
    x = np.random.default_rng(1).standard_normal(given.shape).astype(np.float32)
    (expected,) = session.run(None, {given.name: x})
    found = imported(data)
    y = found.model.predict(x.transpose(found.inputs[0].order), verbose=0)
    y = y.transpose(np.argsort(found.outputs[0].order))
    return float(np.abs(y - expected).max() / np.abs(expected).max())


def main() -> int:
    onnxruntime.set_default_logger_severity(3)
    distances = []
    for path in sorted(FOLDER.glob("*.onnx")):
        distances.append(distance(randomized(onnx.load(path))))
        print(f"{path.name:28} {distances[-1]:.1e}", flush=True)
    return int(not distances or max(distances) > MOST)


if __name__ == "__main__":
    sys.exit(main())
