"""The plan: memory placement, fusion, gradients of whole networks, and what a step costs."""

from __future__ import annotations

import gc
import re
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv import layers, losses, models, runtime
from fastconv.layers import conv
from fastconv.optimizers import SGD
from fastconv.plan import Plan, PlanCache, Updates, fuse, operations
from fastconv.plan.arena import ALIGNMENT, Lifetime, peak_of, place
from fastconv.plan.tape import Tape
from fastconv.shapes import conv2d_geometry
from fastconv.utils import set_random_seed


@pytest.fixture(autouse=True)
def seeded():
    set_random_seed(1)


# ------------------------------------------------------------------------------------------- arena

lifetimes = st.lists(
    st.builds(
        lambda nbytes, first, length: Lifetime(nbytes, first, first + length),
        st.integers(1, 5000),
        st.integers(-1, 30),
        st.integers(0, 10),
    ),
    max_size=40,
)


@given(lifetimes)
def test_buffers_that_live_together_never_overlap(buffers):
    offsets, total = place(buffers)
    for i, a in enumerate(buffers):
        assert offsets[i] % ALIGNMENT == 0
        assert offsets[i] + a.nbytes <= total
        for j, b in enumerate(buffers[:i]):
            together = a.first <= b.last and b.first <= a.last
            apart = offsets[i] + a.nbytes <= offsets[j] or offsets[j] + b.nbytes <= offsets[i]
            assert apart or not together


@given(lifetimes)
def test_the_block_is_no_larger_than_all_buffers_and_no_smaller_than_the_peak(buffers):
    _, total = place(buffers)
    assert peak_of(buffers) <= total <= sum(b.nbytes + ALIGNMENT - 1 for b in buffers)


def test_a_chain_needs_the_memory_of_two_neighbours():
    chain = [Lifetime(1000, step, step + 1) for step in range(50)]
    assert place(chain)[1] == peak_of(chain) == 2 * 1024


def test_tensors_live_from_first_to_last_use():
    tape = Tape()
    a, b, c = tape.input((64,)), tape.tensor((64,)), tape.tensor((64,))
    tape.emit(lambda: "first", a, b)
    tape.emit(lambda: "second", b, c)
    tape.keep(c)
    operations, total = tape.bind()
    assert operations == ["first", "second"]
    assert total == 2 * 64 * 4  # c takes the place of a
    assert a.array.ctypes.data == c.array.ctypes.data
    assert b.array.ctypes.data != c.array.ctypes.data
    assert a.array.ctypes.data % ALIGNMENT == 0


# -------------------------------------------------------------------------------- fusion, program


def chain_of(*stack, shape=(8, 8, 3)):
    model = models.Sequential([layers.Input(shape), *stack])
    return model.graph(), model


def nodes_of(graph):
    return [node.operation for node in graph.nodes]


def ops_of(model, mode, loss=None, batch=2):
    options = {}
    if mode != "infer":
        options["losses"] = [losses.get(loss or "mse").operation(after_softmax=True)]
    plan = Plan(model.graph(), batch, model.parameters, mode=mode, **options)
    return [describe(op) for op in plan._program.ops], plan


def describe(op):
    """ "conv forward", whichever of the algorithms it is."""
    if type(op).__name__ == "RowLoss":
        return op.kind.replace("_", " ")
    words = re.findall("[A-Z][a-z]+", type(op).__name__)
    if "_conv" in type(op).__module__:
        words[0] = "conv"
    return " ".join(word for word in map(str.lower, words) if word not in ("max", "average"))


def test_activations_join_the_operation_before():
    chain, _ = chain_of(layers.Conv2D(2, 3, activation="relu"), layers.Flatten(), layers.Dense(2),
                        layers.Dropout(0.5), layers.Activation("tanh"), layers.ReLU())  # fmt: skip
    fused = nodes_of(fuse(chain, "infer"))
    assert [type(operation).__name__ for operation in fused] == [
        "Convolution", "Reshape", "Dense", "Activation",
    ]  # fmt: skip
    assert fused[0].activation == operations.Activation("relu")
    assert fused[2].activation == operations.Activation("tanh")
    kinds = [type(operation).__name__ for operation in nodes_of(fuse(chain, "train"))]
    assert kinds == [
        "Convolution", "Reshape", "Dense", "Dropout", "Activation", "Activation",
    ]  # fmt: skip


def lecture_network():
    return models.Sequential([
        layers.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"), layers.Flatten(),
        layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip


def test_the_program_of_the_lecture_network():
    """Five weighted layers, two poolings: no separate ReLU either way, no softmax, no first dx.

    What is not trained pools within the convolutions.
    """
    names, _ = ops_of(lecture_network(), "train", "categorical_crossentropy")
    assert names == [
        "conv forward", "pool forward", "conv forward", "pool forward", "conv forward",
        "dense forward", "dense forward", "softmax cross entropy",
        "dense backward kernel", "dense backward input",
        "dense backward kernel", "dense backward input",
        "conv backward kernel", "conv backward input",
        "pool backward", "conv backward kernel", "conv backward input",
        "pool backward", "conv backward kernel",
    ]  # fmt: skip
    names, _ = ops_of(lecture_network(), "infer")
    assert names == ["conv forward"] * 3 + ["dense forward"] * 2 + ["softmax forward"]


def test_memory_is_shared_and_counted():
    model = lecture_network()
    _, infer = ops_of(model, "infer", batch=64)
    _, train = ops_of(model, "train", "categorical_crossentropy", batch=64)
    conv1, pool1, pool2 = (64 * pixels * 4 for pixels in (26 * 26 * 32, 13 * 13 * 32, 5 * 5 * 64))
    assert infer.peak_bytes == pool1 + pool2
    # Kept for backward: pool1, conv2 and so on; but not conv1, whose ReLU is undone in the pool.
    everything = sum(64 * np.prod(x.output_shape[1:]) * 4 for x in model.layers)
    assert infer.peak_bytes < train.peak_bytes < 2 * everything
    assert train.peak_bytes < 1.35 * (2 * conv1)


def gradients(model, x, y, loss):
    operation = losses.get(loss).operation(after_softmax=True)
    plan = Plan(model.graph(), len(x), model.parameters, mode="train", losses=[operation])
    run(plan, x, y)
    return plan, model.parameters.gradient.copy()


def run(plan, x, y, draw=1):
    """One run; the inputs are written anew each time, since a run may reuse their memory."""
    plan.inputs[0][...], plan.targets[0][...] = x, y
    plan.run(draw)


NETWORKS = {
    "smooth": lambda: [
        layers.Conv2D(4, 3, padding="same", activation="tanh"), layers.AveragePooling2D(2),
        layers.Conv2D(3, 2, strides=2, activation="sigmoid"), layers.Flatten(), layers.Dense(3),
    ],
    "relu": lambda: [
        layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(2), layers.LeakyReLU(),
        layers.Conv2D(5, 2, padding="same"), layers.ReLU(), layers.Activation("tanh"),
        layers.Dense(3, activation="leaky_relu"), layers.MaxPooling2D(2, 1), layers.Flatten(),
        layers.Dense(3, use_bias=False),
    ],
    "softmax inside": lambda: [
        layers.Flatten(), layers.Dense(6, activation="softmax"), layers.Dense(3),
    ],
    "dropout": lambda: [
        layers.Dropout(0.3, seed=1), layers.Flatten(), layers.Dense(8, activation="tanh"),
        layers.Dropout(0.5, seed=2), layers.Dense(3),
    ],
    "any rank": lambda: [
        layers.Dense(5, activation="tanh"), layers.Dense(2, activation="sigmoid"),
        layers.Softmax(), layers.Flatten(), layers.Dense(3),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_is_the_slope_of_the_loss(name):
    """Along random directions: (f(w + e d) - f(w - e d)) / 2e = <gradient, d>."""
    rng = np.random.default_rng(3)
    model = models.Sequential([layers.Input((8, 8, 2)), *NETWORKS[name]()])
    model.set_weights([w + 0.1 * rng.standard_normal(w.shape) for w in model.get_weights()])
    x = rng.standard_normal((5, 8, 8, 2)).astype(np.float32)
    y = rng.standard_normal((5, 3)).astype(np.float32)
    plan, gradient = gradients(model, x, y, "mse")
    start, epsilon = model.parameters.values.copy(), 5e-4
    errors = []
    for _ in range(9):
        direction = rng.standard_normal(start.size).astype(np.float32)
        values = []
        for sign in (1, -1):
            model.parameters.values[...] = start + sign * epsilon * direction
            run(plan, x, y)
            values.append(plan.losses[0].mean())
        slope = (values[0] - values[1]) / (2 * epsilon)
        errors.append(abs(slope - gradient.astype(np.float64) @ direction))
    # The median: some of the steps cross a kink of a ReLU, where there is no one slope.
    assert np.median(errors) < 0.005 * np.linalg.norm(gradient)


def test_relu_undone_in_the_pool_equals_relu_undone_by_itself():
    rng = np.random.default_rng(4)
    together = models.Sequential([
        layers.Input((9, 9, 3)), layers.Conv2D(5, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(2),
    ])  # fmt: skip
    apart = models.Sequential([
        layers.Input((9, 9, 3)), layers.Conv2D(5, 3), layers.MaxPooling2D(), layers.ReLU(),
        layers.Flatten(), layers.Dense(2),
    ])  # fmt: skip
    apart.set_weights(together.get_weights())
    x = rng.standard_normal((4, 9, 9, 3)).astype(np.float32)
    y = rng.standard_normal((4, 2)).astype(np.float32)
    (_, a), (_, b) = gradients(together, x, y, "mse"), gradients(apart, x, y, "mse")
    np.testing.assert_array_equal(a, b)
    assert np.abs(a).max() > 0


def test_frozen_layers_have_no_gradient_and_nothing_is_computed_below_the_last_of_them():
    model = lecture_network()
    for layer in model.layers[:-1]:
        layer.trainable = False
    names, _ = ops_of(model, "train", "categorical_crossentropy")
    assert names[-2:] == ["softmax cross entropy", "dense backward kernel"]


def test_same_bits_at_any_number_of_threads():
    rng = np.random.default_rng(5)
    model = lecture_network()
    x = rng.standard_normal((9, 28, 28, 1)).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 9)]
    results = []
    for threads in (1, 2, 3, 7):
        with runtime.num_threads(threads):
            plan, gradient = gradients(model, x, y, "categorical_crossentropy")
            results.append((gradient, plan.outputs[0].copy(), plan.losses[0].copy()))
    for result in results[1:]:
        for a, b in zip(results[0], result, strict=True):
            np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------ steps, life, cache


def test_a_steady_state_step_allocates_nothing():
    model = lecture_network()
    optimizer = SGD(0.01, momentum=0.9)
    operation = losses.get("categorical_crossentropy").operation(after_softmax=True)
    plan = Plan(
        model.graph(), 8, model.parameters, mode="train", losses=[operation],
        updates=Updates(optimizer, model.parameters),
    )  # fmt: skip
    plan.run()
    gc.collect()
    tracemalloc.start()
    try:
        for draw in range(3):
            plan.run(draw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096  # a few Python integers, no array


def test_inference_sees_weights_that_have_changed():
    """Plans that do not train keep packed filters; a new version of the weights renews them."""
    model = models.Sequential([layers.Input((6, 6, 8)), layers.Conv2D(8, 3), layers.Flatten()])
    x = np.ones((2, 6, 6, 8), np.float32)
    first = model.predict(x, verbose=0)
    model.set_weights([2 * w for w in model.get_weights()])
    np.testing.assert_allclose(model.predict(x, verbose=0), 2 * first, rtol=1e-5)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((2, 128)), verbose=0)
    after = model.predict(x, verbose=0)
    copy = models.Sequential.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(after, copy.predict(x, verbose=0))


def test_dropout_masks_follow_the_draw():
    model = models.Sequential([layers.Input((500,)), layers.Dropout(0.4, seed=3), layers.Dense(1)])
    operation = losses.get("mse").operation(after_softmax=False)
    plan = Plan(model.graph(), 4, model.parameters, mode="train", losses=[operation])
    outputs = []
    for draw in (1, 2, 1):
        run(plan, 1, 0, draw)
        outputs.append(plan.outputs[0].copy())
    np.testing.assert_array_equal(outputs[0], outputs[2])
    assert not np.array_equal(outputs[0], outputs[1])


def test_every_thread_gets_a_plan_of_its_own():
    cache = PlanCache()
    barrier, plans = threading.Barrier(4), []

    def work():
        with cache.lend("key", lambda arena: object()) as plan:
            plans.append(plan)
            barrier.wait(timeout=10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, plans))) == 4
    assert len(cache) == 4


def test_mode_and_loss_belong_together():
    _, model = chain_of(layers.Flatten())
    with pytest.raises(ValueError, match="`mode` must be one of .*received 'learn'"):
        Plan(model.graph(), 1, model.parameters, mode="learn")
    with pytest.raises(ValueError, match="a loss belongs to the modes"):
        Plan(
            model.graph(),
            1,
            model.parameters,
            mode="infer",
            losses=[losses.get("mse").operation(False)],
        )


def test_the_geometry_of_a_layer_is_worked_out_once(monkeypatch):
    calls = []

    def counted(*arguments, **options):
        calls.append(arguments)
        return conv2d_geometry(*arguments, **options)

    monkeypatch.setattr(conv, "conv2d_geometry", counted)
    # Sizes of no other test, whose geometry might be known already.
    stack = [layers.Conv2D(3, 5), layers.Conv2D(4, 3), layers.MaxPooling2D(2), layers.Conv2D(5, 3)]
    _, model = chain_of(*stack, shape=(37, 41, 2))
    for batch in (2, 3):
        plan = Plan(model.graph(), batch, model.parameters)
        assert plan.outputs[0].shape == (batch, 13, 15, 5)
    assert len(calls) == 3
