"""fastconv.data.Dataset: elements, order, sizes, and what `fit` makes of them."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from fastconv import layers, models, runtime
from fastconv.data import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY,
    Dataset,
    TensorSpec,
)
from fastconv.utils import set_random_seed

TEN = Dataset.range(10)
X = np.arange(40, dtype=np.float32).reshape(20, 2)
Y = np.arange(20) % 3


def numbers(data) -> list:
    """The elements as Python values."""
    return [
        tuple(map(np.ndarray.tolist, map(np.asarray, each)))
        if isinstance(each, tuple)
        else np.asarray(each).tolist()
        for each in data
    ]


def test_rows_of_arrays_in_tuples_and_dicts():
    (x, labels) = next(iter(Dataset.from_tensor_slices((X, {"class": Y}))))
    np.testing.assert_array_equal(x, [0, 1])
    assert x.dtype == np.float32 and labels == {"class": 0}
    assert numbers(Dataset.from_tensor_slices([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]
    assert numbers(Dataset.from_tensors(([1, 2], 3))) == [([1, 2], 3)]
    assert numbers(Dataset.range(2, 9, 3)) == [2, 5, 8]


def test_elements_are_read_only_views_of_the_arrays():
    source = np.zeros((3, 2))
    (element, *_) = Dataset.from_tensor_slices(source)
    assert np.shares_memory(element, source)
    with pytest.raises(ValueError, match="read-only"):
        element += 1
    source += 1  # the owner may


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TEN.take(3), [0, 1, 2]),
        (TEN.take(-1).skip(7), [7, 8, 9]),
        (TEN.skip(20), []),
        (TEN.skip(-1), []),
        (TEN.shard(4, 1), [1, 5, 9]),
        (TEN.take(2).repeat(2), [0, 1, 0, 1]),
        (TEN.take(2).repeat(0), []),
        (TEN.take(2).repeat().take(5), [0, 1, 0, 1, 0]),
        (TEN.take(2).concatenate(TEN.skip(8)), [0, 1, 8, 9]),
        (TEN.filter(lambda n: n % 4 == 1), [1, 5, 9]),
        (TEN.take_while(lambda n: n < 3), [0, 1, 2]),
        (TEN.map(lambda n: n**2).take(3), [0, 1, 4]),
        (TEN.batch(4), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]),
        (TEN.batch(4, drop_remainder=True), [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (TEN.map(lambda n: n + 1).batch(4).skip(2), [[9, 10]]),
        (TEN.batch(4).unbatch().take(5), [0, 1, 2, 3, 4]),
        (TEN.batch(4).rebatch(5), [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]),
        (TEN.batch(2).rebatch(4, drop_remainder=True), [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (TEN.enumerate(5).take(2), [(5, 0), (6, 1)]),
        (Dataset.zip(TEN, TEN.skip(8)), [(0, 8), (1, 9)]),
        (Dataset.zip((TEN, TEN.skip(9))), [(0, 9)]),
        (TEN.take(3).flat_map(lambda n: TEN.take(int(n))), [0, 0, 1]),
        (
            TEN.take(3).interleave(lambda n: TEN.skip(int(n)).take(3), 2, 2),
            [0, 1, 1, 2, 2, 3, 2, 3, 4],
        ),
        (TEN.cache().take(2), [0, 1]),
        (TEN.prefetch(AUTOTUNE).take(2), [0, 1]),
        (TEN.apply(lambda data: data.take(1)), [0]),
    ],
)
def test_transformations(data, expected):
    assert numbers(data) == expected
    assert numbers(data.as_numpy_iterator()) == expected
    if data.cardinality() >= 0:
        assert len(data) == len(expected)


def test_dicts_are_zipped_and_mapped_as_one_argument():
    data = Dataset.zip({"a": TEN, "b": TEN.skip(1)}).map(lambda d: d["a"] * d["b"])
    assert numbers(data.take(3)) == [0, 2, 6]


def test_reduce():
    assert TEN.reduce(np.int64(0), lambda total, n: total + n) == 45


def test_unknown_and_infinite_numbers_of_elements():
    filtered, endless = TEN.filter(lambda n: n > 3), TEN.repeat()
    assert filtered.cardinality() == UNKNOWN_CARDINALITY
    assert filtered.batch(2).repeat(3).cardinality() == UNKNOWN_CARDINALITY
    assert endless.shuffle(3).batch(2).cardinality() == INFINITE_CARDINALITY
    assert endless.take(7).cardinality() == 7
    assert Dataset.zip(endless, TEN).cardinality() == 10
    assert TEN.concatenate(filtered).cardinality() == UNKNOWN_CARDINALITY
    for data, kind in ((filtered, "unknown"), (endless, "infinite")):
        assert data
        with pytest.raises(TypeError, match=kind):
            len(data)


def test_element_spec():
    data = Dataset.from_tensor_slices((X, Y)).batch(4)
    assert data.element_spec == (TensorSpec((4, 2), X.dtype), TensorSpec((4,), Y.dtype))


# Order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 10, 99])
@pytest.mark.parametrize("rows", [True, False], ids=["rows", "elements"])
def test_a_shuffle_moves_every_element_at_most_a_buffer_ahead(size, rows):
    data = TEN if rows else TEN.map(lambda n: n)
    order = numbers(data.shuffle(size, seed=2))
    assert sorted(order) == list(range(10))
    assert all(place >= n - size + 1 for place, n in enumerate(order))
    assert order == numbers(TEN.shuffle(size, seed=2))
    assert (order == list(range(10))) == (size == 1)


def test_every_pass_has_an_order_of_its_own_unless_told_otherwise():
    again, fixed = TEN.shuffle(10, 3), TEN.shuffle(10, 3, reshuffle_each_iteration=False)
    passes = [tuple(numbers(again)) for _ in range(3)]
    assert len(set(passes)) == 3
    assert [tuple(numbers(again.take(10))) for _ in range(1)] == passes[:1]
    assert numbers(fixed) == numbers(fixed)
    repeated = numbers(TEN.shuffle(10, 3).repeat(2).batch(10))
    assert repeated[0] != repeated[1]


def test_parts_of_an_unseeded_fixed_order_do_not_overlap():
    data = TEN.shuffle(10, reshuffle_each_iteration=False)
    assert sorted(numbers(data.take(4)) + numbers(data.skip(4))) == list(range(10))


def test_an_unseeded_order_is_that_of_the_random_seed():
    def order(seed):
        set_random_seed(seed)
        return numbers(TEN.shuffle(10))

    assert order(1) == order(1) != order(2)


def test_every_order_of_three_is_equally_likely():
    data, count = Dataset.range(3).shuffle(3, seed=0), 1200
    orders = [tuple(numbers(data)) for _ in range(count)]
    found = np.unique(orders, axis=0, return_counts=True)[1]
    expected = count / 6
    # Chi-squared with 5 degrees of freedom exceeds 20.5 with probability 0.001.
    assert len(found) == 6 and ((found - expected) ** 2 / expected).sum() < 20.5


# Threads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 5, AUTOTUNE])
def test_threads_keep_the_order(workers):
    def slow(n):
        time.sleep(0.001 * (3 - int(n) % 4))
        return n * 2

    assert numbers(TEN.map(slow, num_parallel_calls=workers)) == list(range(0, 20, 2))


def test_threads_run_at_the_same_time_and_end():
    together = threading.Barrier(2, timeout=30)

    def both(n):
        together.wait()
        return n

    before = threading.active_count()
    assert numbers(TEN.map(both, num_parallel_calls=2)) == list(range(10))
    assert threading.active_count() <= before + 2  # idle threads of the pool end by themselves


def test_an_error_in_a_thread_is_raised_at_its_element():
    def fail(n):
        if n == 3:
            raise RuntimeError("at 3")
        return n

    elements = iter(TEN.map(fail, num_parallel_calls=2).prefetch(2))
    assert [int(next(elements)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="at 3"):
        next(elements)


# cache and generators -----------------------------------------------------------------------------


def test_a_cache_computes_every_element_once():
    calls = []
    data = TEN.map(lambda n: calls.append(n) or n).cache().shuffle(10, seed=1)
    first, second = numbers(data), numbers(data)
    assert sorted(first) == sorted(second) == list(range(10)) and first != second
    assert len(calls) == 10


def test_a_cache_is_not_made_of_an_incomplete_pass():
    data = TEN.cache()
    assert numbers(data.take(3)) == [0, 1, 2]
    assert numbers(data) == list(range(10))


def test_a_generator_starts_anew_in_every_pass():
    def squares(limit):
        for n in range(limit):
            yield [n, n * n], n

    spec = (TensorSpec((2,), np.float32), TensorSpec((), np.int32))
    data = Dataset.from_generator(squares, output_signature=spec, args=(3,))
    assert numbers(data) == numbers(data) == [([0, 0], 0), ([1, 1], 1), ([2, 4], 2)]
    assert data.element_spec == (
        TensorSpec((2,), np.dtype(np.float32)),
        TensorSpec((), np.dtype(np.int32)),
    )
    typed = Dataset.from_generator(lambda: iter([1, 2]), "float64", ())
    assert next(iter(typed)).dtype == np.float64
    wrong = Dataset.from_generator(lambda: iter([[1, 2]]), "float64", (3,))
    with pytest.raises(ValueError, match=r"must yield arrays of shape \(3,\), received \(2,\)"):
        list(wrong)


def test_files(tmp_path):
    for name in ("b.txt", "a.txt", "c.png"):
        (tmp_path / name).write_text(name)
    data = Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False)
    assert numbers(data) == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    shuffled = Dataset.list_files(str(tmp_path / "*.txt"), seed=1)
    assert sorted(numbers(shuffled)) == numbers(data)
    with pytest.raises(ValueError, match="must match a file"):
        Dataset.list_files(str(tmp_path / "*.gif"))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dataset.from_tensor_slices((X, Y[:3])), ValueError, "first axis of one length"),
        (lambda: Dataset.from_tensor_slices(3), ValueError, "first axis of one length"),
        (lambda: Dataset.from_tensor_slices((X, None)), ValueError, "received None"),
        (lambda: Dataset.from_generator([1]), TypeError, "`generator` must be a function"),
        (lambda: TEN.batch(0), ValueError, "`batch_size` must be positive"),
        (lambda: TEN.shuffle(0), ValueError, "`buffer_size` must be positive"),
        (lambda: TEN.shard(2, 2), ValueError, "`index` must be below"),
        (lambda: TEN.map(abs, num_parallel_calls=0), ValueError, "`num_parallel_calls`"),
        (lambda: TEN.cache("file"), ValueError, "`filename` must be empty"),
        (lambda: Dataset.zip(TEN, [1]), TypeError, "must be a Dataset, received list"),
        (lambda: list(TEN.unbatch()), ValueError, "`unbatch` needs arrays with a first axis"),
        (lambda: TEN.take(0).element_spec, ValueError, "without elements"),
        (
            lambda: list(TEN.map(lambda n: np.zeros(int(n))).batch(2)),
            ValueError,
            r"same shapes, received \(0,\) and \(1,\); resize",
        ),
        (
            lambda: list(TEN.map(lambda n: (n, n) if n else n).batch(2)),
            ValueError,
            r"same structure, received \(., .\) and .",
        ),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


# Training -----------------------------------------------------------------------------------------


def linear():
    set_random_seed(4)
    model = models.Sequential([layers.Input((2,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_fit_evaluate_and_predict_give_the_bits_of_arrays():
    data, one, other = Dataset.from_tensor_slices((X, Y)).batch(8), linear(), linear()
    history = one.fit(data, epochs=2, validation_data=data.take(1), verbose=0).history
    expected = other.fit(
        X, Y, batch_size=8, epochs=2, shuffle=False, validation_data=(X[:8], Y[:8]), verbose=0
    ).history
    assert history == expected
    assert one.evaluate(data, verbose=0) == other.evaluate(X, Y, batch_size=8, verbose=0)
    np.testing.assert_array_equal(
        one.predict(data.map(lambda x, y: x), verbose=0), other.predict(X, batch_size=8, verbose=0)
    )
    np.testing.assert_array_equal(one.predict(data, verbose=0), other.predict(X, 8, verbose=0))


def test_class_weight_applies_to_every_source_of_batches():
    weights, expected = {0: 3.0, 2: 0.25}, linear()
    expected.fit(X, Y, batch_size=8, shuffle=False, class_weight=weights, verbose=0)
    batches = [(X[start : start + 8], Y[start : start + 8]) for start in (0, 8, 16)]
    for source in (batches, iter(batches), Dataset.from_tensor_slices((X, Y)).batch(8)):
        if source is batches:
            source = type("Again", (), {"__iter__": lambda self: iter(batches)})()
        model = linear()
        model.fit(source, class_weight=weights, verbose=0)
        for found, wanted in zip(model.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_class_weight_of_one_output_takes_labels_that_a_batch_does_not_have():
    model = models.Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    data = Dataset.from_tensor_slices((X, Y)).batch(1)
    model.fit(data, class_weight={0: 1.0, 2: 5.0}, verbose=0)
    with pytest.raises(ValueError, match=r"received \['a'\]"):
        model.fit(data, class_weight={"a": 1.0}, verbose=0)


def test_endless_data_need_steps():
    model, data = linear(), Dataset.from_tensor_slices((X, Y)).batch(4).repeat()
    assert len(model.fit(data, epochs=3, steps_per_epoch=2, verbose=0).history["loss"]) == 3
    for call, name in ((model.fit, "steps_per_epoch"), (model.predict, "steps")):
        with pytest.raises(ValueError, match=f"`{name}` must be given for data without an end"):
            call(data, verbose=0)


def test_dicts_feed_inputs_by_name():
    a, b = layers.Input((2,), name="a"), layers.Input((2,), name="b")
    model = models.Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
    model.compile("sgd", "mse")
    data = Dataset.from_tensor_slices(({"b": X, "a": X + 1}, Y.astype(np.float32))).batch(5)
    expected = model.predict([X + 1, X], verbose=0)
    np.testing.assert_allclose(model.predict(data, verbose=0), expected, rtol=1e-6)


def test_a_normalization_adapts_to_a_data_set():
    layer, other = layers.Normalization(), layers.Normalization()
    layer.adapt(Dataset.from_tensor_slices((X, Y)).batch(7))
    other.adapt(X)
    for found, expected in zip(layer.get_weights()[:2], other.get_weights()[:2], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_threads_do_not_change_the_bits_of_a_fit():
    def weights(threads):
        before = runtime.get_num_threads()
        runtime.set_num_threads(threads)
        try:
            model = linear()
            data = Dataset.from_tensor_slices((X, Y)).shuffle(20, seed=1).batch(4)
            data = data.map(lambda x, y: (x / 2, y), AUTOTUNE).prefetch(AUTOTUNE)
            model.fit(data, epochs=3, verbose=0)
            return model.get_weights()
        finally:
            runtime.set_num_threads(before)

    for one, two in zip(weights(1), weights(2), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("size", "shift", "stride"),
    [(3, None, 1), (3, 1, 1), (2, 4, 1), (2, 5, 2), (3, 2, 3), (9, 1, 1)],
)
def test_windows(size, shift, stride, whole):
    data = Dataset.range(8)
    found = data.window(size, shift, stride, whole)
    expected = [
        list(range(begin, 8, stride))[:size]
        for begin in range(0, 8, size if shift is None else shift)
    ]
    expected = [window for window in expected if not whole or len(window) == size]
    assert [[int(n) for n in window] for window in found] == expected
    assert found.cardinality() == len(expected)


def test_windows_of_tuples_are_tuples_of_data_sets():
    data = Dataset.from_tensor_slices((np.arange(4), np.arange(4) * 2.0)).window(2)
    pairs = [(x.batch(2), y.batch(2)) for x, y in data]
    assert [(next(iter(x)).tolist(), next(iter(y)).tolist()) for x, y in pairs] == [
        ([0, 1], [0.0, 2.0]),
        ([2, 3], [4.0, 6.0]),
    ]
    with pytest.raises(ValueError, match="`shift` must be positive, received 0"):
        Dataset.range(3).window(2, shift=0)


def test_padded_batches_have_the_largest_size_of_each_batch():
    pairs = Dataset.range(1, 6).map(lambda n: (np.full((n, 2), n, np.float32), n))
    batches = list(pairs.padded_batch(2, padding_values=-1))
    assert [x.shape for x, _ in batches] == [(2, 2, 2), (2, 4, 2), (1, 5, 2)]
    assert [y.tolist() for _, y in batches] == [[1, 2], [3, 4], [5]]
    x, _ = batches[0]
    np.testing.assert_array_equal(x, [[[1, 1], [-1, -1]], [[2, 2], [2, 2]]])
    assert x.dtype == np.float32
    assert len(list(pairs.padded_batch(2, drop_remainder=True))) == 2
    assert pairs.padded_batch(2).cardinality() == 3


def test_padded_batches_of_other_ranks_or_given_shapes_are_refused():
    ranks = Dataset.range(1, 3).map(lambda n: np.zeros((1,) * int(n)))
    with pytest.raises(ValueError, match=r"must have one number of axes, received \{1, 2\}"):
        list(ranks.padded_batch(2))
    with pytest.raises(ValueError, match=r"`padded_shapes` must be None.*received \(3,\)"):
        ranks.padded_batch(2, (3,))
    with pytest.raises(TypeError, match="`padding_values` must be a number"):
        ranks.padded_batch(2, padding_values="0")
