"""The plan: steps in Python, several consumers of a value, several inputs, outputs and losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from fastconv import layers, losses, models, runtime
from fastconv.layers.base import Layer
from fastconv.optimizers import SGD
from fastconv.parameters import Variable
from fastconv.plan import Plan, Updates, lowering
from fastconv.plan.lowering import Lowering
from fastconv.utils import set_random_seed


@pytest.fixture(autouse=True)
def seeded():
    set_random_seed(1)


# -------------------------------------------------------------------------------- steps in Python


@dataclass(frozen=True)
class Halving:
    """y = x / 2, computed in Python; `count` says how many batches have been seen."""

    count: Variable


class Step:
    def __init__(self, call):
        self.run_python = call


class HalvingLowering(Lowering):
    def forward(self, x):
        y = self.tape.tensor(x.shape)
        self.tape.emit(lambda: Step(lambda: np.divide(x.array, 2, out=y.array)), x, y)
        return y

    def backward(self, dy, need_dx):
        if need_dx:
            self.tape.emit(lambda: Step(lambda: np.divide(dy.array, 2, out=dy.array)), dy)
        return dy

    def updates(self):
        value = self.operation.count._live
        return [Step(lambda: np.add(value, 1, out=value))]


class HalvingLayer(Layer):
    def build(self, input_shape):
        self.count = self.add_weight("count", (1,), "zeros")
        self.trainable = False
        super().build(input_shape)

    def operations(self, input_shape):
        return [Halving(self.count)]


@pytest.fixture
def halving(monkeypatch):
    monkeypatch.setitem(lowering.LOWERINGS, Halving, HalvingLowering)
    return HalvingLayer


def test_steps_in_python_between_compiled_ones(halving):
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    with_step = models.Sequential([layers.Input((4,)), layers.Dense(5, activation="tanh"),
                                   halving(), layers.Dense(3)])  # fmt: skip
    kernel, bias, _, last, last_bias = with_step.get_weights()
    scaled = models.Sequential([layers.Input((4,)), layers.Dense(5, activation="tanh"),
                                layers.Dense(3)])  # fmt: skip
    scaled.set_weights([kernel, bias, last / 2, last_bias])
    np.testing.assert_allclose(
        with_step.predict(x, verbose=0), scaled.predict(x, verbose=0), rtol=1e-6
    )
    y = np.zeros((6, 3), np.float32)
    for model in (with_step, scaled):
        model.compile(SGD(1.0), "mse")
        model.train_on_batch(x, y)
    new_kernel, _, count, new_last, _ = with_step.get_weights()
    assert count == 1
    np.testing.assert_allclose(new_kernel, scaled.get_weights()[0], rtol=1e-5, atol=1e-7)
    # d loss / d last is half of what it is for a kernel that stands behind no halving.
    change = scaled.get_weights()[2] - last / 2
    np.testing.assert_allclose(new_last - last, change / 2, rtol=1e-4, atol=1e-6)


def test_updates_run_after_everything_else_and_only_while_training(halving):
    model = models.Sequential([layers.Input((4,)), halving(), layers.Dense(3)])
    model.compile(SGD(0.1), "mse")
    loss = losses.MeanSquaredError().operation(after_softmax=False)
    updates = Updates(model.optimizer, model.parameters)
    plan = Plan(model.graph(), 2, model.parameters, mode="train", losses=[loss], updates=updates)
    names = [type(op).__name__ for op in plan._program.ops]
    assert names[-2:] == ["Step", "Update"]
    assert names.count("Step") == 2  # forward and update; no layer below needs a gradient
    model.predict(np.zeros((2, 4)), verbose=0)
    model.evaluate(np.zeros((2, 4)), np.zeros((2, 3)), verbose=0)
    assert model.get_weights()[0] == 0
    model.fit(np.zeros((6, 4)), np.zeros((6, 3)), batch_size=2, verbose=0)
    assert model.get_weights()[0] == 3


def test_an_error_in_a_python_step_leaves_the_weights(halving, monkeypatch):
    model = models.Sequential([layers.Input((4,)), layers.Dense(4), halving(), layers.Dense(3)])
    model.compile(SGD(0.1), "mse")
    before = model.get_weights()

    def fail(self, dy, need_dx):
        self.tape.emit(lambda: Step(lambda: 1 / 0), dy)
        return dy

    monkeypatch.setattr(HalvingLowering, "backward", fail)
    with pytest.raises(ZeroDivisionError):
        model.train_on_batch(np.ones((2, 4)), np.ones((2, 3)))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_without_python_steps_there_is_one_program():
    model = models.Sequential([layers.Input((4,)), layers.Dense(3)])
    plan = Plan(model.graph(), 2, model.parameters)
    assert type(plan._program).__module__ == "fastconv._ext._program"


# ---------------------------------------------------------------- several consumers of everything


def tangled():
    """Values with two to four consumers, weights used twice, branches of all kinds."""
    x = layers.Input((6, 6, 3))
    conv = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")
    a = conv(x)
    b = layers.Conv2D(4, 3, padding="same", activation="tanh")(a)
    c = layers.ReLU()(layers.add([a, b, a]))  # a: three consumers here and one below
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    d = layers.maximum([shared(c), shared(b)])
    e = layers.multiply([d, layers.GlobalAveragePooling2D()(a)])
    pooled = [layers.MaxPooling2D()(v) for v in (c, e)]
    flat = layers.Flatten()(layers.concatenate([*pooled, layers.average(pooled)]))
    soft = layers.Dense(3, activation="softmax", name="soft")(flat)
    return models.Model(x, [soft, layers.Dense(2, name="values")(flat), c])


LOSSES = ("categorical_crossentropy", "mse", "mse")


def run_tangled(model, mode, weights=(1.0, 0.5, 2.0)):
    of_outputs = [losses.get(name).operation(after_softmax=not i) for i, name in enumerate(LOSSES)]
    plan = Plan(
        model.graph(), 4, model.parameters, mode=mode, losses=of_outputs, loss_weights=list(weights)
    )

    def total():
        plan.run()
        return sum(w * values.mean() for w, values in zip(weights, plan.losses, strict=True))

    def fill():
        plan.inputs[0][...] = np.random.default_rng(6).normal(size=plan.inputs[0].shape)
        labels = np.eye(3)[[0, 1, 2, 0]]
        for target, value in zip(plan.targets, [labels, 0.5, 0.1], strict=True):
            target[...] = value

    return plan, fill, total


def test_gradient_of_a_tangle_is_the_slope_of_the_loss():
    model = tangled()
    rng = np.random.default_rng(7)
    model.set_weights([w + 0.1 * rng.normal(size=w.shape) for w in model.get_weights()])
    _, fill, total = run_tangled(model, "train")
    fill()
    total()
    gradient = model.parameters.gradient.copy()
    _, fill, total = run_tangled(model, "test")
    start, errors = model.parameters.values.copy(), []
    for _ in range(9):
        direction = rng.normal(size=start.size).astype(np.float32)
        values = []
        for sign in (1, -1):
            model.parameters.values[...] = start + sign * 3e-4 * direction
            model.parameters.touch()
            fill()
            values.append(total())
        slope = (values[0] - values[1]) / 6e-4
        errors.append(abs(slope - gradient.astype(np.float64) @ direction))
    # The median: some of the steps cross a kink of a ReLU, where there is no one slope.
    assert np.median(errors) < 0.005 * np.linalg.norm(gradient)


def test_threads_and_poisoned_memory_do_not_matter():
    """The arena starts as NaN: nothing is read before it is written, nothing is shared too soon."""
    results = []
    model = tangled()
    for threads in (1, 2, 3):
        runtime.set_num_threads(threads)
        plan, fill, total = run_tangled(model, "train")
        arena = plan.inputs[0]
        while arena.base is not None and isinstance(arena.base, np.ndarray):
            arena = arena.base
        arena.reshape(-1).view(np.uint8)[...] = 0xFF
        fill()
        value = total()
        fill()
        assert total() == value
        outputs = [output.copy() for output in plan.outputs]
        results.append([model.parameters.gradient.copy(), *outputs, np.array(value)])
    assert all(np.isfinite(array).all() for array in results[0])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert one.tobytes() == two.tobytes()


def test_inference_and_training_see_the_same_values():
    """In inference activations may run in place, but not where another layer reads their input."""
    x = layers.Input((4,))
    y = layers.Dense(4, name="d")(x)
    flat = layers.Reshape((2, 2))(y)
    model = models.Model(x, [y, layers.Activation("tanh")(flat), layers.Softmax()(y)])
    data = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    kernel, bias = model.get_weights()
    expected = data @ kernel + bias
    got, squashed, soft = model.predict(data, verbose=0)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(squashed.reshape(3, 4), np.tanh(expected), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)


def operation_names(model, mode="train"):
    of_outputs = (
        [losses.MeanSquaredError().operation(False)] * len(model.outputs) if mode == "train" else []
    )
    plan = Plan(model.graph(), 2, model.parameters, mode=mode, losses=of_outputs)
    return [type(op).__name__ for op in plan._program.ops]


def test_a_residual_block_has_one_pass_per_direction():
    """Forward: the sum and its ReLU together. Backward: the sum of gradients and the mask of the
    ReLU together, and no copies."""
    x = layers.Input((8, 8, 4))
    y = layers.Conv2D(4, 3, padding="same")(x)
    for _ in range(2):
        z = layers.Conv2D(4, 3, padding="same", activation="relu")(y)
        z = layers.Conv2D(4, 3, padding="same")(z)
        y = layers.ReLU()(layers.add([y, z]))
    names = operation_names(models.Model(x, layers.Dense(2)(layers.Flatten()(y))))
    assert "ActivationForward" not in names
    assert "Scale" not in names  # a copy would be one
    # forward: two; backward: the sum that undoes the first ReLU and the plain one at the very first
    # convolution; the second ReLU is undone by the product
    assert names.count("Merge") == 4
    assert names.count("ActivationBackward") == 2  # those inside of the convolutions


def test_gradients_go_only_where_somebody_needs_them():
    x, side = layers.Input((4,)), layers.Input((4,))
    frozen = layers.Dense(4, trainable=False)
    y = layers.multiply([frozen(x), layers.Dense(4)(side)])
    names = operation_names(models.Model([x, side], y))
    assert names.count("MergeBackward") == 1
    assert names.count("DenseBackwardKernel") == 1
    assert "DenseBackwardInput" not in names


def test_branches_that_lead_nowhere_do_not_run():
    x = layers.Input((4,))
    y = layers.Dense(3)(x)
    layers.Dense(100)(y)
    model = models.Model(x, [y, layers.Dense(2, name="unused")(y)])
    part = models.Model(x, model.get_layer(index=1).output)
    assert operation_names(part, "infer") == ["DenseForward"]


def test_an_activation_is_not_fused_when_its_input_is_wanted():
    x = layers.Input((4,))
    y = layers.Dense(3)(x)
    z = layers.ReLU()(y)
    assert operation_names(models.Model(x, z), "infer") == ["DenseForward"]
    both = models.Model(x, [y, z])
    assert operation_names(both, "infer") == ["DenseForward", "ActivationForward"]
    got, positive = both.predict(-np.ones((2, 4)), verbose=0)
    np.testing.assert_array_equal(positive, np.maximum(got, 0))


def test_a_softmax_that_others_read_stays():
    x = layers.Input((4,))
    soft = layers.Dense(3, activation="softmax")(x)
    model = models.Model(x, [soft, layers.Dense(2)(soft)])
    model.compile(SGD(0.1), ["categorical_crossentropy", "mse"])
    data, labels = np.eye(4)[:3], np.eye(3)
    before = model.evaluate(data, [labels, np.zeros((3, 2))], verbose=0)
    probabilities = model.predict(data, verbose=0)[0]
    expected = -np.log(probabilities[np.arange(3), np.arange(3)]).mean()
    assert before[1] == pytest.approx(expected, rel=1e-5)
    model.fit(data, [labels, np.zeros((3, 2))], epochs=50, verbose=0)
    assert model.evaluate(data, [labels, np.zeros((3, 2))], verbose=0)[0] < before[0]


def test_memory_of_a_plan_ends_with_the_last_use():
    """A long chain of residual blocks needs the memory of a few values, not of all."""

    def deep(blocks):
        x = y = layers.Input((16, 16, 8))
        for _ in range(blocks):
            y = layers.ReLU()(layers.add([y, layers.Conv2D(8, 3, padding="same")(y)]))
        model = models.Model(x, y)
        return Plan(model.graph(), 4, model.parameters).peak_bytes

    assert deep(12) == deep(3)
