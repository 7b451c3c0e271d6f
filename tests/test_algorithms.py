"""The algorithms behind `algorithm=`: each forced wherever it applies, and the choice of "auto".

"direct" is the subject of `test_ops_conv`. Of the others, "scatter" adds the same products in
another order, so that it is exact on small integers too; Winograd's algorithms divide by small
numbers on the way, so that in float32 they have a bound on their relative L2 error, and in float64
on integers they are right to nine digits after the point, or else wrong.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import Input, Model, layers, ops, reference, runtime, shapes
from fastconv.ops.compiled import choose_algorithm
from tests.support.conv_case import ConvCase
from tests.support.conv_cases import CASES, GRADIENT_CASES, enlarged, sample
from tests.support.oracle import (
    assert_equal,
    assert_same_bits,
    generator,
    integer_conv,
    normal_conv,
    relative_l2,
)
from tests.support.winograd_tiles import tile_sizes

PROMISED_L2 = 1e-5
WINOGRAD = ("winograd2", "winograd4")

# F(2x2, 5x5) shares its transforms with F(4x4, 3x3) and its name with F(2x2, 3x3).
KERNELS = {"winograd2": ((3, 3), (5, 5)), "winograd4": ((3, 3),)}

WINOGRAD_CASES = tuple(
    case
    for case in CASES
    if case.kernel_size in KERNELS["winograd2"]
    and (case.strides == (1, 1) or (case.strides, case.kernel_size) == ((2, 2), (3, 3)))
    and case.dilation_rate == (1, 1)
    and case.groups == 1
    and case.has_gradients
)
STRIDED_CASES = tuple(case for case in WINOGRAD_CASES if case.strides == (2, 2))
OTHER_CASES = tuple(case for case in CASES if case not in WINOGRAD_CASES)
# Every remainder of a tile of 4 or 2, in both dimensions, by every padding that shifts the tiles.
TILE_CASES = tuple(
    ConvCase(f"{height}x{width}-pad{pad}", (2, height, width, 5), 6, (3, 3), padding=pad)
    for height, width in ((3, 3), (4, 5), (5, 4), (6, 7), (7, 6), (8, 9), (9, 8), (15, 13))
    for pad in (0, 1, 2, 4, ((0, 1), (2, 0)), ((3, 0), (0, 3)))
)
TILE_CASES += tuple(
    ConvCase(f"5x5-{height}x{width}-pad{pad}", (2, height, width, 3), 7, (5, 5), padding=pad)
    for height, width in ((5, 5), (6, 7), (9, 8))
    for pad in (0, 2, 3, ((0, 1), (4, 0)))
)
# With stride 2 the padding also decides whether a tile of dx begins with an even or an odd sample.
TILE_CASES += tuple(
    ConvCase(
        f"stride2-{height}x{width}-pad{pad}",
        (2, height, width, 5),
        6,
        (3, 3),
        strides=(2, 2),
        padding=pad,
    )
    for height, width in ((3, 3), (4, 5), (7, 8), (10, 9), (15, 16), (17, 18), (20, 19))
    for pad in (0, 1, 2, 4, ((0, 1), (1, 0)), ((1, 0), (0, 3)), ((3, 1), (2, 2)))
)


def forced(cases):
    """Every case with each algorithm that applies to it."""
    pairs = [
        (case, algorithm)
        for case in cases
        for algorithm in WINOGRAD
        if case.kernel_size in KERNELS[algorithm]
    ]
    return pytest.mark.parametrize(
        "case, algorithm", pairs, ids=[f"{case}-{algorithm}" for case, algorithm in pairs]
    )


SCATTER_CASES = tuple(
    case for case in GRADIENT_CASES if case.groups == 1 and case.dilation_rate[1] == 1
)


def geometry_of(case: ConvCase) -> shapes.Conv2DGeometry:
    return shapes.conv2d_geometry(case.input_shape, case.kernel_shape, **case.forward_options)


def passes(case: ConvCase, x, w, b, dy, algorithm, **options) -> dict[str, np.ndarray]:
    """What the passes compute that `algorithm` exists for."""
    options = {**case.options, "algorithm": algorithm, **options}
    results = {
        "y": ops.conv2d(x, w, b, **options),
        "dx": ops.conv2d_backward_input(dy, w, input_shape=case.input_shape, **options),
    }
    if algorithm not in WINOGRAD or case.strides == (1, 1):
        results["dw"], results["db"] = ops.conv2d_backward_kernel(
            x, dy, kernel_size=case.kernel_size, **options
        )
    return results


# ----------------------------------------------------------------------------------------- Winograd


def test_there_is_enough_to_compare():
    assert len(WINOGRAD_CASES) >= 60
    assert len(STRIDED_CASES) >= 12
    assert len(SCATTER_CASES) >= 250


@forced((*WINOGRAD_CASES, *TILE_CASES))
def test_winograd_equals_the_definition_in_float64(case, algorithm, isa):
    problem = integer_conv(case)
    results = passes(case, *problem[:4], algorithm)
    for name, result in results.items():
        expected = getattr(problem, name)
        assert result.shape == expected.shape
        assert np.abs(result - expected).max() < 1e-9, name
        assert_equal(np.rint(result), expected, name)


@forced(WINOGRAD_CASES)
def test_winograd_keeps_its_bound_in_float32(case, algorithm, isa):
    problem, _ = normal_conv(case, np.float32)
    operands = [array.astype(np.float32) for array in problem[:4]]
    for name, result in passes(case, *operands, algorithm).items():
        assert result.dtype == np.float32
        assert relative_l2(result, getattr(problem, name)) <= PROMISED_L2, name


@pytest.mark.parametrize("activation", [None, "relu", "leaky_relu", "sigmoid", "tanh", "softmax"])
@forced(sample(WINOGRAD_CASES, 6))
def test_winograd_applies_bias_and_activation(case, activation, algorithm, isa, dtype):
    problem, _ = normal_conv(case, np.float32)
    x, w, b = (array.astype(dtype) for array in problem[:3])
    w /= np.sqrt(case.reduction)
    y = ops.conv2d(x, w, b, activation=activation, algorithm=algorithm, **case.options)
    expected = reference.conv2d(x, w, b, activation=activation, **case.options)
    tolerance = 2e-5 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
    y = ops.conv2d(x, w, activation=activation, algorithm=algorithm, **case.options)
    expected = reference.conv2d(x, w, activation=activation, **case.options)
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)


@forced(
    tuple(
        map(
            enlarged,
            (*sample(WINOGRAD_CASES, 5), *sample(STRIDED_CASES, 5), *sample(TILE_CASES, 5)),
        )
    )
)
def test_n_threads_agnosticism_of_winograd(case, algorithm, isa):
    rng = generator(case.name, salt=8)
    all_shapes = (case.input_shape, case.kernel_shape, (case.filters,), case.output_shape)
    operands = [rng.standard_normal(shape, np.float32) for shape in all_shapes]
    expected = passes(case, *operands, algorithm, num_threads=1)
    for threads in (2, 3, 7):
        results = passes(case, *operands, algorithm, num_threads=threads)
        for name, result in results.items():
            assert_same_bits(result, expected[name], name, threads)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("tile", [2, 4])
def test_a_nan_poisons_its_receptive_field_and_its_tiles_only(tile, stride, isa, dtype):
    """An output tile is computed from all of its input pixels at once, so a NaN fills the tile."""
    options = {"strides": stride, "padding": 1, "algorithm": f"winograd{tile}"}
    rng = generator("tiles")
    x = rng.standard_normal((2, 15, 13, 5)).astype(dtype)
    w = rng.standard_normal((3, 3, 5, 17)).astype(dtype)
    clean = ops.conv2d(x, w, **options)

    def reached(place, size):
        """The outputs whose window holds an input, and those whose tile's window holds it."""
        by_tile, first = [], 0
        for outputs in tile_sizes(size, tile, tile == 4 and stride == 1):
            if -1 <= place - first * stride <= (outputs - 1) * stride + 1:
                by_tile += range(first, min(first + outputs, size))
            first += outputs
        return [i for i in range(size) if i * stride - 1 <= place <= i * stride + 1], by_tile

    for row, column in ((0, 0), (7, 6), (8, 8), (14, 12), (4, 11)):
        spoilt_x = x.copy()
        spoilt_x[1, row, column, 3] = np.nan
        spoilt = ops.conv2d(spoilt_x, w, **options)
        field_rows, tile_rows = reached(row, clean.shape[1])
        field_columns, tile_columns = reached(column, clean.shape[2])
        field, tiles = np.zeros(clean.shape, bool), np.zeros(clean.shape, bool)
        field[1, np.ix_(field_rows, field_columns)[0], field_columns] = True
        tiles[1, np.ix_(tile_rows, tile_columns)[0], tile_columns] = True
        assert np.isnan(spoilt[field]).all()
        assert_same_bits(spoilt[~tiles], clean[~tiles], row, column)


def test_tiles_waste_no_outputs_and_begin_at_even_places():
    """So no product is for nothing, and 2x2 windows of a pooling lie in one tile each."""
    for size in range(2, 60):
        tiles = tile_sizes(size, 4, True)
        assert sum(tiles) == size
        assert len(tiles) == -(-size // 4)
        assert set(tiles) <= {2, 3, 4}
        assert all(tile % 2 == 0 for tile in tiles[:-1])
    assert tile_sizes(1, 4, True) == [2]
    assert tile_sizes(13, 4, False) == [4, 4, 4, 4]


@pytest.mark.parametrize("algorithm", WINOGRAD)
def test_images_and_channels_do_not_mix(algorithm, isa):
    """A NaN channel spoils its own row of dw; an image of NaN spoils no other image."""
    rng = generator("mix")
    x, dy = rng.standard_normal((3, 9, 9, 7)), rng.standard_normal((3, 9, 9, 18))
    w = rng.standard_normal((3, 3, 7, 18))
    case = ConvCase("mix", x.shape, 18, (3, 3), padding=1)
    clean = passes(case, x, w, np.zeros(18), dy, algorithm)
    spoilt = x.copy()
    spoilt[1] = np.nan
    keep = [0, 2]
    y = ops.conv2d(spoilt, w, padding=1, algorithm=algorithm)
    assert_same_bits(y[keep], clean["y"][keep])
    spoilt = x.copy()
    spoilt[..., 4] = np.nan
    dw, _ = ops.conv2d_backward_kernel(spoilt, dy, kernel_size=3, padding=1, algorithm=algorithm)
    others = np.arange(7) != 4
    assert_same_bits(dw[:, :, others], clean["dw"][:, :, others])
    assert np.isnan(dw[:, :, 4]).all()


# ------------------------------------------------------------------------------------------ scatter


@pytest.mark.parametrize("case", SCATTER_CASES, ids=str)
def test_scatter_equals_the_definition(case, isa, dtype):
    problem = integer_conv(case)
    dy, w = problem.dy.astype(dtype), problem.w.astype(dtype)
    dx = ops.conv2d_backward_input(
        dy, w, input_shape=case.input_shape, algorithm="scatter", **case.options
    )
    assert_equal(dx, problem.dx)


@pytest.mark.parametrize("case", tuple(map(enlarged, sample(SCATTER_CASES, 8))), ids=str)
def test_n_threads_agnosticism_of_scatter(case, isa):
    rng = generator(case.name, salt=8)
    dy = rng.standard_normal(case.output_shape, np.float32)
    w = rng.standard_normal(case.kernel_shape, np.float32)
    options = {"input_shape": case.input_shape, "algorithm": "scatter", **case.options}
    expected = ops.conv2d_backward_input(dy, w, num_threads=1, **options)
    for threads in (2, 3, 7):
        assert_same_bits(ops.conv2d_backward_input(dy, w, num_threads=threads, **options), expected)


# --------------------------------------------------------------------------------------- the choice


@pytest.mark.parametrize("algorithm", WINOGRAD)
@pytest.mark.parametrize(
    "kernel, options, why",
    [
        ((7, 7), {}, "7x7, not 3x3"),
        ((3, 1), {}, "3x1, not 3x3"),
        ((3, 3), {"strides": (1, 2)}, r"strides are \(1, 2\)"),
        ((3, 3), {"dilation_rate": 2}, r"dilation rate is \(2, 2\)"),
        ((3, 3), {"groups": 2}, "2 groups"),
    ],
)
def test_an_algorithm_that_does_not_apply_says_why(algorithm, kernel, options, why):
    groups = options.get("groups", 1)
    x, w = np.ones((1, 8, 8, 4), "f4"), np.ones((*kernel, 4 // groups, 6), "f4")
    y = ops.conv2d(x, w, **options)
    for call in (
        lambda: ops.conv2d(x, w, algorithm=algorithm, **options),
        lambda: ops.conv2d_backward_input(
            y, w, input_shape=x.shape, algorithm=algorithm, **options
        ),
        lambda: ops.conv2d_backward_kernel(
            x, y, kernel_size=kernel, algorithm=algorithm, **options
        ),
    ):
        with pytest.raises(ValueError, match=f"`algorithm` '{algorithm}' does not apply.*{why}"):
            call()


def test_stride_2_is_for_3x3_and_not_for_the_gradient_of_the_filters():
    x, w = np.ones((1, 8, 8, 4), "f4"), np.ones((5, 5, 4, 6), "f4")
    with pytest.raises(ValueError, match=r"strides are \(2, 2\), not \(1, 1\)$"):
        ops.conv2d(x, w, strides=2, algorithm="winograd2")
    with pytest.raises(ValueError, match=r"strides are \(3, 3\), not \(1, 1\) or \(2, 2\)$"):
        ops.conv2d(x, w[1:4, 1:4], strides=3, algorithm="winograd4")
    dy = ops.conv2d(x, w[1:4, 1:4], strides=2)
    for algorithm in WINOGRAD:
        with pytest.raises(ValueError, match=r"strides are \(2, 2\), not \(1, 1\)$"):
            ops.conv2d_backward_kernel(x, dy, kernel_size=3, strides=2, algorithm=algorithm)


def test_padding_modes_are_direct():
    x, w = np.ones((1, 8, 8, 4), "f4"), np.ones((3, 3, 4, 6), "f4")
    for algorithm in WINOGRAD:
        with pytest.raises(
            ValueError, match=f"'{algorithm}' does not apply.*padding mode is 'edge'"
        ):
            ops.conv2d(x, w, padding=1, padding_mode="edge", algorithm=algorithm)


def test_scatter_is_for_one_pass_and_says_why_not():
    x, w = np.ones((1, 8, 8, 4), "f4"), np.ones((3, 3, 4, 6), "f4")
    dy = ops.conv2d(x, w)
    with pytest.raises(ValueError, match="`algorithm`.*scatter"):
        ops.conv2d(x, w, algorithm="scatter")
    with pytest.raises(ValueError, match="`algorithm`.*scatter"):
        ops.conv2d_backward_kernel(x, dy, kernel_size=3, algorithm="scatter")
    with pytest.raises(ValueError, match="'scatter' does not apply.*2 groups"):
        ops.conv2d_backward_input(
            dy, w[:, :, :2], input_shape=x.shape, groups=2, algorithm="scatter"
        )


@pytest.mark.parametrize("pass_name", ["forward", "backward_input", "backward_kernel"])
def test_the_choice_is_legal_and_depends_on_the_shape_alone(pass_name, isa):
    chosen = set()
    for case in GRADIENT_CASES:
        geometry = geometry_of(case)
        algorithm = choose_algorithm(geometry, pass_name, np.dtype(np.float32))
        assert choose_algorithm(geometry, pass_name, np.dtype(np.float32), algorithm) == algorithm
        chosen.add(algorithm)
    assert "direct" in chosen
    assert chosen & set(WINOGRAD), "no case lets `auto` choose Winograd"


@pytest.mark.parametrize("pass_name", ["forward", "backward_input"])
def test_auto_takes_winograd_for_stride_2_where_it_is_faster(pass_name, isa):
    def choice(*sizes):
        case = ConvCase("strided", sizes, sizes[-1], (3, 3), strides=(2, 2), padding=1)
        return choose_algorithm(geometry_of(case), pass_name, np.dtype(np.float32))

    assert choice(16, 56, 56, 128) == "winograd4"
    assert choice(16, 28, 28, 256) == "winograd2", "14 is no multiple of 4"
    assert choice(1, 14, 14, 512) == "direct", "its filters would be most of the work"


def transforms_in_registers(isa):
    """Whether the filters of a few tiles are transformed in registers, of which 32 are needed."""
    return isa not in ("scalar", "avx2")


def test_auto_knows_that_frozen_filters_are_transformed_once(isa):
    """In a few tiles the transform of the filters is most of the work, unless it is done before, or
    in registers."""
    inp = Input((8, 8, 128))
    model = Model(inp, layers.Conv2D(128, 3, padding="same")(inp))
    model.compile("sgd", "mse")

    def choice(mode):
        with model._plan(1, mode, False) as plan:
            return plan._program.ops[0].algorithm

    assert choice("infer") == choice("test") == "winograd4"
    assert choice("train") == ("winograd4" if transforms_in_registers(isa) else "winograd2")


def test_auto_knows_that_frozen_filters_have_to_be_read(isa):
    case = ConvCase("few pixels of many channels", (1, 7, 7, 512), 512, (3, 3), padding=1)
    geometry = geometry_of(case)
    assert choose_algorithm(geometry, "forward", np.float32, frozen=True) == "winograd4"
    fast = "winograd4" if transforms_in_registers(isa) else "direct"
    assert choose_algorithm(geometry, "forward", np.float32) == fast


@pytest.mark.parametrize("case", OTHER_CASES, ids=str)
def test_auto_never_takes_winograd_where_it_does_not_apply(case):
    geometry = geometry_of(case)
    names = ("forward", "backward_input", "backward_kernel") if case.has_gradients else ("forward",)
    for name in names:
        assert choose_algorithm(geometry, name, np.dtype(np.float32)) not in WINOGRAD


def test_auto_is_exact_in_float64():
    """float64 is chosen for accuracy, so "auto" leaves Winograd out."""
    for case in WINOGRAD_CASES:
        for name in ("forward", "backward_input", "backward_kernel"):
            assert choose_algorithm(geometry_of(case), name, np.dtype(np.float64)) not in WINOGRAD


def test_auto_gives_the_bits_of_the_algorithm_it_names(isa):
    for case in sample(GRADIENT_CASES, 6):
        rng = generator(case.name, salt=9)
        all_shapes = (case.input_shape, case.kernel_shape, (case.filters,), case.output_shape)
        operands = [rng.standard_normal(shape, np.float32) for shape in all_shapes]
        results = passes(case, *operands, "auto")
        for name, result in zip(
            ("forward", "backward_input", "backward_kernel"), ("y", "dx", "dw"), strict=True
        ):
            chosen = choose_algorithm(geometry_of(case), name, np.dtype(np.float32))
            x, w, b, dy = operands
            options = {**case.options, "algorithm": chosen}
            if name == "forward":
                expected = ops.conv2d(x, w, b, **options)
            elif name == "backward_input":
                expected = ops.conv2d_backward_input(dy, w, input_shape=case.input_shape, **options)
            else:
                expected, _ = ops.conv2d_backward_kernel(
                    x, dy, kernel_size=case.kernel_size, **options
                )
            assert_same_bits(results[result], expected, case, name, chosen)


def test_the_instruction_set_is_the_one_selected():
    before = runtime.isa()
    try:
        for name in runtime.available_isas():
            runtime.set_isa(name)
            assert runtime.isa() == name
    finally:
        runtime.set_isa(before)
    assert "scalar" in runtime.available_isas(), "the baseline runs everywhere"


@pytest.mark.parametrize(
    "kernel, stride, algorithm",
    [
        (5, 1, "winograd2"),
        (3, 1, "winograd2"),
        (3, 1, "winograd4"),
        (3, 2, "winograd2"),
        (3, 2, "winograd4"),
    ],
)
def test_filters_that_are_not_packed_keep_the_promised_accuracy(kernel, stride, algorithm, isa):
    rng = np.random.default_rng(7)
    x, w = rng.standard_normal((1, 6, 7, 297)), rng.standard_normal((kernel, kernel, 297, 293))
    options = {"strides": stride, "padding": "same", "num_threads": 2}
    y = ops.conv2d(x.astype("f4"), w.astype("f4"), algorithm=algorithm, **options)
    expected = ops.conv2d(x, w, algorithm="direct", **options)
    assert relative_l2(y, expected) <= PROMISED_L2
