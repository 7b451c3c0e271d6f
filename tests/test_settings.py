"""`backend`, `config`, `mixed_precision`, `random`, `tree` and the names of the package itself."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest

import fastconv
from fastconv import backend, config, layers, mixed_precision, models, random, tree
from fastconv.utils import set_random_seed

Point = namedtuple("Point", "x y")


# Settings -----------------------------------------------------------------------------------------


def test_settings_have_one_value():
    for module in (backend, config):
        module.set_floatx(module.floatx())
        module.set_epsilon(module.epsilon())
        module.set_image_data_format(module.image_data_format())
        for setter, value in (
            (module.set_floatx, "float16"),
            (module.set_epsilon, 1e-3),
            (module.set_image_data_format, "channels_first"),
        ):
            with pytest.raises(ValueError, match="must be"):
                setter(value)
    assert backend.backend() == config.backend() == "fastconv"


def test_models_compute_in_float32_only():
    mixed_precision.set_global_policy("float32")
    policy = mixed_precision.global_policy()
    assert policy == fastconv.DTypePolicy("float32") == config.dtype_policy()
    assert (policy.compute_dtype, policy.variable_dtype) == ("float32", "float32")
    assert mixed_precision.Policy.from_config(policy.get_config()) == policy
    assert layers.Dense(3, dtype=policy).get_config()["dtype"]["config"] == {"name": "float32"}
    for make in (mixed_precision.set_global_policy, mixed_precision.Policy):
        with pytest.raises(ValueError, match="must be 'float32'"):
            make("mixed_float16")


def test_a_cleared_session_counts_names_anew():
    backend.clear_session()
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    x = np.ones((2, 3), np.float32)
    before = model.predict(x, verbose=0)
    assert (model.layers[0].name, backend.get_uid("a"), backend.get_uid("a")) == ("dense", 1, 2)
    backend.clear_session(free_memory=False)
    assert (layers.Dense(2).name, backend.get_uid("a")) == ("dense", 1)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def test_types_by_name():
    assert [backend.standardize_dtype(d) for d in (None, float, int, "bool", np.float64)] == [
        "float32", "float32", "int64", "bool", "float64"
    ]  # fmt: skip
    assert [backend.is_float_dtype(d) for d in ("bfloat16", np.float16, "int8")] == [1, 1, 0]
    assert [backend.is_int_dtype(d) for d in ("uint8", int, "bool", "float32")] == [1, 1, 0, 0]
    with pytest.raises(ValueError, match="must be the name of a type"):
        backend.standardize_dtype("number")
    assert backend.is_keras_tensor(layers.Input((3,)))
    assert not backend.is_keras_tensor(np.zeros(3))


def test_the_package_has_the_base_classes():
    assert fastconv.version() == fastconv.__version__
    for name, module in (("Layer", "layers"), ("Loss", "losses"), ("Metric", "metrics"),
                         ("Optimizer", "optimizers"), ("Initializer", "initializers"),
                         ("Regularizer", "regularizers"), ("Variable", "parameters")):  # fmt: skip
        assert getattr(fastconv, name) is getattr(getattr(fastconv, module), name)


# Random arrays ------------------------------------------------------------------------------------

MOMENTS = {  # arguments, mean and variance of the distribution
    "normal": ({"mean": 2.0, "stddev": 0.5}, 2.0, 0.25),
    "truncated_normal": ({"mean": 1.0, "stddev": 2.0}, 1.0, 4 * 0.7737413),
    "uniform": ({"minval": -1.0, "maxval": 3.0}, 1.0, 16 / 12),
    "randint": ({"minval": 2, "maxval": 8}, 4.5, 35 / 12),
    "gamma": ({"alpha": 3.0}, 3.0, 3.0),
    "beta": ({"alpha": 2.0, "beta": 3.0}, 0.4, 0.04),
    "binomial": ({"counts": 10, "probabilities": 0.3}, 3.0, 2.1),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_distributions_have_their_mean_and_variance(name):
    arguments, mean, variance = MOMENTS[name]
    count = 40_000
    draws = getattr(random, name)((200, count // 200), seed=7, **arguments)
    assert draws.dtype == ("int32" if name == "randint" else "float32")
    values = draws.astype(np.float64)
    assert abs(values.mean() - mean) < 5 * (variance / count) ** 0.5
    assert abs(values.var() - variance) < 0.05 * variance
    if name in ("uniform", "randint"):
        assert values.min() >= arguments["minval"]
        assert values.max() < arguments["maxval"]
    if name == "truncated_normal":
        assert np.abs(values - mean).max() <= 2 * arguments["stddev"] * (1 + 1e-6)


def test_seeds_determine_the_numbers():
    def draw(seed):
        return random.normal((3,), seed=seed).tolist()

    assert draw(1) == draw(1) != draw(2)
    one, other = random.SeedGenerator(5), random.SeedGenerator.from_config({"seed": 5})
    assert draw(one) == draw(other) != draw(one)
    assert one.next() != one.next()
    set_random_seed(3)
    first = draw(None)
    set_random_seed(3)
    assert draw(None) == first != draw(None)


def test_classes_are_drawn_by_their_probabilities():
    logits = np.log([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]])
    drawn = random.categorical(logits, 20_000, seed=1)
    assert drawn.shape == (2, 20_000)
    for row, chances in zip(drawn, np.exp(logits), strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / 20_000, chances, atol=0.015)


def test_parts_are_shuffled_along_an_axis():
    x = np.arange(40).reshape(8, 5)
    y = random.shuffle(x, axis=0, seed=2)
    assert not np.array_equal(x, y)
    np.testing.assert_array_equal(np.sort(y[:, 0]), x[:, 0])
    np.testing.assert_array_equal(y - y[:, :1], x - x[:, :1])
    assert sorted(random.shuffle(x, axis=-1, seed=2)[0]) == x[0].tolist()


def test_dropout_keeps_the_mean():
    x = np.ones((50, 40, 3), np.float32)
    y = random.dropout(x, 0.25, seed=4)
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs(y.mean() - 1) < 0.05
    shared = random.dropout(x, 0.5, noise_shape=(None, 1, 3), seed=4)
    np.testing.assert_array_equal(shared, np.broadcast_to(shared[:, :1], x.shape))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: random.normal((-1,)), "`shape`"),
        (lambda: random.normal((2,), stddev=-1), "`stddev`"),
        (lambda: random.normal((2,), dtype="int32"), "`dtype` must be like"),
        (lambda: random.normal((2,), seed=-1), "`seed`"),
        (lambda: random.randint((2,), 3, 3), "`minval` must be below `maxval`"),
        (lambda: random.categorical([1.0], 3), "`logits` must have shape"),
        (lambda: random.shuffle([1, 2], axis=1), "`axis` must be one of `x`"),
        (lambda: random.dropout([1.0], 1.0), "`rate`"),
        (lambda: random.dropout([1.0], 0.5, (1, 1)), "`noise_shape` must have 1 sizes"),
        (lambda: random.gamma((2,), 0.0), "`alpha` must be positive"),
        (lambda: random.binomial((2,), 3, 1.5), "`probabilities` from 0 to 1"),
    ],
)
def test_impossible_distributions_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Nested structures: all values as Keras gives them ------------------------------------------------


def test_leaves_are_found_in_the_order_of_sorted_keys():
    structure = {"b": 1, "a": [2, (3, None)]}
    assert tree.flatten(structure) == [2, 3, None, 1]
    assert tree.flatten_with_path({"b": 1, "a": [2, 3]}) == [
        (("a", 0), 2),
        (("a", 1), 3),
        (("b",), 1),
    ]
    assert [tree.is_nested(each) for each in (None, "ab", [], Point(1, 2), {})] == [0, 0, 1, 1, 1]
    packed = tree.pack_sequence_as({"b": 1, "a": (2, 3)}, [7, 8, 9])
    assert list(packed.items()) == [("b", 9), ("a", (7, 8))]


def test_functions_are_applied_to_leaves():
    assert tree.map_structure(lambda a, b: a + b, [1, (2,)], [3, (4,)]) == [4, (6,)]
    assert tree.map_structure(lambda v: v + 1, Point(1, [2])) == Point(2, [3])
    with_none = tree.map_structure(lambda _: 5, {"b": 1, "a": None}, none_is_leaf=False)
    assert with_none == {"b": 5, "a": None}
    shallow = tree.map_structure_up_to([0, 0], lambda a, b: (a, b), [[1, 2], [3]], [4, 5])
    assert shallow == [([1, 2], 4), ([3], 5)]
    assert tree.map_shape_structure(lambda s: (*s, 1), {"a": (1, 2), "b": [3, 4]}) == {
        "a": (1, 2, 1), "b": (3, 4, 1)
    }  # fmt: skip
    assert tree.map_shape_structure(len, [(1, 2), (None, 3, 4)]) == [2, 3]


def test_parts_are_visited_from_above_or_below():
    whole, visited = [(1, 2), [3], {"a": 4}], []
    assert tree.traverse(visited.append, whole) == whole
    assert visited == [whole, (1, 2), 1, 2, [3], 3, {"a": 4}, 4]
    visited.clear()
    tree.traverse(visited.append, whole, top_down=False)
    assert visited == [1, 2, (1, 2), 3, [3], 4, {"a": 4}, whole]
    assert tree.traverse(lambda p: tree.MAP_TO_NONE if p == 2 else None, [1, 2]) == [1, None]
    assert tree.traverse(lambda p: 0 if isinstance(p, tuple) else None, [(1,), 2]) == [0, 2]
    assert tree.lists_to_tuples([1, [2, {"a": [3]}]]) == (1, (2, {"a": (3,)}))


def test_structures_are_compared():
    tree.assert_same_structure([1, {"a": 2}], [3, {"a": 4}])
    tree.assert_same_structure([1], (1,), check_types=False)
    tree.assert_same_paths([0, 1], (2, 3))
    for a, b in (([1], (1,)), ([1], [1, 2]), ({"a": 1}, {"b": 1}), ([1], 1), (1, [1])):
        with pytest.raises(ValueError, match="structures must be the same"):
            tree.assert_same_structure(a, b)
    with pytest.raises(ValueError, match="must have the same paths"):
        tree.assert_same_paths([0, 1], [0])
    with pytest.raises(ValueError, match="structures must be the same"):
        tree.map_structure(max, [1], [1, 2])
    with pytest.raises(ValueError, match="must have 2 elements, received 1"):
        tree.pack_sequence_as([1, 2], [1])
    with pytest.raises(TypeError, match="must be a list or tuple"):
        tree.pack_sequence_as([1, 2], 3)
    with pytest.raises(TypeError, match="`func` must be callable"):
        tree.map_structure(3, [1])
    with pytest.raises(TypeError, match="at least one structure"):
        tree.map_structure(max)
