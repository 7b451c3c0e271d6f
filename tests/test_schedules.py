"""Schedules: what decides the order of sums depends on shapes alone; variants can be forced."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import ops, reference, runtime, shapes
from fastconv.ops import compiled
from tests.support.oracle import generator
from tests.support.winograd_tiles import tile_sizes

# Entries of `describe`, and of its problems, that say in which order a sum is taken.
ORDER = (
    "algorithm", "variant", "splits", "rows", "tiles", "components", "tiles_per_block", "blocks",
    "reduction", "reduction_block", "reduction_blocks", "sampling", "packs_x", "packs_dy",
)  # fmt: skip
THREADS = range(1, 129)
PASSES = ("forward", "backward_input", "backward_kernel")


@pytest.fixture
def variants():
    """Forces or forbids variants until the test ends."""
    yield runtime.set_kernel_variants
    runtime.set_kernel_variants()


def op_for(pass_name, geometry, algorithm="auto", dtype=np.float32):
    """The op of a pass over arrays that hold nothing."""
    x, w, y = (
        np.empty(shape, dtype)
        for shape in (geometry.input_shape, geometry.kernel_shape, geometry.output_shape)
    )
    if pass_name == "forward":
        return compiled.conv2d_forward(geometry, x, w, None, y, algorithm=algorithm)
    if pass_name == "backward_input":
        return compiled.conv2d_backward_input(geometry, y, w, x, algorithm)
    return compiled.conv2d_backward_kernel(geometry, x, y, w, None, algorithm)


def order(description):
    """The entries of a description, and of its problems, that decide bits."""
    parts = [description, *description.get("problems", [])]
    return [{key: part[key] for key in ORDER if key in part} for part in parts]


@pytest.fixture
def any_isa():
    """Sets an instruction set until the test ends, for tests that draw one."""
    before = runtime.isa()
    yield runtime.set_isa
    runtime.set_isa(before)


sizes = st.integers(1, 40)
channels = st.one_of(st.integers(1, 20), st.sampled_from([32, 48, 64, 100, 128, 260]))
isas = st.sampled_from(runtime.available_isas())
for_each_example = settings(
    max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@for_each_example
@given(
    isas, st.one_of(st.integers(1, 9), st.integers(1, 80)), sizes, sizes, channels, channels,
    st.sampled_from([1, 2, 3, 3, 3, 5]), st.sampled_from([1, 1, 1, 2, 3]),
    st.sampled_from([1, 1, 1, 2]), st.sampled_from([1, 1, 1, 2, "all"]),
    st.sampled_from(["same", "valid"]), st.sampled_from(PASSES), st.sampled_from(["f4", "f8"]),
)  # fmt: skip
@example(
    isa=runtime.available_isas()[0], batch=64, height=28, width=28, c=128, k=1, kernel=3, stride=1,
    dilation=1, groups="all", padding="same", pass_name="backward_kernel", dtype="f4",
)  # fmt: skip
def test_no_order_of_a_sum_depends_on_the_number_of_threads(
    any_isa, isa, batch, height, width, c, k, kernel, stride, dilation, groups, padding, pass_name,
    dtype,
):  # fmt: skip
    any_isa(isa)
    if padding == "valid" and min(height, width) < (kernel - 1) * dilation + 1:
        return
    if groups == "all":  # depthwise
        k = groups = c
    elif groups == 2:
        c, k = 2 * c, 2 * k
    geometry = shapes.conv2d_geometry(
        (batch, height, width, c),
        (kernel, kernel, c // groups, k),
        strides=stride,
        dilation_rate=dilation,
        groups=groups,
        padding=padding,
    )
    for algorithm in compiled.estimated_costs(geometry, pass_name):
        op = op_for(pass_name, geometry, algorithm, dtype)
        alone = order(op.partition(1))
        assert alone[0]["algorithm"] == algorithm
        for threads in THREADS:
            assert order(op.partition(threads)) == alone, threads


@for_each_example
@given(isas, st.integers(1, 70), st.integers(1, 3000), st.integers(1, 300))
def test_nor_does_that_of_a_dense_layer(any_isa, isa, rows, inputs, outputs):
    any_isa(isa)
    x, w, y = (
        np.empty(s, np.float32) for s in ((rows, inputs), (inputs, outputs), (rows, outputs))
    )
    op = compiled.DenseForward(x, w, None, y)
    alone = order(op.partition(1))
    assert "reduction_blocks" in alone[0]
    for threads in THREADS:
        assert order(op.partition(threads)) == alone, threads


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(["winograd2", "winograd4"]))
def test_tiles_of_a_plan(height, width, algorithm):
    geometry = shapes.conv2d_geometry((1, height, width, 4), (3, 3, 4, 8), padding="same")
    tile = int(algorithm[-1])
    expected = tuple(tile_sizes(size, tile, tile == 4) for size in (height, width))
    for pass_name in ("forward", "backward_kernel"):
        assert op_for(pass_name, geometry, algorithm).describe()["tiles"] == expected


def test_a_description_says_how_the_pass_runs(isa):
    described = ops.conv2d_algorithm((8, 14, 14, 64), (3, 3, 64, 64), padding="same")
    assert described["algorithm"] == "winograd4"
    assert described["tiles"] == ([4, 4, 4, 2], [4, 4, 4, 2])
    assert described["scratch_bytes"] > 0
    assert [len(phase) for phase in described["phases"]] == [3, 3], "packing, then products"
    direct = ops.conv2d_algorithm((8, 14, 14, 64), (1, 1, 64, 64), "backward_kernel")
    assert direct["algorithm"] == "direct"
    with pytest.raises(ValueError, match="`pass_name` must be one of .*, received 'backward'"):
        ops.conv2d_algorithm((1, 4, 4, 1), (3, 3, 1, 1), "backward")
    with pytest.raises(ValueError, match="'winograd4' does not apply here: the filters are 1x1"):
        ops.conv2d_algorithm((1, 4, 4, 1), (1, 1, 1, 1), algorithm="winograd4")


def test_an_empty_batch_has_an_algorithm(isa):
    geometry = shapes.conv2d_geometry((0, 14, 14, 64), (3, 3, 64, 64), padding=1)
    for pass_name in PASSES:
        costs = compiled.estimated_costs(geometry, pass_name)
        assert compiled.choose_algorithm(geometry, pass_name, np.float32) == min(
            costs, key=costs.get
        )


# ------------------------------------------------------------------------------------- variants

# variant: shapes (x, w), options, the pass, the algorithm, and how the description shows it
CONVOLUTIONS = {
    "few_filters": (
        ((2, 9, 11, 3), (3, 3, 3, 1)), {}, "forward", "direct",
        lambda d: d["problems"][0]["variant"] == "few_filters",
    ),
    "nontemporal": (
        ((1, 6, 8, 16), (3, 3, 16, 32)), {}, "forward", "direct",
        lambda d: d["problems"][0]["store"] == "nontemporal",
    ),
    "merged_taps": (
        ((2, 8, 9, 24), (3, 3, 24, 10)), {"padding": 1}, "backward_kernel", "direct",
        lambda d: d["variant"] == "merged_taps",
    ),
    "whole_splits": (
        ((3, 8, 9, 40), (3, 3, 40, 10)), {"padding": 1}, "backward_kernel", "direct",
        lambda d: d["variant"] == "whole_splits",
    ),
    "packed_dy": (
        ((3, 8, 9, 40), (3, 3, 40, 10)), {}, "backward_kernel", "direct",
        lambda d: d["packs_dy"],
    ),
    "streamed_filters": (
        ((2, 9, 10, 20), (3, 3, 20, 35)), {"padding": 1}, "forward", "winograd4",
        lambda d: d["variant"] == "streamed_filters",
    ),
    "registers": (
        ((3, 7, 6, 40), (3, 3, 40, 35)), {"padding": 1}, "forward", "winograd4",
        lambda d: d["variant"] == "filters_in_registers",
    ),
    "added_tiles": (
        ((2, 9, 11, 20), (3, 3, 20, 12)), {"padding": 1}, "backward_input", "winograd4",
        lambda d: d["sampling"] == "transposed",
    ),
    "own_sums": (
        ((2, 9, 11, 20), (3, 3, 20, 12)), {"padding": 1}, "backward_kernel", "winograd4",
        lambda d: d["variant"] == "own_sums",
    ),
}  # fmt: skip
NEEDS = {"packed_dy": ["whole_splits"]}  # variants that another one is a part of


def run_convolution(name, dtype, threads):
    """(the result of the case of a variant, the float64 definition, its description)"""
    (x_shape, w_shape), options, pass_name, algorithm, _ = CONVOLUTIONS[name]
    geometry = shapes.conv2d_geometry(x_shape, w_shape, **options)
    rng = generator(name)
    x, w, dy = (
        rng.integers(-3, 4, shape).astype(dtype)
        for shape in (x_shape, w_shape, geometry.output_shape)
    )
    if pass_name == "forward":
        result = aligned(geometry.output_shape, dtype)
        op = compiled.conv2d_forward(geometry, x, w, None, result, algorithm=algorithm)
        expected = reference.conv2d(x, w, **options)
    elif pass_name == "backward_input":
        result = aligned(x_shape, dtype)
        op = compiled.conv2d_backward_input(geometry, dy, w, result, algorithm)
        expected = reference.conv2d_backward_input(dy, w, input_shape=x_shape, **options)
    else:
        result = aligned(w_shape, dtype)
        op = compiled.conv2d_backward_kernel(geometry, x, dy, result, None, algorithm)
        expected, _ = reference.conv2d_backward_kernel(x, dy, kernel_size=w_shape[0], **options)
    op.run(threads)
    return result, expected, op.describe(threads)


def aligned(shape, dtype):
    """An array that begins with a cache line, as non-temporal stores want it."""
    raw = np.zeros(int(np.prod(shape)) * np.dtype(dtype).itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:][: int(np.prod(shape)) * np.dtype(dtype).itemsize].view(dtype).reshape(shape)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_forced_variant_runs_and_is_right(name, isa, dtype, variants):
    *_, algorithm, shows = CONVOLUTIONS[name]
    if name == "few_filters" and isa == "scalar":
        pytest.skip("the variant needs fewer filters than a vector has lanes")
    if name == "registers" and isa in ("scalar", "avx2"):
        pytest.skip("the variant needs 32 vector registers")
    variants(forced=[name, *NEEDS.get(name, [])])
    for threads in (1, 2, 12):
        result, expected, description = run_convolution(name, dtype, threads)
        assert shows(description), f"{name} did not run: {description}"
        if algorithm == "direct":
            np.testing.assert_array_equal(result, expected)
        else:
            error = np.linalg.norm(result - expected) / np.linalg.norm(expected)
            assert error <= (1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_forbidden_variant_does_not_run(name, isa, dtype, variants):
    *_, algorithm, shows = CONVOLUTIONS[name]
    variants(forbidden=[name])
    result, expected, description = run_convolution(name, dtype, 2)
    assert not shows(description), f"{name} ran: {description}"
    if algorithm == "direct":
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("allowed", [True, False])
def test_pooling_in_registers_or_in_scratch(allowed, isa, dtype, variants):
    variants(forbidden=[] if allowed else ["register_pooling"])
    x_shape, w_shape = (2, 10, 8, 20), (3, 3, 20, 24)
    geometry = shapes.conv2d_geometry(x_shape, w_shape, padding=1)
    rng = generator("pooling")
    x, w = (rng.integers(-3, 4, shape).astype(dtype) for shape in (x_shape, w_shape))
    y = np.empty((2, 5, 4, 24), dtype)
    op = compiled.conv2d_forward(geometry, x, w, None, y, algorithm="direct", pool="max")
    op.run(2)
    found = op.describe(2)["problems"][0]["variant"]
    # The block of the scalar target has fewer rows than a window has pixels.
    possible = isa != "scalar"
    assert found == ("pooled_in_registers" if allowed and possible else "pooled_in_scratch")
    np.testing.assert_array_equal(y, reference.max_pool2d(reference.conv2d(x, w, padding=1)))


@pytest.mark.parametrize("narrow", [True, False])
def test_narrow_dense_layers(narrow, isa, dtype, variants):
    variants(**{"forced" if narrow else "forbidden": ["narrow"]})
    rng = generator("narrow")
    x, w = (rng.integers(-3, 4, s).astype(dtype) for s in ((5, 70), (70, 3)))
    y = np.empty((5, 3), dtype)
    op = compiled.DenseForward(x, w, None, y)
    op.run(2)
    assert op.describe(2)["variant"] == ("narrow" if narrow else "wide")
    np.testing.assert_array_equal(y, x @ w)


# What schedules choose by themselves on instruction sets with vectors, on both sides of each rule:
# (x, w), options, the pass, the algorithm, the entry of the description, its value.
PROBLEM = "of the first problem"
CHOICES = {
    "few filters": (((64, 32, 32, 1), (5, 5, 1, 6)), {}, "forward", "direct",
                    PROBLEM, "variant", "few_filters"),
    "too many filters": (((64, 32, 32, 1), (5, 5, 1, 9)), {}, "forward", "direct",
                         PROBLEM, "variant", "panels"),
    "a large output": (((16, 112, 112, 32), (1, 1, 32, 64)), {}, "forward", "direct",
                       PROBLEM, "store", "nontemporal"),
    "a smaller output": (((4, 112, 112, 32), (1, 1, 32, 64)), {}, "forward", "direct",
                         PROBLEM, "store", "cached"),
    "a long reduction": (((16, 112, 112, 32), (3, 3, 32, 64)), {}, "forward", "direct",
                         PROBLEM, "store", "cached"),
    "few channels": (((8, 20, 20, 16), (3, 3, 16, 32)), {}, "backward_kernel", "direct",
                     None, "variant", "merged_taps"),
    "more channels": (((8, 20, 20, 17), (3, 3, 17, 32)), {}, "backward_kernel", "direct",
                      None, "variant", "parts"),
    "many pixels": (((16, 28, 28, 64), (3, 3, 64, 64)), {}, "backward_kernel", "direct",
                    None, "variant", "whole_splits"),
    "several panels": (((16, 28, 28, 64), (3, 3, 64, 128)), {}, "backward_kernel", "direct",
                       None, "packs_dy", True),
    "one panel": (((16, 28, 28, 64), (3, 3, 64, 16)), {}, "backward_kernel", "direct",
                  None, "packs_dy", False),
    "large filters, few tiles": (((1, 14, 14, 512), (3, 3, 512, 512)), {}, "forward", "winograd4",
                                 None, "variant", "streamed_filters"),
    "large filters, many tiles": (((16, 14, 14, 512), (3, 3, 512, 512)), {}, "forward",
                                  "winograd4", None, "variant", "resident_filters"),
    "small filters": (((1, 14, 14, 64), (3, 3, 64, 64)), {}, "forward", "winograd4",
                      None, "variant", "resident_filters"),
    "small sums": (((64, 13, 13, 32), (3, 3, 32, 64)), {}, "backward_kernel", "winograd4",
                   None, "variant", "own_sums"),
    "large sums": (((4, 28, 28, 512), (3, 3, 512, 512)), {}, "backward_kernel", "winograd4",
                   None, "variant", "shared_sums"),
    "no padding": (((1, 5, 5, 8), (3, 3, 8, 8)), {}, "backward_input", "winograd4",
                   None, "sampling", "transposed"),
    "padding": (((1, 5, 5, 8), (3, 3, 8, 8)), {"padding": 1}, "backward_input", "winograd4",
                None, "sampling", "stride_1"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOICES)
def test_the_choice_of_a_variant(name, isa):
    if isa == "scalar":
        pytest.skip("the choices are those of vectors")
    (x_shape, w_shape), options, pass_name, algorithm, where, entry, value = CHOICES[name]
    geometry = shapes.conv2d_geometry(x_shape, w_shape, **options)
    if pass_name == "forward":
        x, w = np.empty(x_shape, np.float32), np.empty(w_shape, np.float32)
        y = aligned(geometry.output_shape, np.float32)
        op = compiled.conv2d_forward(geometry, x, w, None, y, algorithm=algorithm)
    else:
        op = op_for(pass_name, geometry, algorithm)
    description = op.describe(2)
    assert (description["problems"][0] if where else description)[entry] == value


@pytest.mark.parametrize(
    ("x_shape", "filters", "pool"),
    [
        ((1, 7, 7, 70), 40, None),
        ((1, 4, 4, 32), 16, "max"),
        ((3, 4, 7, 33), 5, None),
        ((1, 8, 6, 100), 33, "average"),
        ((2, 8, 8, 64), 64, None),
    ],
)
def test_filters_in_registers_give_the_same_bits(x_shape, filters, pool, isa, dtype, variants):
    if isa in ("scalar", "avx2"):
        pytest.skip("the variant needs 32 vector registers")
    w_shape = (3, 3, x_shape[3], filters)
    geometry = shapes.conv2d_geometry(x_shape, w_shape, padding=1)
    rng = generator("registers")
    x, w = (rng.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape))
    b = rng.standard_normal(filters).astype(dtype)
    shape = np.array(geometry.output_shape) // (1, *([2, 2] if pool else [1, 1]), 1)
    results = {}
    for forced, forbidden in (
        (["registers"], []),
        (["streamed_filters"], ["registers"]),
        ([], ["registers", "streamed_filters"]),
    ):
        variants(forced=forced, forbidden=forbidden)
        y = np.empty(shape, dtype)
        op = compiled.conv2d_forward(geometry, x, w, b, y, "relu", algorithm="winograd4", pool=pool)
        op.run(2)
        results[op.describe(2)["variant"]] = y
    assert set(results) == {"filters_in_registers", "streamed_filters", "resident_filters"}
    for y in results.values():
        np.testing.assert_array_equal(y, results["resident_filters"])


@pytest.mark.parametrize(
    ("rows", "inputs", "outputs", "variant", "blocks"),
    [
        (64, 100, 10, "narrow", 1),
        (2, 100, 10, "wide", 1),
        (64, 100, 65, "wide", 1),
        (1, 400, 300, "wide", 1),
        (1, 4096, 1000, "wide", 128),
    ],
)
def test_the_choice_of_a_dense_variant(rows, inputs, outputs, variant, blocks, isa):
    if isa == "scalar":
        pytest.skip("the choices are those of vectors")
    x, w, y = (
        np.empty(s, np.float32) for s in ((rows, inputs), (inputs, outputs), (rows, outputs))
    )
    description = compiled.DenseForward(x, w, None, y).describe(2)
    assert (description["variant"], description["reduction_blocks"]) == (variant, blocks)


def test_every_variant_has_a_test():
    assert set(runtime.kernel_variants()) == {*CONVOLUTIONS, "register_pooling", "narrow"}


def test_an_unknown_variant_is_named(variants):
    with pytest.raises(ValueError, match="unknown variant 'fast'; expected one of few_filters, "):
        variants(forced=["fast"])


# ------------------------------------------------------------------------------------- one list


def test_the_tables_for_cython_follow_from_the_lists_in_the_headers():
    folder = Path(fastconv.__file__).parent / "_ext"
    if not (folder / "kernels" / "make_tables.py").exists():
        pytest.skip("an installed package has no C sources")
    spec = importlib.util.spec_from_file_location(
        "make_tables", folder / "kernels" / "make_tables.py"
    )
    make_tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_tables)
    for name, text in make_tables.FILES.items():
        assert (folder / name).read_text() == text()
