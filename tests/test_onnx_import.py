"""ONNX files as models: recorded results of ONNX Runtime, what is refused, and what moves."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fastconv import FormatError, export, models, runtime
from fastconv.layers import Permute
from fastconv.ops import compiled
from tests.golden.golden_file import HERE

onnx = pytest.importorskip("onnx")

from fastconv import onnx as fastonnx  # noqa: E402
from fastconv.onnx.importing import imported  # noqa: E402
from fastconv.onnx.registry import OPERATORS  # noqa: E402
from tests.golden.onnx_cases import Graph  # noqa: E402

RECORDED = np.load(HERE / "onnx.npz")
NAMES = sorted({name.split("/")[0] for name in RECORDED})


def outputs_of(source, x):
    """The outputs of the model of a file, in the order of axes of the file."""
    found = imported(source)
    (given,) = found.inputs
    y = found.model.predict(x.transpose(given.order), verbose=0)
    arrays = y if isinstance(y, list) else [y]
    return [a.transpose(np.argsort(t.order)) for a, t in zip(arrays, found.outputs, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_models_equal_onnx_runtime(name):
    data, x = RECORDED[f"{name}/file"].tobytes(), RECORDED[f"{name}/x"]
    for k, y in enumerate(outputs_of(data, x)):
        expected = RECORDED[f"{name}/y{k}"]
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_single_computations_equal_onnx_runtime(name):
    model = onnx.load_from_string(RECORDED[f"{name}/file"].tobytes())
    for k, y in enumerate(fastonnx.backend.run_model(model, [RECORDED[f"{name}/x"]])):
        np.testing.assert_allclose(y, RECORDED[f"{name}/y{k}"], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["classifier", "channels_last_file", "attention_of_channels"])
def test_images_are_not_transposed(name):
    model = fastonnx.load(RECORDED[f"{name}/file"].tobytes())
    assert not [layer for layer in model.layers if isinstance(layer, Permute)]
    assert "transpose" not in {layer.name.split("_")[0] for layer in model.layers}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_saved_and_loaded(name, tmp_path):
    model = fastonnx.load(RECORDED[f"{name}/file"].tobytes())
    x = np.random.default_rng(0).random((2, *model.input_shape[1:]), np.float32)
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    for a, b in zip(_several(model.predict(x, verbose=0)), _several(again.predict(x, verbose=0))):  # noqa: B905
        np.testing.assert_array_equal(a, b)


def _several(y):
    return y if isinstance(y, list) else [y]


@pytest.mark.parametrize("name", ["classifier", "channels_last_file"])
def test_a_network_without_python_has_the_bits_of_predict(name):
    model = fastonnx.load(RECORDED[f"{name}/file"].tobytes())
    x = np.random.default_rng(0).random((2, *model.input_shape[1:]), np.float32)
    program = export.make_program(model, 2)
    network = compiled.Network(program.words, program.weights, runtime.isa(), 2)
    outputs = [np.empty(shape, dtype) for shape, dtype in program.outputs]
    network.run([x], outputs)
    np.testing.assert_array_equal(outputs[0], model.predict_on_batch(x))


def test_a_model_learns_with_frozen_layers():
    model = fastonnx.load(RECORDED["classifier/file"].tobytes())
    first = model.layers[2]
    first.trainable = False
    before = [w.copy() for w in first.get_weights()]
    rng = np.random.default_rng(0)
    x, y = rng.random((24, 16, 14, 3), np.float32), rng.integers(0, 5, 24)
    model.compile("adam", "sparse_categorical_crossentropy")
    losses = model.fit(x, y, epochs=8, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for old, new in zip(before, first.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_every_registered_version_is_one_of_a_schema():
    for op, version in OPERATORS:
        assert onnx.defs.get_schema(op, version).since_version == version


def test_all_unsupported_nodes_are_named_at_once():
    g = Graph(["N", 3, 4, 4])
    g.add("Relu")
    g.add("Det")
    g.add("NonZero")
    model = g.model()
    model.graph.node[0].domain = "com.microsoft"
    with pytest.raises(FormatError, match="3 parts(?s:.*)com.microsoft(?s:.*)Det(?s:.*)NonZero"):
        fastonnx.load(model)


def test_a_type_of_16_bits_is_refused_by_name():
    g = Graph(["N", 3])
    g.inputs[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    g.add("Relu")
    with pytest.raises(FormatError, match="'x' has elements of type FLOAT16"):
        fastonnx.load(g.model())


def test_fastconv_alone_does_not_import_onnx():
    code = "import sys, fastconv.models, fastconv.cli; assert 'onnx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_needs_little_more_than_twice_the_size_of_the_file(tmp_path):
    g = Graph(["N", 3, 8, 8])
    g.add("Conv", g.random(16, 3, 3, 3), pads=[1, 1, 1, 1])
    g.add("Flatten")
    g.add("Gemm", g.random(10_000, 1024), transB=1)
    (tmp_path / "large.onnx").write_bytes(g.model().SerializeToString())
    small = RECORDED["classifier/file"].tobytes()
    (tmp_path / "small.onnx").write_bytes(small)
    code = (
        "import os, re, sys; from pathlib import Path; from fastconv import onnx\n"
        "def peak():\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return 1024 * int(re.search(r'VmHWM:\\s+(\\d+)', status)[1])\n"
        "onnx.load('small.onnx'); before = peak(); onnx.load('large.onnx')\n"
        "sys.exit(peak() - before > 2.2 * os.path.getsize('large.onnx'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
