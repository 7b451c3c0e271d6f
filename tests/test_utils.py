"""to_categorical and set_random_seed."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fastconv.utils import normalize, set_random_seed, to_categorical


def test_one_hot_rows():
    rows = to_categorical([0, 3, 1, 3])
    np.testing.assert_array_equal(rows, np.eye(4)[[0, 3, 1, 3]])
    assert rows.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "num_classes", "shape"),
    [
        (np.zeros((5, 1), np.uint8), 3, (5, 3)),  # a last dimension of 1 is dropped
        (np.zeros((1,), int), 3, (1, 3)),
        (np.zeros((2, 4), np.int16), 3, (2, 4, 3)),
        (np.zeros((2, 4, 1), int), 3, (2, 4, 3)),
        (np.int64(2), None, (3,)),
        ([], 3, (0, 3)),
        (np.zeros((0, 1), int), 2, (0, 2)),
        ([True, False], None, (2, 2)),
    ],
)
def test_one_hot_rows_have_the_shape_of_the_labels_and_the_classes(x, num_classes, shape):
    assert to_categorical(x, num_classes).shape == shape


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i4", "<i8", "u8", "f4", "f8"])
def test_every_dtype_of_labels_means_the_same(dtype):
    labels = np.array([2, 0, 1], dtype)
    np.testing.assert_array_equal(to_categorical(labels), np.eye(3)[[2, 0, 1]])


def test_labels_that_are_not_contiguous():
    labels = np.arange(12)[::-3]
    np.testing.assert_array_equal(to_categorical(labels, 12), np.eye(12)[labels])


@pytest.mark.parametrize(
    ("x", "num_classes", "message"),
    [
        ([0, 1, 3], 3, r"labels must be from 0 to 2, received 3 at x\[2\]"),
        ([[0, 1], [-1, 0]], 2, r"labels must be from 0 to 1, received -1 at x\[1, 0\]"),
        ([0, -4], None, r"labels must not be negative, received -4 at x\[1\]"),
        ([-1, -2], None, r"labels must not be negative, received -1 at x\[0\]"),
        ([0.0, 1.5], None, r"labels must be whole numbers, received 1.5 at x\[1\]"),
        ([0.0, np.nan], 3, r"labels must be whole numbers, received nan at x\[1\]"),
        ([np.inf], 3, r"labels must be whole numbers, received inf at x\[0\]"),
        ([1e30], 3, r"labels must be whole numbers, received 1e\+30 at x\[0\]"),
        (
            np.array([2**63], np.uint64),
            3,
            r"labels must be below 2\*\*63, received 9223372036854775808",
        ),
        ([], None, r"`num_classes` must be given, received None"),
        ([0], 0, r"`num_classes` must be at least 1, received 0"),
        ([0], -5, r"`num_classes` must be at least 1, received -5"),
    ],
)
def test_bad_labels_are_value_errors(x, num_classes, message):
    with pytest.raises(ValueError, match=message):
        to_categorical(x, num_classes)


@pytest.mark.parametrize(
    ("x", "num_classes", "message"),
    [
        (["a"], None, "`x` must hold integer labels"),
        ([1j], None, "`x` must hold integer labels"),
        ([None], None, "`x` must hold integer labels"),
        ([0], 2.0, "`num_classes` must be an integer, received 2.0"),
        ([0], True, "`num_classes` must be an integer, received True"),
    ],
)
def test_bad_types_are_type_errors(x, num_classes, message):
    with pytest.raises(TypeError, match=message):
        to_categorical(x, num_classes)


def test_one_seed_sets_every_generator():
    from fastconv.common import randomness

    def draw():
        return random.random(), np.random.random(), randomness.generator().random()

    set_random_seed(12)
    first = draw()
    assert draw() != first
    set_random_seed(np.int64(12))
    assert draw() == first
    set_random_seed(13)
    third = draw()
    assert all(a != b for a, b in zip(first, third, strict=True))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range(seed):
    with pytest.raises(ValueError, match=rf"`seed` must be .* 2\*\*32 - 1, received {seed}"):
        set_random_seed(seed)


@pytest.mark.parametrize("seed", [1.0, "1", None, True])
def test_seeds_that_are_no_integers(seed):
    with pytest.raises(TypeError, match="`seed` must be an integer"):
        set_random_seed(seed)


def test_normalize_gives_rows_of_norm_one():
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(np.linalg.norm(normalize(x), axis=-1), 1)
    np.testing.assert_allclose(np.abs(normalize(x, 0, 1)).sum(0), 1)
    assert normalize(x.astype(np.float32)).dtype == np.float32
    assert normalize(np.zeros((2, 2), int)).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(TypeError, match="`x` must hold real numbers, received dtype complex128"):
        normalize([1j])
    with pytest.raises(ValueError, match="`axis` must be from -2 to 1, received 2"):
        normalize(x, 2)
