"""The plan: steps in Python, several consumers of a value, several inputs, outputs and losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from fastconv import layers, losses, models
from fastconv.layers.base import Layer
from fastconv.optimizers import SGD
from fastconv.parameters import Variable
from fastconv.plan import Plan, lowering, update_operations
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
        value = self.node.count.value
        return [Step(lambda: np.add(value, 1, out=value))]


class HalvingLayer(Layer):
    def build(self, input_shape):
        self.count = self.add_weight("count", (1,), "zeros")
        self.trainable = False
        super().build(input_shape)

    def nodes(self, input_shape):
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
    loss = losses.MeanSquaredError().node(after_softmax=False)
    updates = update_operations(model.optimizer, model.parameters)
    plan = Plan(model.graph(), 2, model.parameters, mode="train", losses=[loss], updates=updates)
    names = [type(op).__name__ for op in plan._program.ops]
    assert names[-2:] == ["Step", "Update"]
    assert names.count("Step") == 2  # forward and update; nobody needs a gradient below
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
    assert type(plan._program).__module__ == "fastconv._ext._core"
