"""Threads of one Python process use a model at the same time, with a GIL and without."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from fastconv import _ext, runtime, utils, zoo

THREADS = 8


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"),
    reason="this Python was built with a GIL",
)
def test_no_module_turns_the_gil_on():
    for module in pkgutil.iter_modules(_ext.__path__):
        importlib.import_module(f"fastconv._ext.{module.name}")
    assert not sys._is_gil_enabled()


def predicted_together(model, batches: list[np.ndarray]) -> list[np.ndarray]:
    """Each batch by a thread of its own; all of them begin at the same time."""
    start = Barrier(len(batches))

    def predict(x: np.ndarray) -> np.ndarray:
        start.wait()
        return model.predict(x, verbose=0)

    with ThreadPoolExecutor(len(batches)) as pool:
        return list(pool.map(predict, batches))


@pytest.mark.parametrize("num_threads", [1, 2])
def test_predictions_from_several_threads_are_the_bits_of_one(num_threads):
    utils.set_random_seed(1)
    runtime.set_num_threads(num_threads)
    model = zoo.mnist_cnn()
    random = np.random.default_rng(2)
    batches = [
        random.standard_normal((size, 28, 28, 1)).astype(np.float32)
        for size in (1, 2, 3, 5, 8, 13, 16, 16)
    ]
    assert len(batches) == THREADS
    for _ in range(3):  # the first time, threads also make the plans at the same time
        together = predicted_together(model, batches)
        for x, y in zip(batches, together, strict=True):
            np.testing.assert_array_equal(y, model.predict(x, verbose=0))


def test_models_built_and_trained_in_several_threads_are_those_of_one():
    """Each thread has a model of its own: nothing that the modules share depends on the order."""
    x = np.random.default_rng(3).standard_normal((32, 28, 28, 1)).astype(np.float32)
    labels = np.arange(32) % 10
    utils.set_random_seed(4)
    models = [zoo.mnist_cnn() for _ in range(THREADS)]
    for model in models:
        model.set_weights(models[0].get_weights())
        model.compile("sgd", "sparse_categorical_crossentropy")
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda model: model.train_on_batch(x, labels), models))
    for model in models[1:]:
        for first, other in zip(models[0].get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(other, first)
