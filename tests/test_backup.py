"""BackupAndRestore: a run that is interrupted anywhere ends with the bits of one that is not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import FormatError, callbacks, layers, metrics, models
from fastconv.saving import safetensors_file
from fastconv.saving.state_file import load_state, save_state
from fastconv.utils import set_random_seed
from tests.support import interrupted_training
from tests.support.interrupted_training import result, train
from tests.support.metric_settings import metric_settings

SCRIPT = interrupted_training.__file__
SOURCES = ["arrays", "sequence", "steps", "generator", "short arrays", "too few", "iterable"]
SOURCES += ["dataset", "endless dataset"]
ROOT = str(Path(fastconv.__file__).parents[1])


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


class Interrupt(callbacks.Callback):
    """Raises after so many calls of a hook."""

    def __init__(self, hook, after):
        super().__init__()
        self._left = after
        setattr(self, hook, self._count)

    def _count(self, *args):
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore:the data ran out")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "save_freq, hook, after",
    [
        ("epoch", "on_train_batch_begin", 20),
        ("epoch", "on_test_begin", 1),
        (1, "on_train_batch_begin", 16),
        (3, "on_train_batch_end", 22),
        (3, "on_epoch_end", 3),
        (4, "on_epoch_begin", 2),
        (1, "on_train_end", 0),
    ],
)
def test_a_run_goes_on_to_the_same_bits(tmp_path, source, save_freq, hook, after):
    expected = result(*train(None, source=source))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "backup", save_freq, source, others=[Interrupt(hook, after)])
    found = result(*train(tmp_path / "backup", save_freq, source))
    assert_equal(found, expected)
    assert not (tmp_path / "backup").exists()


def test_a_stop_that_a_callback_has_asked_for_is_not_forgotten(tmp_path):
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 5

    expected = result(*train(None, others=[Stop()]))
    for hook in ("on_epoch_end", "on_train_end"):
        with pytest.raises(KeyboardInterrupt):
            train(
                tmp_path,
                1,
                others=[Stop(), Interrupt(hook, 0)],
            )
        # without the callback, so that the wish can only come from the backup
        assert_equal(result(*train(tmp_path, 1)), expected)


def test_metrics_that_are_arrays_go_on(tmp_path):
    def run(directory, others=()):
        set_random_seed(1)
        x, y = np.random.default_rng(0).random((30, 4)), np.eye(3)[np.arange(30) % 3]
        model = models.Sequential([layers.Input((4,)), layers.Dense(3, "softmax")])
        chosen = [metrics.F1Score(), metrics.Precision([0.2, 0.5])]
        model.compile("adam", "categorical_crossentropy", metrics=chosen)
        backup = callbacks.BackupAndRestore(directory, 1)
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, validation_data=(x, y),
                            callbacks=[backup, *others]).history  # fmt: skip
        return {name: np.array(values) for name, values in history.items()}

    expected = run(tmp_path / "whole")
    assert expected["f1_score"].shape == (3, 3) and expected["val_precision"].shape == (3, 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", [Interrupt("on_train_batch_begin", 6)])
    assert_equal(run(tmp_path / "cut"), expected)


def test_epochs_that_are_over_are_not_trained_again(tmp_path):
    class Count(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            begun.append(epoch)

    begun = []
    backup = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    train(None, epochs=2, others=[backup])
    assert os.listdir(tmp_path) == ["latest.safetensors"]
    _, history = train(None, epochs=4, others=[backup, Count()])
    assert begun == [2, 3] and history.epoch == [0, 1, 2, 3]
    _, history = train(None, epochs=4, others=[backup])
    assert len(history.history["loss"]) == 4


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(bytes(data))


def test_a_damaged_backup_is_refused(tmp_path):
    expected = result(*train(None))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, others=[Interrupt("on_epoch_begin", 3)])
    damage(tmp_path / "latest.safetensors")
    with pytest.warns(UserWarning, match="newest backup is damaged.*previous.*checksum is wrong"):
        found = result(*train(tmp_path))
    assert_equal(found, expected)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, others=[Interrupt("on_epoch_begin", 3)])
    for name in ("latest", "previous"):
        damage(tmp_path / f"{name}.safetensors")
    with pytest.raises(FormatError, match="no whole backup is left in .* delete it to begin anew"):
        train(tmp_path)


def test_a_backup_of_something_else(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, others=[Interrupt("on_epoch_begin", 3)])
    with pytest.raises(ValueError, match="the data must have 9 batches.*received None"):
        train(tmp_path, source="generator")
    state = load_state(tmp_path / "latest.safetensors")
    state["model"]["weights"].pop()
    save_state(state, tmp_path / "latest.safetensors")
    with pytest.raises(ValueError, match="must be that of a model with 5 layers and weights of"):
        train(tmp_path)


def test_an_empty_folder_and_a_bad_save_freq_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`backup_dir` must not be empty"):
        callbacks.BackupAndRestore("")
    for bad in ("batch", 0, -1, 1.5, True, None):
        with pytest.raises(ValueError, match="`save_freq` must be 'epoch' or a positive integer"):
            callbacks.BackupAndRestore(tmp_path, bad)


def test_a_directory_that_cannot_be_written_is_found_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    begun = []
    watch = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))
    for path in (tmp_path / "file", tmp_path / "file" / "backup", "/proc/backup"):
        with pytest.raises(OSError, match="backup|file"):
            train(path, others=[watch])
    assert not begun


def test_a_full_disk_leaves_the_old_backup(tmp_path):
    """A limit on the size of files stands for the disk; SIGXFSZ is ignored, so writing fails."""
    path = tmp_path / "state.safetensors"
    save_state({"a": np.arange(5)}, path)
    script = (
        "import resource, signal, sys, numpy as np\n"
        "from fastconv.saving.state_file import save_state\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    save_state({'a': np.zeros(5000)}, sys.argv[1])\n"
        "except OSError as error:\n    print('OSError', error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("OSError")
    np.testing.assert_array_equal(load_state(path)["a"], np.arange(5))
    assert os.listdir(tmp_path) == ["state.safetensors"]


def modified(path):
    """When `path` was written, None if it is not there at the moment."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def kill_until_done(tmp_path, save_freq, kills, seed, source="arrays"):
    """Run the script, `kills` times cut short by SIGKILL; the result and how often that came in
    time."""
    rng = random.Random(seed)
    target = tmp_path / "result.npz"
    command = [sys.executable, SCRIPT, tmp_path / "backup", target, str(save_freq), source]
    survived = 0
    for number in range(kills + 1):
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": ROOT})
        if number < kills:
            latest = tmp_path / "backup" / "latest.safetensors"
            before, deadline = modified(latest), time.monotonic() + 30
            while process.poll() is None and time.monotonic() < deadline:
                if modified(latest) not in (before, None):
                    break
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.02))
            process.kill()
        survived += process.wait() == -signal.SIGKILL
    with np.load(target) as stored:
        return dict(stored), survived


@pytest.mark.parametrize("save_freq", ["epoch", 1])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, save_freq):
    found, kills = kill_until_done(tmp_path, save_freq, kills=4, seed=3)
    assert kills == 4
    assert_equal(found, result(*train(None, epochs=40)))
    assert not (tmp_path / "backup").exists()


# ------------------------------------------------------------------------------- states and files


def test_states_come_back_exactly(tmp_path):
    state = {
        "numbers": [1, 2**127, -0.1, 5e-324, float("inf"), None, True, "text"],
        "arrays": {"f4": np.float32([[1, np.nan]]), "i8": np.arange(3), "empty": np.zeros((0, 2))},
        "scalar": np.float32(0.1),
        "zero-dimensional": np.array(7, np.uint8),
        "big-endian, strided": np.arange(6, dtype=">i4")[::2],
    }
    path = tmp_path / "state"
    save_state(state, path)
    found = load_state(path)
    assert found["numbers"] == state["numbers"]
    assert found["scalar"] == float(np.float32(0.1))
    for name, array in state["arrays"].items():
        np.testing.assert_array_equal(found["arrays"][name], array)
        assert found["arrays"][name].dtype == array.dtype
    assert found["zero-dimensional"].shape == ()
    np.testing.assert_array_equal(found["big-endian, strided"], [0, 2, 4])
    for bad in ({1: 2}, {"a": {1, 2}}, [object()]):
        with pytest.raises(TypeError, match="a state"):
            save_state(bad, path)
    assert load_state(path)["scalar"] == found["scalar"]  # the old file is still there


@pytest.mark.parametrize(
    "version, message", [("fastconv-state-2", "newer: upgrade fastconv"), ("else", "'else'$")]
)
def test_states_of_another_format(tmp_path, version, message):
    path = tmp_path / "state"
    with path.open("wb") as file:
        safetensors_file.write(file, {}, {"format": version})
    with pytest.raises(FormatError, match=f"`format` must be 'fastconv-state-1'.*{message}"):
        load_state(path)


@pytest.mark.parametrize("name", sorted(metrics.CLASSES))
def test_every_metric_can_be_interrupted(name):
    """Half of the data, the state into a new metric, the other half: the same result."""
    rng = np.random.default_rng(1)
    settings = {"ConfusionMatrix": {"num_classes": 4}, "SparseTopKCategoricalAccuracy": {"k": 2}}
    settings |= metric_settings(4)
    settings["TopKCategoricalAccuracy"] = settings["SparseTopKCategoricalAccuracy"]
    whole, first, second = (metrics.CLASSES[name](**settings.get(name, {})) for _ in range(3))
    outputs = rng.random((8, 4)).astype(np.float32)
    outputs /= outputs.sum(axis=1, keepdims=True)
    labels = rng.integers(0, 4, 8) if "Sparse" in name else np.eye(4)[rng.integers(0, 4, 8)]
    for rows in (slice(0, 4), slice(4, 8)):
        whole.update_state(labels[rows], outputs[rows])
    first.update_state(labels[:4], outputs[:4])
    before = repr(first.state())
    second.restore(first.state())
    second.update_state(labels[4:], outputs[4:])
    np.testing.assert_array_equal(second.result(), whole.result())
    assert repr(first.state()) == before  # what the second gathers does not reach the first
    assert repr(first.state()) != repr(second.state())


# -------------------------------------------------------------- a network that is built again


def two_outputs():
    """Outputs, losses and metrics without given names, a layer in two places, and a mask."""
    set_random_seed(5)
    x, y = layers.Input((4,)), layers.Input((4,))
    shared = layers.Dense(4)
    inner = models.Model(x, layers.BatchNormalization()(shared(x)))
    hidden = layers.Dropout(0.3)(inner(shared(y)))
    model = models.Model(y, [layers.Dense(2)(hidden), layers.Dense(1)(hidden)])
    model.compile("adam", "mse", metrics=[["mae"], ["mae"]])
    return model


def test_a_network_that_is_built_again_goes_on(tmp_path):
    """Counters of the process give its outputs other names, and so its metrics."""
    x = np.random.default_rng(0).standard_normal((32, 4)).astype(np.float32)
    data = {"x": x, "y": [x[:, :2], x[:, :1]], "validation_split": 0.25, "verbose": 0}
    whole = two_outputs()
    expected = whole.fit(**data, epochs=4).history
    log = callbacks.CSVLogger(tmp_path / "log.csv", append=True)
    backup, interrupt = callbacks.BackupAndRestore(tmp_path / "b"), Interrupt("on_epoch_end", 2)
    with pytest.raises(KeyboardInterrupt):
        two_outputs().fit(**data, epochs=4, callbacks=[backup, log, interrupt])
    model = two_outputs()
    log = callbacks.CSVLogger(tmp_path / "log.csv", append=True)
    found = model.fit(
        **data, epochs=4, callbacks=[callbacks.BackupAndRestore(tmp_path / "b"), log]
    ).history
    assert found.keys() != expected.keys()
    assert sorted(found.values()) == sorted(expected.values())
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 4
    for now, then in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(now, then)
