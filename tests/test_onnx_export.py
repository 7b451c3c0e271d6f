"""Models as ONNX files: onnx's own evaluator, and fastconv again, compute the same."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import Input, Model, Sequential, layers, ops
from fastconv.cli import main
from fastconv.utils import save_img
from tests.golden.golden_file import HERE

onnx = pytest.importorskip("onnx")

from onnx.reference import ReferenceEvaluator  # noqa: E402

from fastconv import onnx as fastonnx  # noqa: E402
from fastconv.onnx.exporting import exported  # noqa: E402
from fastconv.onnx.importing import imported  # noqa: E402

SHAPE = (7, 6, 6)
CHAINS = {
    "convolutions": [
        layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.DepthwiseConv2D(2, padding="same", activation="silu"),
        layers.ReLU(2.0, 0.1, 0.3),
    ],
    "groups": [layers.Conv2D(6, 3, groups=2, padding="same", dilation_rate=2, activation="gelu")],
    "reflected": [layers.Conv2D(4, 3, padding="same", padding_mode="reflect"), layers.Softmax()],
    "enlarged": [
        layers.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1),
        layers.UpSampling2D((1, 2), interpolation="bilinear"),
        layers.Resizing(5, 4),
    ],
    "normalizations": [
        layers.LayerNormalization(),
        layers.GroupNormalization(3),
        layers.RMSNormalization(),
        layers.UnitNormalization(),
    ],
    "pools": [
        layers.MaxPooling2D(3, 2, "same"),
        layers.AveragePooling2D(2, 1, "same"),
        layers.GlobalMaxPooling2D(keepdims=True),
        layers.Flatten(),
    ],
    "adaptive": [layers.AdaptiveAveragePooling2D((2, 3)), layers.AdaptiveMaxPooling2D(1)],
    "classifier": [
        layers.Conv2D(4, 3),
        layers.PReLU(shared_axes=[1, 2]),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(5, activation="softmax"),
    ],
    "arrangements": [
        layers.ZeroPadding2D(((1, 2), (0, 1))),
        layers.Cropping2D(1),
        layers.UpSampling2D(2),
        layers.Permute((3, 1, 2)),
        layers.Rescaling(0.5, 0.1),
        layers.Dense(3, activation="leaky_relu"),
    ],
    "sequences": [
        layers.Reshape((42, 6)),
        layers.Conv1D(4, 3, padding="causal"),
        layers.MaxPooling1D(2),
        layers.Conv1DTranspose(3, 2, strides=2),
        layers.GlobalAveragePooling1D(),
    ],
    "volumes": [
        layers.Reshape((7, 6, 3, 2)),
        layers.Conv3D(4, 2, padding="same", activation="relu"),
        layers.MaxPooling3D((2, 2, 1)),
        layers.Conv3DTranspose(3, 2, strides=2),
        layers.ZeroPadding3D(1),
        layers.AveragePooling3D(2),
        layers.UpSampling3D((1, 2, 1)),
        layers.Cropping3D(1),
        layers.GlobalAveragePooling3D(),
    ],
    "channels first": [
        layers.Permute((3, 1, 2)),
        layers.Conv2D(4, 3, data_format="channels_first"),
        layers.MaxPooling2D(2, data_format="channels_first"),
    ],
    "functions": [
        layers.Lambda(lambda x: ops.where(x > 0, ops.log1p(ops.abs(x)), ops.exp(x) - 1)),
        layers.Lambda(lambda x: ops.concatenate([x[:, ::-1], ops.max_pool(x, 3, 1, "same")], -1)),
        layers.Lambda(lambda x: ops.mean(x, (1, 2)) + ops.var(x, (1, 2))),
    ],
}


def randomised(model):
    """The model with weights that are not the initial ones."""
    rng = np.random.default_rng(0)
    model.set_weights(
        [(w + rng.random(w.shape) * 0.3).astype(np.float32) for w in model.get_weights()]
    )
    return model


def assert_equal_elsewhere(model):
    rng = np.random.default_rng(1)
    file = exported(model)
    xs = [rng.standard_normal((2, *x.shape[1:])).astype(np.float32) for x in model.inputs]
    wanted = _several(model.predict(xs if len(xs) > 1 else xs[0], verbose=0))
    given = {value.name: x for value, x in zip(file.graph.input, xs, strict=True)}
    for y, expected in zip(ReferenceEvaluator(file).run(None, given), wanted, strict=True):
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    found = imported(file.SerializeToString())
    arranged = [x.transpose(t.order) for x, t in zip(xs, found.inputs, strict=True)]
    again = found.model.predict(arranged if len(xs) > 1 else arranged[0], verbose=0)
    for y, t, expected in zip(_several(again), found.outputs, wanted, strict=True):
        np.testing.assert_allclose(y.transpose(np.argsort(t.order)), expected, rtol=1e-5, atol=1e-5)


def _several(y):
    return y if isinstance(y, list) else [y]


@pytest.mark.parametrize("name", CHAINS)
def test_layers_compute_the_same_elsewhere(name):
    assert_equal_elsewhere(randomised(Sequential([Input(SHAPE), *CHAINS[name]])))


def recurrent_layers(state):
    """A Lambda of an LSTM and a GRU that begin with `state` (1, 3)."""
    rng = np.random.default_rng(2)
    w, r, b, more = (rng.standard_normal(n).astype(np.float32) for n in ((6, 12), (3, 12), 12, 9))

    def compute(x):
        y, h, c = ops.lstm(x, w, r, b, state, state)
        z, _ = ops.gru(y, w[:3, :9], r[:, :9], b[:9], more, h, reset_after=False)
        last = ops.gru(y, w[:3, :9], r[:, :9], b[:9], more, state)[1]
        return ops.concatenate([z[:, -1], c, last], -1)

    return layers.Lambda(compute)


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_recurrent_functions_are_written_and_read_again(start):
    """onnx's own evaluator has no last cell of an LSTM."""
    model = Sequential([Input((5, 6)), recurrent_layers(np.full((1, 3), start, np.float32))])
    x = np.random.default_rng(0).random((2, 5, 6), np.float32)
    again = imported(exported(model)).model
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), 1e-6)


RECORDED = np.load(HERE / "onnx.npz")


@pytest.mark.parametrize("name", sorted({name.split("/")[0] for name in RECORDED}))
def test_files_of_others_are_written_and_read_again(name):
    first = imported(RECORDED[f"{name}/file"].tobytes())
    again = imported(exported(first.model).SerializeToString())
    x = RECORDED[f"{name}/x"].transpose(first.inputs[0].order)
    before = _several(first.model.predict(x, verbose=0))
    after = _several(again.model.predict(x.transpose(again.inputs[0].order), verbose=0))
    for y, z, t in zip(before, after, again.outputs, strict=True):
        np.testing.assert_allclose(z.transpose(np.argsort(t.order)), y, rtol=1e-6, atol=1e-7)


def test_neighbouring_channels_are_normalized_again():
    """onnx's own evaluator sums over as many channels as the batch has samples."""
    model = Sequential([Input(SHAPE), layers.LocalResponseNormalization(1, alpha=0.5)])
    x = np.random.default_rng(0).random((2, *SHAPE), np.float32)
    again = imported(exported(model)).model
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), 1e-6)


def test_graphs_compute_the_same_elsewhere():
    x, y = Input(SHAPE), Input((4,))
    a = layers.Conv2D(6, 3, padding="same")(x)
    inner = Sequential([Input(SHAPE), layers.Conv2D(6, 1), layers.BatchNormalization()])
    scale = layers.Reshape((1, 1, 6))(layers.Dense(6)(layers.GlobalAveragePooling2D()(a)))
    merged = [
        layers.Add()([a, inner(x), inner(a)]),
        layers.Multiply()([a, scale]),
        layers.Concatenate()([a, x]),
    ]
    whole = layers.Concatenate()([y, layers.GlobalMaxPooling2D()(layers.Maximum()([a, x]))])
    assert_equal_elsewhere(randomised(Model([x, y], [*merged, whole])))


def test_names_and_the_batch_are_those_of_the_model(tmp_path):
    model = Model(x := Input(SHAPE, name="picture"), layers.Dense(2, name="score")(x))
    model.export(tmp_path / "model.onnx", format="onnx")
    file = onnx.load(tmp_path / "model.onnx")
    assert [value.name for value in file.graph.input] == ["picture"]
    assert [value.name for value in file.graph.output] == ["score"]
    assert file.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert file.producer_name == "fastconv"


class Halves(layers.CustomLayer):
    def forward(self, x, training):
        return x / 2, None

    def backward(self, dy, saved):
        return dy / 2, []


def test_a_layer_in_numpy_is_refused_by_name():
    model = Sequential([Input(SHAPE), Halves(name="halves")])
    with pytest.raises(ValueError, match="layer 'halves' cannot be written"):
        exported(model)


def test_arguments_are_checked(tmp_path):
    model = Sequential([Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="`opset` must be from 21"):
        fastonnx.save(model, tmp_path / "m.onnx", opset=7)
    with pytest.raises(ValueError, match="`format` must be 'onnx', received 'tflite'"):
        model.export(tmp_path / "m.onnx", format="tflite")
    with pytest.raises(TypeError, match="`model` must be a Model"):
        fastonnx.save("model", tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_commands_take_a_file_wherever_they_take_a_model(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = [layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3, activation="softmax")]
    Sequential([Input((8, 8, 1)), *network]).save("m.keras")
    save_img("picture.png", np.arange(64).reshape(8, 8, 1), scale=False)
    assert main(["export", "m.keras", "--to", "onnx", "--out", "m.onnx"]) == 0
    printed = {}
    for name in ("m.keras", "m.onnx"):
        capsys.readouterr()
        assert main(["predict", name, "picture.png"]) == 0
        printed[name] = capsys.readouterr().out
        for command in ("summary", "explain"):
            assert main([command, name]) == 0
            assert "Conv2D" in capsys.readouterr().out
        assert main(["bench", name, "--quick"]) == 0
        assert "8x8x1" in capsys.readouterr().out
        for kind, out in (("onnx", "again.onnx"), ("c", "folder"), ("network", "m.fcn")):
            assert main(["export", name, "--to", kind, "--out", f"{name}.{out}"]) == 0
    assert printed["m.onnx"] == printed["m.keras"]
    assert main(["export", "m.keras", "--to", "onnx", "--out", "m.pt"]) == 2


def test_bounds_and_fill_values_are_scalars():
    """ONNX wants tensors without axes there; some readers insist."""
    proto = exported(Sequential([Input((4, 4, 1)), layers.ReLU(6), layers.ZeroPadding2D(1)]))
    read = {name for node in proto.graph.node for name in node.input[1:] if "number" in name}
    assert len(read) >= 2
    assert all(not i.dims for i in proto.graph.initializer if i.name in read)
