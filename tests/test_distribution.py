"""Training in chunks: equal to training on whole batches, but for rounding, whatever the loss."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from fastconv import layers, losses, models, ops, random
from fastconv.distribution import DataParallel, bfloat16, distribution, set_distribution
from fastconv.distribution.data_parallel import active
from fastconv.distribution.tree import Tree
from fastconv.optimizers import SGD
from fastconv.plan import Part, gradient_pieces
from fastconv.training import chunked
from fastconv.utils import set_random_seed

COUNT, CLASSES = 22, 4


@pytest.fixture(autouse=True)
def no_distribution():
    yield
    set_distribution(None)


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(COUNT, 6)).astype(np.float32), rng.integers(0, CLASSES, COUNT)


class AddsLoss(layers.Layer):
    def call(self, x):
        self.add_loss(ops.mean(x * x))
        return x


class Cubic(losses.CustomLoss):
    def row_values(self, y_true, y_pred):
        return np.abs(y_pred - y_true).astype(np.float64).__pow__(3).mean(axis=1)

    def row_gradients(self, y_true, y_pred):
        error = y_pred - y_true
        return 3 * error * np.abs(error) / y_pred.shape[1]


def network(*extra, **dense) -> models.Sequential:
    set_random_seed(5)
    return models.Sequential(
        [layers.Input((6,)), layers.Dense(8, "tanh"), *extra, layers.Dense(CLASSES, **dense)]
    )


def quartic(y_true, y_pred):
    return ops.mean((y_pred - y_true) ** 4, axis=-1)


SPARSE = losses.SparseCategoricalCrossentropy
CASES = {
    "mean": lambda: (network(), SPARSE(from_logits=True), False),
    "softmax": lambda: (network(activation="softmax"), "sparse_categorical_crossentropy", False),
    "sum": lambda: (network(), SPARSE(from_logits=True, reduction="sum"), False),
    "ignored": lambda: (network(), SPARSE(from_logits=True, ignore_class=1), False),
    "weighted mean": lambda: (
        network(),
        SPARSE(from_logits=True, reduction="mean_with_sample_weight"),
        False,
    ),
    "dense": lambda: (network(), "mse", True),
    "traced": lambda: (network(), quartic, True),
    "custom": lambda: (network(), Cubic(), True),
    "penalties": lambda: (
        network(kernel_regularizer="l2", activity_regularizer="l1"),
        "mse",
        True,
    ),
    "added": lambda: (network(AddsLoss()), "mse", True),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_chunks_train_and_test_as_whole_batches_do(case, weighted):
    x, labels = data()
    weights = np.linspace(0, 2, COUNT, dtype=np.float32) if weighted else None
    results = []
    for distribute in (None, DataParallel(chunks=3)):
        model, loss, dense = CASES[case]()
        y = np.eye(CLASSES, dtype=np.float32)[labels] if dense else labels
        model.compile("sgd", loss, metrics=["accuracy"])
        history = model.fit(
            x, y, 10, 2, 0, sample_weight=weights, distribute=distribute, shuffle=False
        ).history
        set_distribution(distribute)
        tested = model.evaluate(x, y, 10, 0, weights)
        results.append((history["loss"], history["accuracy"], tested, *model.get_weights()))
    for whole, divided in zip(*results, strict=True):
        np.testing.assert_allclose(divided, whole, rtol=2e-5, atol=1e-6)


class AddsNoise(layers.Layer):
    def call(self, x):
        width = x.shape[1]
        return x + random.normal((None, width), stddev=0.5) + random.normal((1, width))


NOISES = {
    "dropout": lambda: layers.Dropout(0.5),
    "shared by the batch": lambda: layers.Dropout(0.5, noise_shape=(1, None)),
    "per sample": lambda: layers.Dropout(0.5, noise_shape=(None, 1)),
    "alpha": lambda: layers.AlphaDropout(0.3),
    "noise": lambda: layers.GaussianNoise(0.5),
    "gaussian dropout": lambda: layers.GaussianDropout(0.3),
    "numbers of a class": AddsNoise,
}


@pytest.mark.parametrize("width", [8, 7])
@pytest.mark.parametrize("noise", NOISES)
def test_a_sample_draws_the_same_numbers_in_any_chunk(noise, width):
    """Also with rows of odd length, where a part may begin within a pair of normal numbers."""
    x = np.random.default_rng(3).normal(size=(COUNT, width)).astype(np.float32)
    y = np.zeros((COUNT, 1), np.float32)
    results = []
    for distribute in (None, DataParallel(chunks=3), DataParallel(chunks=7)):
        set_random_seed(5)
        model = models.Sequential(
            [layers.Input((width,)), layers.Dense(width), NOISES[noise](), layers.Dense(1)]
        )
        model.compile(SGD(0.01), "mse")
        model.fit(x, y, 10, 2, 0, distribute=distribute)
        results.append(model.get_weights())
    for whole, *divided in zip(*results, strict=True):
        for each in divided:
            np.testing.assert_allclose(each, whole, rtol=2e-5, atol=1e-6)


AUGMENTATIONS = {
    "rotation": lambda: layers.RandomRotation(0.2),
    "crop": lambda: layers.RandomCrop(5, 5),
    "erasing": lambda: layers.RandomErasing(1.0, fill_value=[1, 2, 3]),
    "noise": lambda: layers.RandomErasing(1.0, fill_value=None),
    "blur": lambda: layers.RandomGaussianBlur(1.0),
    "colours": lambda: layers.RandomColorJitter(brightness_factor=0.5, hue_factor=0.5),
    "several": lambda: layers.RandAugment(),
}


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_an_image_is_augmented_in_the_same_way_in_any_chunk(augmentation):
    images = np.random.default_rng(3).uniform(0, 255, (8, 6, 6, 3)).astype(np.float32)
    model = models.Sequential([layers.Input((6, 6, 3)), AUGMENTATIONS[augmentation]()])
    outputs = []
    for starts in ([0, 8], [0, 2, 3, 8]):
        parts = []
        for first, end in pairwise(starts):
            with model._plan(end - first, "augment") as plan:
                plan.inputs[0][...] = images[first:end]
                plan.run(4, Part(first, end, 8))
                parts.append(plan.outputs[0].copy())
        outputs.append(np.concatenate(parts))
    np.testing.assert_array_equal(*outputs)
    assert not np.array_equal(outputs[0], images)


def test_images_that_are_mixed_over_the_batch_are_refused():
    model = models.Sequential(
        [layers.Input((6, 6, 3)), layers.MixUp(), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    images = np.zeros((8, 6, 6, 3), np.float32)
    with pytest.raises(ValueError, match="cannot be divided into chunks"):
        model.fit(images, np.zeros((8, 1)), verbose=0, distribute=DataParallel())


def test_predictions_are_those_of_whole_batches():
    x, _ = data()
    model = network()
    whole = model.predict(x, batch_size=9, verbose=0)
    set_distribution(DataParallel(chunks=4))
    np.testing.assert_allclose(model.predict(x, batch_size=9, verbose=0), whole, rtol=1e-6)


@pytest.mark.parametrize("several", [False, True], ids=["one call", "two calls"])
def test_moving_averages_take_the_mean_of_the_statistics_of_the_chunks(several):
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    norm = layers.BatchNormalization(momentum=0.5)
    inputs = layers.Input((3,))
    y = norm(inputs)
    if several:
        y = norm(y * 2 + 1)
    model = models.Model(inputs, layers.Dense(1)(y))
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0
    model.fit(x, np.zeros(8), 8, 1, 0, shuffle=False, distribute=DataParallel(chunks=4))
    parts = x.reshape(4, 2, 3)
    mean, variance = parts.mean(1), parts.var(1)
    expected = [0.5 * np.zeros(3) + 0.5 * mean.mean(0), 0.5 + 0.5 * variance.mean(0)]
    if several:
        second = 4 * variance / (variance + 1e-3)
        expected = [0.5 * expected[0] + 0.5, 0.5 * expected[1] + 0.5 * second.mean(0)]
    np.testing.assert_allclose(norm.moving_mean.numpy(), expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.numpy(), expected[1], rtol=1e-5)


def test_frozen_weights_between_trained_ones_do_not_change():
    x, labels = data()
    model = network(
        layers.Dense(8, trainable=False), layers.LayerNormalization(), layers.BatchNormalization()
    )
    model.compile("adam", SPARSE(from_logits=True))
    before = model.get_weights()
    model.fit(x, labels, 10, 1, 0, distribute=DataParallel(chunks=4))
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    frozen = [weight in model.layers[1].weights for weight in model.weights]
    assert changed == [not each for each in frozen]


def test_a_fit_without_distribution_does_not_divide_its_batches(monkeypatch):
    def fail(*_):
        raise AssertionError("the step is divided")

    monkeypatch.setattr(chunked.ChunkedSteps, "__init__", fail)
    monkeypatch.setattr(chunked.ChunkedSteps, "__call__", fail)
    x, labels = data()
    model = network()
    model.compile("sgd", SPARSE(from_logits=True))
    model.fit(x, labels, verbose=0, validation_split=0.5)
    model.predict(x, verbose=0)


def test_neither_the_package_nor_a_fit_imports_mpi4py():
    program = """
import sys
import numpy as np
from fastconv import distribution, layers, models
model = models.Sequential([layers.Input((2,)), layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(np.ones((4, 2)), np.ones(4), verbose=0)
model.fit(np.ones((4, 2)), np.ones(4), verbose=0, distribute=distribution.DataParallel())
assert "mpi4py" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# ------------------------------------------------------------------------------------- the tree


@pytest.mark.parametrize("chunks", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("count", [1, 3, 8, 40])
def test_the_sum_is_the_same_in_any_division_of_the_chunks(count, chunks):
    tree = Tree(count, chunks)
    leaves = {(0, c): f"{c}" for c in range(chunks) if tree.starts[c] < tree.starts[c + 1]}

    def add(left: str, right: str) -> str:
        return f"({left}+{right})"

    whole = tree.total(leaves, add)
    assert whole.count("+") == len(leaves) - 1
    for ranks in (1, 2, 3, 4, 7, 16):
        ends = [chunks * rank // ranks for rank in range(ranks + 1)]
        parts = {
            node: tree.total(leaves, add, node)
            for first, end in pairwise(ends)
            for node in tree.cover(first, end)
        }
        assert tree.total(parts, add) == whole


def test_powers_of_two_own_whole_subtrees():
    tree = Tree(count=64, chunks=8)
    for ranks in (1, 2, 4, 8):
        size = 8 // ranks
        covers = [tree.cover(rank * size, (rank + 1) * size) for rank in range(ranks)]
        assert all(len(cover) == 1 for cover in covers)


def test_bfloat16_rounds_to_the_nearest_and_ties_to_even():
    every = np.arange(1 << 16, dtype=np.uint16)
    values = bfloat16.widen(every)
    back = bfloat16.narrow(values, np.empty_like(every))
    is_nan = np.isnan(values)
    np.testing.assert_array_equal(back[~is_nan], every[~is_nan])
    assert np.isnan(bfloat16.widen(back[is_nan])).all()
    low = every[np.isfinite(values)]  # the step after the largest number is infinity
    middle = (low.astype(np.uint32) << 16) + 0x8000
    for offset, expected in ((-1, low), (0, low + (low & 1)), (1, low + 1)):
        between = (middle + np.int64(offset)).astype(np.uint32).view(np.float32)
        np.testing.assert_array_equal(bfloat16.narrow(between, np.empty_like(low)), expected)


def test_pieces_of_the_gradient_begin_with_the_last_weights():
    model = network(layers.Dense(8), layers.BatchNormalization())
    parameters, averages = model.parameters, set(model.layers[2].non_trainable_weights)
    pieces, rest = gradient_pieces(parameters, averages, 40)
    names = [[weight.path.split("/")[-1] for weight in weights] for _, weights in pieces]
    assert names == [["bias", "kernel"], ["beta", "gamma", "bias"], ["kernel"], ["bias", "kernel"]]
    covered = [part for part, _ in reversed(pieces)] + rest
    assert [part.start for part in covered] == [0, *(part.stop for part in covered[:-1])]
    assert covered[-1].stop == parameters.size


# ------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"chunks": 0}, ValueError, "`chunks`"),
        ({"chunks": 2.5}, TypeError, "`chunks`"),
        ({"reduction": "slow"}, ValueError, "`reduction` must be one of"),
        ({"gradient_dtype": "float16"}, ValueError, "`gradient_dtype` must be one of"),
        ({"gradient_dtype": "bfloat16", "reduction": "fast"}, ValueError, "does not add bfloat16"),
    ],
)
def test_wrong_settings_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        DataParallel(**arguments)


def test_wrong_distributions_are_refused():
    with pytest.raises(ValueError, match="`distribute` must be"):
        active("nccl")
    with pytest.raises(TypeError, match="`value` must be a DataParallel"):
        set_distribution("mpi")
    assert distribution() is None


def test_a_step_of_the_class_cannot_be_divided():
    class Own(models.Sequential):
        def train_step(self, data):
            return {"loss": 0.0}

    model = Own([layers.Input((6,)), layers.Dense(CLASSES)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"Own defines train_step\(\) itself"):
        model.fit(*data(), verbose=0, distribute=DataParallel())


def test_a_loss_that_the_class_computes_cannot_be_divided():
    class Own(models.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return ops.mean(ops.square(y_pred))

    model = Own([layers.Input((6,)), layers.Dense(CLASSES)])
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"Own defines compute_loss\(\) itself"):
        model.fit(*data(), verbose=0, distribute=DataParallel())


def test_statistics_that_change_in_evaluate_are_refused():
    class Always(models.Model):
        def __init__(self):
            super().__init__()
            self.norm = layers.BatchNormalization()

        def call(self, x):
            return self.norm(x, training=True)

    model = Always()
    model.compile("sgd", "mse")
    set_distribution(DataParallel())
    with pytest.raises(ValueError, match="training=True"):
        model.predict(data()[0], verbose=0)


def test_an_mpi_job_without_mpi4py_is_refused(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "4")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"pip install 'fastconv\[mpi\]"):
        DataParallel().ranks  # noqa: B018
