"""Training steps as plain C: the same bits as `train_on_batch`, without Python."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from fastconv import (
    cli,
    constraints,
    export,
    layers,
    models,
    optimizers,
    regularizers,
    runtime,
    zoo,
)
from fastconv.datasets import digits
from fastconv.ops import compiled
from tests.test_export import ROOT, needs_make, sh

EXAMPLE = ROOT / "examples/embedding"


def every_kind():
    """A network whose training step has a record of every kind."""
    x = layers.Input((20, 20, 3))
    y = layers.Conv2D(
        16, 3, padding="same", activation="relu", kernel_regularizer=regularizers.L1L2(1e-3, 1e-2)
    )(x)
    y = layers.BatchNormalization()(y)
    z = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(y)
    frozen = layers.BatchNormalization()
    frozen.trainable = False
    z = layers.PReLU(shared_axes=(1, 2))(frozen(z))
    y = layers.Add()([layers.MaxPooling2D(2)(y), z])
    y = layers.Activation("relu")(y)
    strided = layers.Conv2D(6, 5, strides=2, padding="same")(y)
    y = layers.Maximum()([layers.UpSampling2D(2)(strided), layers.Conv2D(6, 1)(y)])
    branches = y, layers.AveragePooling2D(3, 1, padding="same")(y)
    y = layers.Concatenate()(branches)
    y = layers.ZeroPadding2D(1)(layers.Permute((2, 1, 3))(layers.SpatialDropout2D(0.1)(y)))
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(y)
    y = layers.Multiply()([y, layers.Conv2D(12, 1, activation="sigmoid")(squeezed)])
    y = layers.Rescaling(0.5, offset=0.1)(y)
    y = layers.LocalResponseNormalization()(layers.LayerNormalization()(y))
    y = layers.GaussianDropout(0.1)(layers.GaussianNoise(0.1)(y))
    flat = layers.GlobalMaxPooling2D()(y)
    y = layers.Dense(1024, kernel_constraint=constraints.MaxNorm(1.0))(flat)
    y = layers.Dense(1024, activation="gelu")(y)  # large: updated where its gradient is computed
    y = layers.Dropout(0.3)(y)
    hidden = layers.Dense(32, activation="softmax")(y)
    turned = layers.Permute((2, 1))(layers.Reshape((16, 2))(hidden))
    turned = layers.LSTM(5, return_sequences=True, go_backwards=True)(turned)
    turned = layers.GRU(16, return_sequences=True)(turned)
    model = models.Model(x, [layers.Dense(10, activation="softmax")(hidden), turned])
    model.compile(
        "adam", ["sparse_categorical_crossentropy", "mean_squared_error"], loss_weights=[1.0, 0.5]
    )
    return model


def classifier(optimizer="adam", loss="sparse_categorical_crossentropy", **arguments):
    model = models.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(5, activation="softmax", **arguments),
        ]
    )
    model.compile(optimizer, loss)
    return model


def batch_of(program, seed=0):
    """Random samples and labels for a training step."""
    rng = np.random.default_rng(seed)
    arrays = []
    for shape, dtype in program.inputs:
        whole = dtype == np.int64
        arrays.append(rng.integers(0, 5, shape) if whole else rng.random(shape, np.float32))
    return arrays


def total(result):
    return result[0] if isinstance(result, list) else result


def check_training(model, isa, threads=2, batch=6, steps=4):
    """Train `model` and its program on the same batches; compare losses, state and outputs."""
    inference, training = export.make_trained_programs(model, 2, batch)
    state = training.state.copy()
    network = compiled.Network(training.words, training.weights, isa, threads, state=state)
    loss = np.zeros(1)
    for step in range(steps):
        x, *labels = batch_of(training, step)
        network.run([x, *labels], [loss])
        expected = total(model.train_on_batch(x, labels if len(labels) > 1 else labels[0]))
        assert loss[0] * batch / batch == expected  # as the mean of a metric
    _, after = export.make_trained_programs(model, 2, batch)
    np.testing.assert_array_equal(state, after.state)
    runner = compiled.Network(inference.words, inference.weights, isa, threads, state=state)
    outputs = [np.empty(shape, dtype) for shape, dtype in inference.outputs]
    runner.run([x[:2]], outputs)
    predicted = model.predict_on_batch(x[:2])
    for y, z in zip(outputs, predicted if len(outputs) > 1 else [predicted], strict=True):
        np.testing.assert_array_equal(y, z)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_step_has_the_bits_of_train_on_batch(isa, threads):
    check_training(every_kind(), isa, threads)


def test_the_network_above_has_records_of_every_kind():
    _, training = export.make_trained_programs(every_kind(), 1, 4)
    gradients = compiled.RECORD_KINDS.index("convolution_input")
    missing = set(compiled.RECORD_KINDS[gradients:]) - {each.kind for each in training.records}
    assert not missing


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: optimizers.RMSprop(momentum=0.5, centered=True),
    "amsgrad": lambda: optimizers.Adam(amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.01),
    "nadam": optimizers.Nadam,
    "adamax": optimizers.Adamax,
    "adagrad": optimizers.Adagrad,
    "adadelta": optimizers.Adadelta,
    "lion": optimizers.Lion,
    "ftrl": lambda: optimizers.Ftrl(beta=0.1, l1_regularization_strength=0.01),
    "averaged": lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    model = classifier(OPTIMIZERS[name]())
    x, labels = batch_of(export.make_trained_programs(model, 2, 6).training, seed=9)
    for _ in range(3):  # the export continues a training
        model.train_on_batch(x, labels)
    check_training(model, runtime.isa())


@pytest.mark.parametrize(
    "loss", ["categorical_crossentropy", "mse", "mae", "huber", "kl_divergence", "hinge", "poisson"]
)
@pytest.mark.parametrize("batch", [3, 17, 150, 300])
def test_losses(loss, batch):
    check_training(classifier(loss=loss), runtime.isa(), batch=batch, steps=1)


def test_networks_of_the_zoo(isa):
    model = zoo.resnet18((32, 32, 3), classes=5)
    model.compile("sgd", "sparse_categorical_crossentropy")
    check_training(model, isa, batch=2, steps=2)


def test_two_exports_of_one_network_are_equal(tmp_path):
    model = classifier()
    for name in ("a", "b"):
        export.c_network(model, tmp_path / name, train_batch_size=4)
    assert (tmp_path / "a/net.c").read_text() == (tmp_path / "b/net.c").read_text()


# ---- damaged programs ----

MUTATED = """
import numpy as np
from fastconv import export
from fastconv.ops import compiled
from tests.test_export import mutations
from tests.test_export_training import batch_of, every_kind
_, program = export.make_trained_programs(every_kind(), 1, 2)
arrays = batch_of(program)
refused = 0
for words in mutations(program.words, {count}, {seed}):
    try:
        network = compiled.Network(words, program.weights, {isa!r}, state=program.state.copy())
        network.run(arrays, [np.zeros(1)])
    except (ValueError, MemoryError):
        refused += 1
print(refused)
"""


def test_damaged_programs_are_refused_or_harmless():
    code = MUTATED.format(count=200, seed=0, isa=runtime.isa())
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


def test_the_state_must_be_given():
    _, program = export.make_trained_programs(classifier(), 1, 2)
    with pytest.raises(ValueError, match="`state` must have .* bytes, received 0"):
        compiled.Network(program.words, program.weights, runtime.isa())


# ---- C ----


def example():
    """The module examples/embedding/digits.py."""
    spec = importlib.util.spec_from_file_location("digits_example", EXAMPLE / "digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_make
def test_a_c_program_trains_as_python_does(tmp_path):
    module = example()
    module.write(tmp_path)
    targets = " ".join(dict.fromkeys(("scalar", runtime.isa())))
    sh("make", "-j2", f"TARGETS={targets}", "CFLAGS=-Wall -Werror", cwd=tmp_path)
    sh("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I.", EXAMPLE / "train_digits.c",
       "libdigits.a", "-lm", "-o", "train", cwd=tmp_path)  # fmt: skip
    printed = sh("./train", "images", "labels", "2", cwd=tmp_path).splitlines()

    model = module.network()
    (x, y), (x_test, y_test) = digits.load_data()
    x, x_test = (np.float32(a[..., None]) / np.float32(16) for a in (x, x_test))
    expected = []
    for _ in range(2):
        starts = range(0, len(x) - 31, 32)
        losses = [model.train_on_batch(x[i : i + 32], y[i : i + 32]) for i in starts]
        expected.append(float(np.cumsum(losses)[-1] / len(losses)))
    correct = sum(
        np.sum(model.predict_on_batch(x_test[i : i + 40]).argmax(1) == y_test[i : i + 40])
        for i in range(0, len(x_test), 40)
    )
    assert [float.fromhex(line.split()[1]) for line in printed[:-1]] == expected
    assert printed[-1] == f"{correct} of 360"


# ---- refusals ----


def test_what_cannot_be_trained_in_c_is_refused_by_name(tmp_path):
    def refused(model, message, error=ValueError):
        with pytest.raises(error, match=message):
            export.c_network(model, tmp_path, train_batch_size=4)

    uncompiled = models.Sequential([layers.Input((4,)), layers.Dense(2)])
    refused(uncompiled, "call compile\\(\\) before the export", RuntimeError)
    rate = optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    refused(classifier(optimizers.SGD(rate)), "the learning rate must be a number")
    refused(classifier(optimizers.SGD(clipnorm=1.0)), "only Python computes the clipping")
    refused(
        classifier(optimizers.SGD(gradient_accumulation_steps=2)),
        "only Python computes the accumulation of gradients",
    )
    refused(classifier(optimizers.Lamb()), "only Python computes the update of conv2d")
    with pytest.raises(ValueError, match="`train_batch_size` must be positive, received 0"):
        export.c_network(classifier(), tmp_path, train_batch_size=0)
    without = models.Sequential([layers.Input((3,)), layers.Dense(2, kernel_regularizer="l2")])
    without.compile("sgd")
    with pytest.raises(ValueError, match="the export of a training step needs a loss"):
        export.c_network(without, tmp_path, train_batch_size=4)


def test_the_command(tmp_path, capsys):
    classifier().save(tmp_path / "net.keras")
    out = str(tmp_path / "c")
    command = ["export", str(tmp_path / "net.keras"), "--to", "c", "--out", out, "--name", "net"]
    assert cli.main([*command, "--train", "8"]) == 0
    assert "net_train_step(arena, x, labels, &loss)" in capsys.readouterr().out
    header = (tmp_path / "c/net.h").read_text()
    assert "#define NET_TRAIN_BATCH 8" in header and "#define NET_LABELS_SIZE 8" in header
    assert cli.main(["export", "lenet5", "--to", "c", "--out", out, "--train"]) == 2
    assert "saved without an optimizer" in capsys.readouterr().err
