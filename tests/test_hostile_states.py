"""A state that does not fit is refused with ValueError, and nothing is changed by it."""

from __future__ import annotations

import json
import random
import re

import numpy as np
import pytest

from fastconv import FormatError, callbacks, layers, metrics, models, optimizers
from fastconv.optimizers import schedules
from fastconv.saving import safetensors_file
from fastconv.saving.state_file import load_state, save_state
from fastconv.utils import set_random_seed
from tests.support.hostile_states import mutations

X = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
Y = np.eye(3, dtype=np.float32)[np.random.default_rng(1).integers(0, 3, 40)]


def network(optimizer=None, metric_list=None, units=4, activation="relu", dropout=0.2):
    model = models.Sequential([
        layers.Input((5,)), layers.Dense(units, activation=activation),
        layers.BatchNormalization(), layers.Dropout(dropout), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    if metric_list is None:
        metric_list = [
            "accuracy", metrics.AUC(num_thresholds=5), metrics.F1Score(average="macro"),
            metrics.AUC(num_thresholds=4, multi_label=True, name="auc_by_label"),
        ]  # fmt: skip
    model.compile(optimizer or optimizers.Adam(0.01, use_ema=True),
                  "categorical_crossentropy", metrics=metric_list)  # fmt: skip
    return model


def generator():
    rng = np.random.default_rng(3)
    while True:
        rows = rng.integers(0, 40, 8)
        yield X[rows], Y[rows]


class Look(callbacks.Callback):
    """Calls `look(run)` at the end of an epoch."""

    def __init__(self, look):
        super().__init__()
        self._look = look

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self._look(self.model.training_run)


def fit_and_look(tmp_path, look, source="arrays", model=None):
    """Run `look(run)` where a run has a bit of everything behind it."""
    set_random_seed(1)
    model = model or network()
    data = {
        "arrays": {"x": X, "y": Y, "batch_size": 8},
        "generator": {"x": generator(), "steps_per_epoch": 3},
    }[source]
    return model.fit(
        **data, epochs=3, verbose=0, validation_data=(X[:16], Y[:16]),
        callbacks=[
            callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True),
            callbacks.ReduceLROnPlateau("val_loss"),
            callbacks.ModelCheckpoint(tmp_path / "m.keras", save_best_only=True),
            callbacks.CSVLogger(tmp_path / "log.csv"), callbacks.SwapEMAWeights(),
            callbacks.BackupAndRestore(tmp_path / "backup"), Look(look),
        ],
    )  # fmt: skip


def same(one, other):
    """Whether two states are equal to the bit."""
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and (one.shape, one.dtype) == (other.shape, other.dtype)
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)


def outcome(run, state):
    """What `restore` raises, None if it succeeds."""
    try:
        run.restore(state)
    except Exception as error:
        return error
    return None


def judge(run, tmp_path, described):
    """Restore states, which either succeeds or changes nothing; how many were refused."""
    before, refused = run.state(), 0
    table = (tmp_path / "log.csv").read_bytes()
    for name, state in described:
        error = outcome(run, state)
        if error is None:
            run.restore(before)
            continue
        assert isinstance(error, ValueError), f"{name}: {type(error).__name__}: {error}"
        assert len(str(error)) < 2000, f"{name}: {error}"
        assert same(run.state(), before), f"{name}: refused, but something changed: {error}"
        assert (tmp_path / "log.csv").read_bytes() == table, name
        refused += 1
    return refused


@pytest.mark.parametrize("source", ["arrays", "generator"])
def test_a_mutated_state_is_refused_and_changes_nothing(tmp_path, source):
    counts = []

    def look(run):
        state = run.state()
        save_state(state, tmp_path / "state")
        state = load_state(tmp_path / "state")  # as it comes out of a file
        made = list(mutations(state))
        chosen = random.Random(0).sample(made, 300)
        counts.append((judge(run, tmp_path, chosen), len(chosen)))

    fit_and_look(tmp_path, look, source)
    ((refused, tried),) = counts
    assert refused > 0.8 * tried, "most changes of a state make it that of nothing"


def test_a_mutated_backup_with_a_right_checksum_is_refused(tmp_path):
    """The checksum is right, so that the content is judged."""
    refused = []

    def write(text, arrays):
        data = {"format": "fastconv-state-1", "state": text}
        data["sha256"] = safetensors_file.checksum(text, arrays)
        with open(tmp_path / "hostile", "wb") as file:
            safetensors_file.write(file, arrays, data)

    hostile = [
        "", "{", "[" * 100_000, "[" * 900 + "]" * 900, '{"a": 1' + "0" * 5000 + "}",
        '{"__array__": "0"}', '{"__array__": 0}', '{"__array__": {}}', '{"__array__": ["0"]}',
        '{"__array__": "1", "b": 2}', '{"__array__": null}', "nul", '"\\ud800"', "NaN", "7",
    ]  # fmt: skip

    def look(run):
        before = run.state()
        for text in hostile:
            write(text, {"1": np.zeros(3, np.float32)})
            with pytest.raises(ValueError, match="state") as caught:
                run.restore(load_state(tmp_path / "hostile"))
            refused.append(isinstance(caught.value, FormatError))
            assert same(run.state(), before)

    fit_and_look(tmp_path, look)
    assert sum(refused) >= 9
    for name in ("0", "missing"):
        write(json.dumps({"a": {"__array__": name}}), {"1": np.zeros(1)})
        with pytest.raises(FormatError, match=f"no array is called '{name}'"):
            load_state(tmp_path / "hostile")


OTHERS = {
    "another width": (lambda: network(units=6), "layers and weights of shapes"),
    "another kind of layer": (
        lambda: _with_layer(layers.GaussianDropout(0.2)), "`class` must be 'GaussianDropout'"),
    "another optimizer": (
        lambda: network(optimizers.AdamW(0.01, use_ema=True)), "another optimizer, 'Adam'"),
    "other slots": (lambda: network(optimizers.Adam(0.01, amsgrad=True)), "must have the slots"),
    "a schedule": (
        lambda: network(optimizers.Adam(schedules.CosineDecay(0.1, 9), use_ema=True)),
        "learning-rate schedule .*CosineDecay.* received None"),
    "fewer metrics": (lambda: network(metric_list=["accuracy"]), "must be that of a model with the "
                      "metrics .'loss .Mean.', 'accuracy .CategoricalAccuracy.'., received"),
    "other metrics": (
        lambda: network(metric_list=[
            "accuracy", metrics.AUC(num_thresholds=5), metrics.F1Score(average="macro"),
            metrics.AUC(num_thresholds=7, multi_label=True, name="auc_by_label")]),
        "auc_by_label: `_true_positives` must be a float64 array of shape .7, 3."),
}  # fmt: skip


def _with_layer(layer):
    model = models.Sequential([
        layers.Input((5,)), layers.Dense(4, activation="relu"), layers.BatchNormalization(),
        layer, layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    model.compile(optimizers.Adam(0.01, use_ema=True), "categorical_crossentropy",
                  metrics=network()._compile_config._given_metrics["metrics"])  # fmt: skip
    return model


@pytest.mark.parametrize("name", OTHERS)
def test_a_backup_of_something_else_changes_nothing(tmp_path, name):
    """Through `fit`, as a user meets it."""

    def stop(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_and_look(tmp_path, stop)
    make, message = OTHERS[name]
    other = make()
    other.predict(X, verbose=0)
    weights, table = other.get_weights(), (tmp_path / "log.csv").read_bytes()
    backup = (tmp_path / "backup" / "latest.safetensors").read_bytes()
    with pytest.raises(ValueError, match=message):
        fit_and_look(tmp_path, lambda run: None, model=other)
    assert same(other.get_weights(), weights)
    assert other.optimizer.iterations == 0
    assert (tmp_path / "log.csv").read_bytes() == table
    assert (tmp_path / "backup" / "latest.safetensors").read_bytes() == backup


def test_a_schedule_of_the_same_kind_with_other_numbers(tmp_path):
    def compiled(steps):
        return network(optimizers.Adam(schedules.CosineDecay(0.1, steps), use_ema=True))

    first, second, third = compiled(9), compiled(9), compiled(8)
    for model in (first, second, third):
        model.fit(X, Y, verbose=0)
    state = first.state()
    second.restore(state)
    assert same(second.state(), state)
    before = third.state()
    with pytest.raises(ValueError, match=re.escape("must have the learning-rate schedule")):
        third.restore(state)
    assert same(third.state(), before)


def test_a_callback_of_ones_own_may_judge_and_may_fail(tmp_path):
    """Its `restore` runs before the model changes; with `check_state`, nothing at all changes."""

    class Failing(callbacks.Callback):
        def state(self):
            return {"number": 1}

        def restore(self, state):
            raise ZeroDivisionError

    class Judging(callbacks.Callback):
        stateful = ("number",)

        def __init__(self):
            super().__init__()
            self.number = 3

        def check_state(self, state):
            super().check_state(state)
            if state["number"] != 3:
                raise ValueError("`number` must be 3")

    class Named(callbacks.Callback):
        """Has a method of its own whose name is none of a state's."""

        def check(self):
            raise NotImplementedError

    def restore_own_state(run):
        run.restore(run.state())

    network().fit(X, Y, epochs=2, verbose=0, callbacks=[Named(), Look(restore_own_state)])
    for own, error in ((Failing(), ZeroDivisionError), (Judging(), ValueError)):
        seen = []

        def look(run, error=error, seen=seen):
            state, before = run.state(), run.model.state()
            state["model"]["weights"][0][...] = 9
            if error is ValueError:
                state["callbacks"]["Judging"]["number"] = 4
            with pytest.raises(error):
                run.restore(state)
            assert same(run.model.state(), before)
            seen.append(True)

        network().fit(X, Y, epochs=2, verbose=0, callbacks=[own, Look(look)])
        assert seen


def test_every_random_layer_goes_on_with_its_stream():
    """A restored model draws what the first one would have drawn."""
    for make in (
        lambda: layers.Dropout(0.5),
        lambda: layers.GaussianNoise(0.5),
        lambda: layers.GaussianDropout(0.5),
        lambda: layers.SpatialDropout2D(0.5),
        lambda: layers.RandomFlip(),
    ):
        first, second = (
            models.Sequential([layers.Input((4, 4, 3)), make(), layers.Flatten(), layers.Dense(1)])
            for _ in range(2)
        )
        x, y = np.random.default_rng(0).standard_normal((8, 4, 4, 3)), np.zeros(8)
        for model in (first, second):
            model.compile("sgd", "mse")
            model.train_on_batch(x, y)
        second.restore(first.state())
        for model in (first, second):
            model.train_on_batch(x, y)
        assert same(first.state(), second.state()), first.layers[0]
