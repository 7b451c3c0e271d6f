"""Plans are kept up to a number of bytes, share memory where they can, and are found again."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from fastconv import layers, models, runtime
from fastconv.common import live_memory
from fastconv.plan import cache as plan_cache
from fastconv.plan.cache import PlanCache, cached_plan_bytes

MIB = 2**20


@pytest.fixture(autouse=True)
def limit():
    """The limit as it is from the start, and no models of other tests."""
    gc.collect()
    before = runtime.plan_cache_bytes()
    yield before
    runtime.set_plan_cache_bytes(before)


class Sized:
    """Stands for a plan with memory of its own."""

    def __init__(self, own_bytes=0):
        self.own_bytes = own_bytes


def lend(cache, key, nbytes=0, own=0):
    """Use the plan for `key` once; whether it was made for that."""
    made = []

    def make(arena):
        arena(nbytes)
        made.append(key)
        return Sized(own)

    with cache.lend(key, make):
        pass
    return bool(made)


def network(channels=8, side=16):
    return models.Sequential([
        layers.Input((side, side, 3)),
        layers.Conv2D(channels, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.Conv2D(channels, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(5, activation="softmax"),
    ])  # fmt: skip


def test_the_least_recently_used_plans_are_dropped_above_the_limit():
    cache = PlanCache()
    runtime.set_plan_cache_bytes(cached_plan_bytes() + 10 * MIB)
    for key in "abc":
        assert lend(cache, key, own=3 * MIB)
    assert not any(lend(cache, key) for key in "cab")
    assert lend(cache, "d", own=3 * MIB)
    assert not lend(cache, "a") and not lend(cache, "b")
    assert lend(cache, "c", own=3 * MIB), "used least recently, so dropped"
    assert len(cache) == 3
    assert cached_plan_bytes() <= runtime.plan_cache_bytes()


def test_the_limit_is_for_all_models_together_but_each_keeps_its_last_plan():
    first, second = PlanCache(), PlanCache()
    runtime.set_plan_cache_bytes(cached_plan_bytes() + 10 * MIB)
    for key in "ab":
        lend(first, key, own=4 * MIB)
    lend(second, "c", own=4 * MIB)
    assert lend(first, "a", own=4 * MIB), "the oldest plan of both"
    runtime.set_plan_cache_bytes(0)
    assert len(first) == len(second) == 1
    assert not lend(first, "a") and not lend(second, "c")
    lend(first, "large", own=50 * MIB)
    assert not lend(first, "large"), "the plan in use is kept whatever it takes"


def test_memory_is_made_free_before_a_plan_takes_more():
    cache, seen = PlanCache(), []
    runtime.set_plan_cache_bytes(cached_plan_bytes() + 10 * MIB)
    lend(cache, "a", nbytes=1 * MIB)
    lend(cache, "b", nbytes=6 * MIB)

    def make(arena):
        arena(8 * MIB)
        seen.append(sum(block.memory.size for block in cache._blocks))
        return Sized()

    with cache.lend("c", make):
        pass
    assert seen == [8 * MIB], "only the new block: the others went before it was made"


def test_plans_of_one_model_share_a_block_unless_they_run_at_once():
    cache = PlanCache()
    blocks = {}

    def make(key, nbytes):
        def made(arena):
            blocks[key] = arena(nbytes)
            return Sized()

        return made

    for key, nbytes in [("large", 1000), ("small", 500)]:
        with cache.lend(key, make(key, nbytes)):
            pass
    assert blocks["small"] is blocks["large"]
    with cache.lend("large", make("again", 1000)), cache.lend("small", make("beside", 500)):
        assert blocks["beside"] is not blocks["large"], "both run now"
    assert "again" not in blocks


def test_plans_of_ever_larger_batches_do_not_keep_a_block_each():
    cache = PlanCache()
    for size in range(1, 41):
        lend(cache, size, nbytes=size * 4096)
        assert sum(block.memory.size for block in cache._blocks) <= 2 * size * 4096
    for size in range(1, 41):
        lend(cache, size, nbytes=size * 4096)
    assert len(cache) == 40
    assert not any(lend(cache, size) for size in range(1, 41)), "all are found again"


def test_a_plan_that_comes_back_after_a_clear_is_dropped():
    cache = PlanCache()
    with cache.lend("a", lambda arena: Sized()):
        cache.clear()
    assert len(cache) == 0 and cache.nbytes == 0
    assert lend(cache, "a")


def test_a_plan_that_cannot_be_made_leaves_nothing():
    cache = PlanCache()

    def fails(arena):
        arena(1000)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.lend("a", fails)
    assert cache.nbytes == 0


def test_idle_plans_make_way_when_memory_is_short():
    cache, other = PlanCache(), PlanCache()
    lend(cache, "a", own=MIB)
    lend(other, "b", own=MIB)
    tries = []

    def make(arena):
        tries.append(len(cache) + len(other))
        if len(tries) == 1:
            raise MemoryError
        return Sized()

    with cache.lend("c", make):
        pass
    assert tries == [2, 0]

    def never(arena):
        raise MemoryError("still none")

    with pytest.raises(MemoryError, match="still none"):
        cache.lend("d", never)
    lend(other, "b", own=MIB)
    with pytest.raises(MemoryError), cache.lend("c", make):
        raise MemoryError  # while it runs
    assert len(cache) == len(other) == 0


def test_many_batch_sizes_take_no_more_than_the_limit():
    model = network(channels=16, side=32)
    x = np.random.default_rng(0).standard_normal((64, 32, 32, 3)).astype(np.float32)
    whole = model.predict(x, batch_size=64, verbose=0)
    runtime.set_plan_cache_bytes(8 * MIB)
    for size in [*range(1, 65), *range(64, 0, -7)]:
        np.testing.assert_array_equal(model.predict_on_batch(x[:size]), whole[:size])
        assert model._plans.nbytes <= 8 * MIB or len(model._plans) == 1


def count_plans(monkeypatch):
    """A list that grows with every plan that is made."""
    made, original = [], plan_cache.PlanCache._made

    def counting(self, key, make):
        made.append(key)
        return original(self, key, make)

    monkeypatch.setattr(plan_cache.PlanCache, "_made", counting)
    return made


def test_training_with_a_last_partial_batch_makes_its_plans_once(monkeypatch):
    """Even where no memory is granted to idle plans but what the largest needs anyway."""
    made = count_plans(monkeypatch)
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.zeros((70, 16, 16, 3), np.float32), np.zeros(70, int)
    options = {"batch_size": 32, "validation_data": (x[:40], y[:40]), "verbose": 0}
    model.fit(x, y, epochs=4, **options)
    assert len(made) == 4, made  # training and testing, whole batches and partial ones
    model.fit(x, y, epochs=2, **options)
    assert len(made) == 4, made
    blocks = {id(block) for block in model._plans._blocks}
    assert len(blocks) == 1, "training and testing take turns, so one block serves all"


def test_plans_that_were_lent_when_memory_ran_out_are_dropped_when_they_come_back():
    cache = PlanCache()
    runtime.set_plan_cache_bytes(cached_plan_bytes() + 10 * MIB)
    lent = [cache.lend("a", lambda arena: Sized(arena(4 * MIB).size * 0)) for _ in range(5)]
    for entry in lent:
        entry.__exit__(None)
    assert 1 <= len(cache) <= 2
    assert cached_plan_bytes() <= runtime.plan_cache_bytes()


def test_sixteen_threads_predict_different_sizes_at_once():
    model = network()
    x = np.random.default_rng(0).standard_normal((24, 16, 16, 3)).astype(np.float32)
    whole = model.predict(x, verbose=0)
    runtime.set_plan_cache_bytes(2 * MIB)
    wrong, start = [], threading.Barrier(16)

    def work(seed):
        rng = np.random.default_rng(seed)
        start.wait(30)
        for size in rng.integers(1, 25, 20):
            if not np.array_equal(model.predict_on_batch(x[:size]), whole[:size]):
                wrong.append(size)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cached_plan_bytes() <= 2 * MIB or len(model._plans) == 1
    assert not any(block.lent for block in model._plans._blocks)


def many_layers():
    x = layers.Input((12, 12, 3))
    y = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    side = layers.Conv2D(8, 1, strides=2)(y)
    y = layers.DepthwiseConv2D(3, strides=2, padding="same")(y)
    y = layers.LeakyReLU()(layers.add([y, side]))
    y = layers.Concatenate()([y, layers.AveragePooling2D(3, 1, "same")(y)])
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="tanh")(y)
    y = layers.SpatialDropout2D(0.2, seed=3)(layers.LayerNormalization()(y))
    y = layers.UpSampling2D(2)(layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(y)))
    y = layers.Dropout(0.3, seed=4)(layers.GlobalAveragePooling2D()(y))
    return models.Model(x, layers.Dense(5, activation="softmax")(y))


def test_a_block_holds_nothing_between_two_runs():
    """What was there before (NaN here) never shows, neither in outputs nor in weights."""
    model, twin = many_layers(), many_layers()
    twin.set_weights(model.get_weights())
    for each in (model, twin):
        each.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 12, 12, 3)).astype(np.float32), rng.integers(0, 5, 8)
    for _ in range(3):
        for call in ("train_on_batch", "test_on_batch"):
            assert getattr(model, call)(x, y) == getattr(twin, call)(x, y)
            model._plans._blocks[0].memory[:] = 0xFF
        np.testing.assert_array_equal(model.predict_on_batch(x), twin.predict_on_batch(x))
        model._plans._blocks[0].memory[:] = 0xFF
    for one, two in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_threads_that_it_does_not_have():
    """Here a thread holds every lock at the moment of the fork."""
    model = network()
    x = np.zeros((4, 16, 16, 3), np.float32)
    expected = model.predict_on_batch(x)
    with model._plans._lock, plan_cache._registered, live_memory._Live.lock:
        child = os.fork()
        if not child:
            signal.alarm(20)
            same = np.array_equal(model.predict_on_batch(x), expected)
            small = model.predict_on_batch(x[:1])
            os._exit(0 if same and len(small) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_plans_go_with_their_model():
    before = cached_plan_bytes()
    model = network()
    model.predict_on_batch(np.zeros((8, 16, 16, 3)))
    assert cached_plan_bytes() > before
    del model
    gc.collect()
    assert cached_plan_bytes() == before


def test_bad_limits_are_refused():
    for bad in (-1, -(2**40)):
        with pytest.raises(
            ValueError, match=f"`n` must be an integer of at least 0, received {bad}"
        ):
            runtime.set_plan_cache_bytes(bad)
    for bad in (1.5, None, True, "1"):
        with pytest.raises(TypeError, match="`n` must be an integer of at least 0, received"):
            runtime.set_plan_cache_bytes(bad)
    assert runtime.plan_cache_bytes() == 256 * MIB


def test_resident_size_over_many_batch_sizes():
    """In a process of its own, since resident memory has no owner."""
    script = (
        "import resource, numpy as np\n"
        "from fastconv import layers, models\n"
        "size = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "same = dict(padding='same', activation='relu')\n"
        "stack = [layers.Conv2D(32, 3, **same) for _ in range(4)]\n"
        "m = models.Sequential([layers.Input((64, 64, 3)), *stack])\n"
        "x = np.zeros((32, 64, 64, 3), 'f4')\n"
        "m.predict_on_batch(x)\n"
        "start = size()\n"
        "for n in range(31, 15, -1): m.predict_on_batch(x[:n])\n"
        "print(size() - start)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 40, "MiB; a plan for 32 samples has an arena of 32"
