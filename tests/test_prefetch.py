"""Batches in the background: the same batches, errors where they belong, and no threads left."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from fastconv import layers, models
from fastconv.training.prefetch import prefetched
from fastconv.utils import PyDataset, Sequence, set_random_seed

X = np.arange(48, dtype=np.float32).reshape(12, 4) / 48
Y = X[:, :1]


def linear():
    set_random_seed(1)
    model = models.Sequential([layers.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def background_threads():
    return [t for t in threading.enumerate() if t.name.startswith("fastconv")]


@pytest.fixture(autouse=True)
def no_threads_left():
    yield
    deadline = time.monotonic() + 5
    while background_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not background_threads()


def test_items_come_in_order_and_are_made_ahead():
    made = []

    def items():
        for number in range(20):
            made.append(number)
            yield number

    got = []
    for item in prefetched(items(), depth=3):
        time.sleep(0.005)
        assert len(made) <= item + 1 + 3 + 1  # used, waiting, being made
        got.append(item)
    assert got == list(range(20))
    assert len(made) > 0


def test_making_and_using_overlap():
    def items():
        for number in range(8):
            time.sleep(0.03)
            yield number

    start = time.perf_counter()
    for _ in prefetched(items()):
        time.sleep(0.03)
    assert time.perf_counter() - start < 0.45  # one after the other it would be 0.48


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise KeyError("lost")

    source = prefetched(items())
    assert next(source) == 1
    with pytest.raises(KeyError, match="lost"):
        next(source)


def test_leaving_early_stops_the_producer():
    made = []

    def items():
        while True:
            made.append(len(made))
            yield made[-1]

    source = prefetched(items())
    next(source)
    source.close()
    count = len(made)
    time.sleep(0.05)
    assert len(made) == count


def test_fit_on_a_generator_takes_no_more_than_it_uses():
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield X[:4], Y[:4]

    linear().fit(endless(), steps_per_epoch=3, epochs=2, verbose=0)
    assert len(taken) == 6


def test_errors_of_a_generator_end_fit_at_the_last_whole_step():
    def failing():
        yield X[:4], Y[:4]
        raise OSError("disk gone")

    model, once = linear(), linear()
    with pytest.raises(OSError, match="disk gone"):
        model.fit(failing(), verbose=0)
    once.fit(X[:4], Y[:4], batch_size=4, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], once.get_weights()[0])


def test_bad_batches_are_refused_where_they_are():
    model = linear()
    with pytest.raises(ValueError, match="must have shape"):
        model.fit(iter([(X[:4], Y[:4]), (X[:4, :3], Y[:4])]), verbose=0)


def test_stop_training_in_the_middle_of_an_epoch():
    from fastconv.callbacks import LambdaCallback

    model = linear()

    def stop(batch, logs):
        model.stop_training = batch == 1

    seen = []

    def endless():
        while True:
            seen.append(1)
            yield X[:4], Y[:4]

    model.fit(endless(), steps_per_epoch=1000, verbose=0,
              callbacks=[LambdaCallback(on_train_batch_end=stop)])  # fmt: skip
    assert len(seen) < 10


def test_ctrl_c_while_waiting_for_a_batch_ends_the_process():
    code = """
import signal, threading, time, numpy as np
from fastconv import layers, models
model = models.Sequential([layers.Input((4,)), layers.Dense(1)])
model.compile("sgd", "mse")
def slow():
    yield np.zeros((2, 4)), np.zeros((2, 1))
    threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    time.sleep(60)
try:
    model.fit(slow(), verbose=0)
except KeyboardInterrupt:
    print("interrupted")
"""
    start = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50
    )
    assert result.stdout == "interrupted\n", result.stderr
    assert time.perf_counter() - start < 30


# -------------------------------------------------------------------------------------- PyDataset


class Dataset(PyDataset):
    def __init__(self, **options):
        super().__init__(**options)
        self.asked, self.events = [], []

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.asked.append(index)
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]

    def on_epoch_begin(self):
        self.events.append("begin")

    def on_epoch_end(self):
        self.events.append("end")


def test_a_dataset_is_the_same_as_its_arrays():
    assert Sequence is PyDataset
    model, arrays = linear(), linear()
    history = model.fit(Dataset(), epochs=3, shuffle=False, verbose=0).history
    expected = arrays.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0).history
    assert history == expected
    np.testing.assert_array_equal(model.get_weights()[0], arrays.get_weights()[0])
    np.testing.assert_array_equal(model.predict(Dataset(), verbose=0), model.predict(X, verbose=0))
    assert [len(x) for x, _ in Dataset()] == [4, 4, 4]


def test_events_and_order_of_a_dataset():
    data = Dataset()
    linear().fit(data, epochs=2, verbose=0)
    assert data.events == ["begin", "end"] * 2
    first, *asked = data.asked  # the first one tells the shape of the labels
    assert first == 0
    assert sorted(asked[:3]) == sorted(asked[3:]) == [0, 1, 2]


def test_workers_give_the_same_batches_in_the_same_order():
    plain = linear()
    plain.fit(Dataset(), epochs=4, verbose=0)
    parallel = linear()  # from the same seed
    parallel.fit(Dataset(workers=3, max_queue_size=2), epochs=4, verbose=0)
    np.testing.assert_array_equal(plain.get_weights()[0], parallel.get_weights()[0])


def test_an_endless_dataset():
    class Endless(PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return X[:4] + index, Y[:4]

    history = linear().fit(Endless(), steps_per_epoch=5, epochs=2, verbose=0).history
    assert len(history["loss"]) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"workers": 0}, ValueError, "`workers` must be positive"),
        ({"use_multiprocessing": True}, ValueError, "`use_multiprocessing` must be False"),
        ({"max_queue_size": 1.5}, TypeError, "`max_queue_size` must be an integer"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Dataset(**options)


def test_a_dataset_has_to_be_defined():
    with pytest.raises(NotImplementedError, match="must define __len__ or num_batches"):
        PyDataset().num_batches  # noqa: B018
    with pytest.raises(NotImplementedError, match="must define __getitem__"):
        PyDataset()[0]
