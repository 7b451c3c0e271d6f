"""A process that works for long does not grow, and dropped models are freed with all they had."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import callbacks, layers, models
from fastconv.common import live_memory
from fastconv.common.arrays import aligned_zeros
from fastconv.plan.cache import cached_plan_bytes

ROOT = Path(fastconv.__file__).parents[1]
MIB = 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's statm")
def test_the_short_form_of_the_benchmark():
    """Bounds and work are those of `benchmarks.resident_size`, which runs for long by itself."""
    command = [sys.executable, "-m", "benchmarks.resident_size", "--calls", "2000", "--fits", "5",
               "--models", "30", "--large", "15"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "predict_on_batch" in done.stdout


def used():
    """A model with plans, an optimizer with slots, a history, callbacks and another model over its
    layers; and weak references to what must go with it."""
    x = layers.Input((6, 6, 2))
    hidden = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(x))
    model = models.Model(x, layers.Dense(2)(layers.Dropout(0.1)(hidden)))
    inner = models.Model(model.inputs, model.layers[1].output)
    model.compile("adam", "mse", metrics=["mae"])
    data = np.zeros((8, 6, 6, 2), np.float32)
    model.fit(data, np.zeros((8, 2)), verbose=0, batch_size=3,
              callbacks=[callbacks.EarlyStopping("loss", restore_best_weights=True)])  # fmt: skip
    model.predict(data, verbose=0)
    inner.predict(data, verbose=0)
    parts = [model, inner, model.parameters, model.optimizer, model._plans, model.history]
    return model, [weakref.ref(part) for part in parts]


def test_a_dropped_model_is_freed_with_all_it_had():
    gc.collect()
    before = cached_plan_bytes()
    model, references = used()
    assert cached_plan_bytes() > before
    del model
    gc.collect()
    assert [reference() for reference in references] == [None] * len(references)
    assert cached_plan_bytes() == before


def live_bytes():
    """What the arrays that are counted take now."""
    live_memory.make_room(0)
    return live_memory._Live.nbytes


@pytest.fixture
def no_automatic_collection():
    """Python's own count of objects never asks for a collection."""
    gc.collect()
    thresholds = gc.get_threshold()
    gc.set_threshold(10**8, 10**6, 10**6)
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("no_automatic_collection")
def test_large_models_that_are_dropped_do_not_pile_up(monkeypatch):
    before = live_bytes()
    # As it is after a collection, whatever the tests before this one had in memory.
    limit = max(live_memory._FLOOR, 2 * before)
    monkeypatch.setattr(live_memory._Live, "limit", limit)
    room = limit - before
    alive, most = weakref.WeakSet(), 0
    for _ in range(2 * room // (8 * MIB)):
        model = models.Sequential([layers.Input((2048,)), layers.Dense(1024)])
        model.predict_on_batch(np.zeros((1, 2048)))
        alive.add(model)
        most = max(most, len(alive))
    assert most * 8 * MIB <= room + 16 * MIB, f"{most} models of 8 MiB at once"


@pytest.mark.usefixtures("no_automatic_collection")
def test_arrays_that_live_are_no_reason_to_collect_again_and_again():
    collected = []
    gc.callbacks.append(lambda phase, info: collected.append(info["generation"]))
    try:
        kept = [aligned_zeros(4 * MIB) for _ in range(128)]  # half a gigabyte, never touched
    finally:
        gc.callbacks.pop()
    assert len(kept) == 128
    assert len(collected) / 2 <= 6, "once per doubling"


def test_the_count_of_live_arrays_is_right():
    gc.collect()
    before = live_bytes()
    array = aligned_zeros(3 * MIB)
    part = array[MIB : MIB + 10]
    assert live_bytes() - before == 3 * MIB + 64
    del array
    assert live_bytes() - before == 3 * MIB + 64, "a view keeps the memory"
    del part
    assert live_bytes() == before


@pytest.mark.usefixtures("no_automatic_collection")
def test_a_program_that_forbids_collections_is_obeyed(monkeypatch):
    collected = []
    monkeypatch.setattr(live_memory.gc, "collect", lambda: collected.append(True))
    gc.disable()
    try:
        arrays = [aligned_zeros(16 * MIB) for _ in range(64)]
    finally:
        gc.enable()
    assert len(arrays) == 64 and not collected
