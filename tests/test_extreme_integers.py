"""Integers up to 10^30 in every parameter: a right result or a documented error, and at once.

The tables and the program that works through them are in `extreme_integers`; it runs in a process
of its own with little memory and a time limit per call, because a fault shows as a hang, as an
absurd allocation or as a crash.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import filters, layers, metrics, models, ops, shapes
from fastconv.inspect.windows import Window
from fastconv.ops import compiled
from fastconv.shapes.sparse_axis import Axis
from tests.support.extreme_integers import judge, replacements
from tests.support.extreme_integers import layers as layer_table
from tests.support.extreme_integers import operations as operation_table
from tests.support.extreme_integers import others as other_table

CHECKOUT = str(Path(__file__).parents[1])
TABLES = ("operations", "pairs", "layers", "others")


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
@pytest.mark.parametrize("table", TABLES)
def test_extreme_integers_give_a_right_result_or_a_documented_error(table):
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.extreme_integers", table],
        capture_output=True,
        text=True,
        timeout=500,
        env=os.environ | {"PYTHONPATH": CHECKOUT},
    )
    assert not done.stdout, done.stdout
    assert done.returncode == 0, done.stderr[-3000:]


def test_nothing_is_missing_in_the_tables():
    assert set(operation_table.OPERATIONS) <= set(ops.__all__)
    assert set(layer_table.LAYERS) == set(layers.CLASSES)
    assert other_table.others_missing() == []


def test_the_program_reports_what_is_wrong(capsys, monkeypatch):
    monkeypatch.setattr(judge, "_watch", lambda: None)

    def overflow():
        raise OverflowError("int too big to convert")

    def wrong():
        raise AssertionError("3 is not 4")

    def right():
        raise ValueError("`size` must fit in 64 bits")

    judge.judge("a", overflow)
    judge.judge("b", wrong)
    judge.judge("c", right)
    assert capsys.readouterr().out.splitlines() == [
        "a: OverflowError: int too big to convert",
        "b: AssertionError: 3 is not 4",
    ]


def test_replacements_reach_every_integer():
    found = list(replacements.replacements({"a": ((1, 2), True, "b"), "c": [3.0, 4]}, "f"))
    assert len(found) == 3 * len(replacements.EXTREMES)
    assert found[0] == ("f['a'][0][0]", {"a": ((0, 2), True, "b"), "c": [3.0, 4]}, 0)


# ------------------------------------------------------------------- strides beyond the image

SIZES, COUNTS = st.integers(1, 6), st.integers(1, 4)
STEPS = st.one_of(st.integers(1, 12), st.integers(1, 60), st.integers(1, 2**62))


@st.composite
def axes(draw) -> Axis:
    """Axes with the first window or tap anywhere, and as many windows as fit on them."""
    size, taps, stride, dilation = draw(SIZES), draw(COUNTS), draw(STEPS), draw(STEPS)
    span = (taps - 1) * dilation + 1
    reach = (draw(COUNTS) - 1) * stride + span
    near = draw(st.integers(0, 3)) * stride + draw(st.integers(0, 3)) * dilation
    for before in (max(draw(st.sampled_from((0, near, reach, near - size))), 0), 0):
        after = max(reach - before - size, 0)
        windows = (before + size + after - span) // stride + 1
        if windows <= 6:
            break
    return Axis(size, taps, dilation, windows, stride, before, after)


def places(axis: Axis) -> np.ndarray:
    """What tap t of window o meets: an element, -1 for before the image, `size` for behind it."""
    return np.array(
        [
            [
                max(-1, min(axis.size, o * axis.stride + t * axis.dilation - axis.before))
                for t in range(axis.taps)
            ]
            for o in range(axis.windows)
        ]
    )


@given(axes())
def test_a_compact_axis_meets_the_same_elements(axis):
    compact = axis.compact()
    np.testing.assert_array_equal(places(compact), places(axis))
    assert not compact.is_sparse()
    assert compact.compact() == compact
    assert compact.stride <= axis.stride and compact.dilation <= axis.dilation
    reach = (axis.windows - 1) * compact.stride + (axis.taps - 1) * compact.dilation + 1
    assert min(compact.before, compact.after) >= 0
    assert reach <= compact.before + compact.size + compact.after
    if not axis.is_sparse():
        assert compact is axis


def test_ordinary_convolutions_are_left_alone():
    for stride, dilation in ((1, 1), (2, 1), (4, 1), (1, 2), (2, 3)):
        geometry = shapes.conv2d_geometry(
            (2, 9, 9, 3), (3, 3, 3, 4), strides=stride, dilation_rate=dilation, padding="same"
        )
        assert geometry.compact() is geometry


def matrices(axis: Axis, edge: bool) -> np.ndarray:
    """(windows, taps, size): 1 where a tap of a window meets an element."""
    met = places(axis)
    if edge:
        met = np.clip(met, 0, axis.size - 1)
    return (met[..., None] == np.arange(axis.size)).astype(np.float64)


@settings(max_examples=100)
@given(axes(), axes(), st.sampled_from((1, 2)), st.sampled_from(("zeros", "edge")))
def test_convolutions_with_large_numbers(rows, columns, groups, mode):
    """All passes against sums over the taps, written down place by place."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((2, rows.size, columns.size, 2))
    w = generator.standard_normal((rows.taps, columns.taps, 2 // groups, 4))
    dy = generator.standard_normal((2, rows.windows, columns.windows, 4))
    window = {
        "strides": (rows.stride, columns.stride),
        "padding": ((rows.before, rows.after), (columns.before, columns.after)),
        "dilation_rate": (rows.dilation, columns.dilation),
        "groups": groups,
    }
    by_row, by_column = matrices(rows, mode == "edge"), matrices(columns, mode == "edge")
    split = w.reshape(*w.shape[:3], groups, 4 // groups)
    images = x.reshape(*x.shape[:3], groups, -1)
    if any(max(axis.compact()[-2:]) > 1000 for axis in (rows, columns)):
        return  # a stride and a dilation that are large together: much memory, if not too much
    padded = [axis.before + axis.size + axis.after for axis in (rows, columns)]
    if padded[0] * padded[1] * 16 >= 2**63:
        with pytest.raises(
            ValueError, match="the padded image .* 64 bits|a padded length .* 64 bits"
        ):
            ops.conv2d(x, w, padding_mode=mode, **window)
        return
    y = ops.conv2d(x, w, padding_mode=mode, **window)
    sums = "api,bqj,nijgc,pqcgk->nabgk"
    expected = np.einsum(sums, by_row, by_column, images, split, optimize=True)
    np.testing.assert_allclose(y, expected.reshape(dy.shape), atol=1e-12)
    if mode == "edge":  # gradients are for zeros alone
        return
    parts = dy.reshape(*dy.shape[:3], groups, -1)
    sums = "api,bqj,nabgk,pqcgk->nijgc"
    expected = np.einsum(sums, by_row, by_column, parts, split, optimize=True).reshape(x.shape)
    dx = ops.conv2d_backward_input(dy, w, input_shape=x.shape, **window)
    np.testing.assert_allclose(dx, expected, atol=1e-12)
    sums = "api,bqj,nijgc,nabgk->pqcgk"
    expected = np.einsum(sums, by_row, by_column, images, parts, optimize=True).reshape(w.shape)
    dw, db = ops.conv2d_backward_kernel(x, dy, kernel_size=w.shape[:2], **window)
    np.testing.assert_allclose(dw, expected, atol=1e-12)
    np.testing.assert_allclose(db, dy.sum(axis=(0, 1, 2)), atol=1e-12)
    if groups == 1:
        window.pop("groups")
        columns_of_x = ops.im2col(x, w.shape[:2], **window)
        products = (w.reshape(-1, 4).T @ columns_of_x).T.reshape(y.shape)
        np.testing.assert_allclose(products, y, atol=1e-12)
        back = ops.col2im(
            w.reshape(-1, 4) @ dy.reshape(-1, 4).T,
            input_shape=x.shape,
            kernel_size=w.shape[:2],
            **window,
        )
        np.testing.assert_allclose(back, dx, atol=1e-12)


@pytest.mark.parametrize("stride", (2**33, 2**60, 2**62, 2**63 - 1))
def test_a_huge_stride_gives_the_bits_of_a_stride_as_large_as_the_image(stride):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((2, 4, 5, 3)).astype(np.float32)
    w = generator.standard_normal((3, 3, 3, 8)).astype(np.float32)
    y = ops.conv2d(x, w, strides=stride)
    np.testing.assert_array_equal(y, ops.conv2d(x, w, strides=5))
    window = {"pool_size": 2, "padding": "same"}
    for pool in (ops.max_pool2d, ops.avg_pool2d):
        np.testing.assert_array_equal(
            pool(x, strides=stride, **window), pool(x, strides=5, **window)
        )


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [2**22, 2**62])
def test_the_gradient_of_a_long_input_with_a_huge_stride(stride, groups):
    size = 2**22 - 5
    generator = np.random.default_rng(0)
    w = generator.standard_normal((3, 1, 2 // groups, 2)).astype(np.float32)
    dy = generator.standard_normal((1, 1, 1, 2)).astype(np.float32)
    window = {"strides": (stride, 1), "dilation_rate": (1000, 1), "groups": groups}
    dx = ops.conv2d_backward_input(dy, w, input_shape=(1, size, 1, 2), **window)
    expected = np.zeros_like(dx)
    near = ops.conv2d_backward_input(
        dy, w, input_shape=(1, 3, 1, 2), groups=groups, algorithm="direct"
    )
    expected[:, :2001:1000] = near
    np.testing.assert_allclose(dx, expected, rtol=1e-6)


def test_residues_of_a_huge_stride_are_few():
    assert compiled.residues(2**40, 3, 2**50, 2**20, 5) == [
        (0, 2**20 - 5, 0),
        (2**20 - 5, 1, 1),
        (2**20 - 4, 2**20 - 1, 0),
        (2**21 - 5, 1, 1),
        (2**21 - 4, 2**40 - 2**21 + 4, 0),
    ]


def test_what_no_memory_holds_is_refused_before_an_algorithm_is_chosen():
    one = np.broadcast_to(np.float32(1), (1, 2**40, 4, 1))
    w = np.ones((3, 3, 1, 1), np.float32)
    with pytest.raises(MemoryError, match="Unable to allocate"):
        ops.conv2d(one, w)
    with pytest.raises(MemoryError, match="Unable to allocate"):
        ops.conv2d_backward_input(one[:, 2:, 2:], w, input_shape=one.shape)
    with pytest.raises(MemoryError, match="Unable to allocate"):
        ops.conv2d_backward_kernel(one, one[:, 2:, 2:], kernel_size=3)
    with pytest.raises(MemoryError, match="Unable to allocate"):
        ops.conv2d_backward_input(
            one[:, :1, :1], w, input_shape=(1, 2**40, 3, 1), strides=(2**41, 1)
        )


@given(
    st.integers(1, 12), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4),
    st.integers(0, 8), st.integers(0, 8),
)  # fmt: skip
def test_unseen_elements_are_those_that_no_tap_reads(
    length, kernel, stride, dilation, before, after
):
    window = Window(length, kernel, stride, dilation, before, after)
    if window.outputs < 1:
        return
    seen = {
        place * stride + tap * dilation - before
        for place in range(window.outputs)
        for tap in range(kernel)
    }
    assert window.unseen == [element for element in range(length) if element not in seen]


def test_unseen_elements_of_a_window_far_larger_than_the_axis():
    assert Window(6, 2**62, 2**62, 1, 2**61, 2**61).unseen == []


# -------------------------------------------------------------------------- networks and files


def test_an_output_too_large_to_be_addressed_is_refused_when_the_layer_is_called():
    x = layers.Input((6, 6, 3))
    message = r"the output of layer 'wide' \(in bytes per sample\) is too large: .* 64 bits"
    with pytest.raises(ValueError, match=message):
        layers.ZeroPadding2D(2**62, name="wide")(x)
    with pytest.raises(ValueError, match=message):
        models.Sequential([x, layers.UpSampling2D(2**40, name="wide")])
    with pytest.raises(ValueError, match=message):
        layers.Concatenate(axis=1, name="wide")(
            [layers.Input((2**60, 1)), layers.Input((2**60, 1))]
        )
    with pytest.raises(ValueError, match="the output of layer 'wide'"):
        layers.Input((2**40, 2**40), name="wide")


def test_a_file_with_a_huge_stride_loads_and_works(tmp_path):
    def network(stride):
        return models.Sequential(
            [layers.Input((6, 5, 2)), layers.Conv2D(3, 3, strides=stride, padding="same")]
        )

    model, x = network(2**62), np.ones((2, 6, 5, 2), np.float32)
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        loaded = models.load_model(tmp_path / name)
        assert loaded.layers[-1].strides == (2**62, 2**62)
        np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    small = network(6)
    small.set_weights(model.get_weights())
    np.testing.assert_array_equal(small.predict(x, verbose=0), model.predict(x, verbose=0))
    for m in (small, model):
        m.compile("sgd", "mse")
        m.fit(x, np.zeros((2, 1, 1, 3)), epochs=2, verbose=0)
    for a, b in zip(small.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_would_make_too_many_objects_is_refused_before_the_first():
    with pytest.raises(
        ValueError, match="`num_thresholds` must be at most 16777216, .* 2147483647"
    ):
        metrics.AUC(num_thresholds=2**31 - 1)
    with pytest.raises(ValueError, match=r"the bank of filters \(in bytes\) is too large"):
        filters.gabor_bank(orientations=2**62)
    bank = filters.gabor_bank(3, (4.0, 6.0), size=5)
    assert bank.shape == (5, 5, 6) and bank.dtype == np.float32
    expected = filters.gabor(np.pi / 3, wavelength=6.0, sigma=3.0, size=5)
    np.testing.assert_array_equal(bank[..., 4], expected)
