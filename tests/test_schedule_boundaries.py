"""The rules by which schedules choose, each at the last shape on either side of it.

Every rule compares a size with a constant of schedule/tuning.h or schedule/cost.c; a case is the
largest size for one choice and the smallest for the other. Sizes are in the rule's own unit:
pixels, channels, bytes of float32.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import shapes
from fastconv.ops import compiled

# Filters of a full panel, by instruction set.
PANEL = {"avx512": 64, "avx2": 16, "neon": 16, "scalar": 4}
MIB = 1 << 20

pytestmark = pytest.mark.usefixtures("isa")


@pytest.fixture
def vectors(isa):
    """The instruction set, if it has vectors: the rules compare with their size."""
    if isa == "scalar":
        pytest.skip("the choices are those of vectors")
    return isa


def aligned(shape):
    """A float32 array that begins with a cache line, as non-temporal stores need it."""
    size = int(np.prod(shape))
    raw = np.empty(4 * size + 64, np.uint8)
    return raw[-raw.ctypes.data % 64 :][: 4 * size].view(np.float32).reshape(shape)


def described(pass_name, x_shape, w_shape, algorithm="direct", threads=2, **options):
    """How a float32 pass is cut; the first problem of direct sums."""
    geometry = shapes.conv2d_geometry(x_shape, w_shape, **options)
    x, w, y = map(aligned, (geometry.input_shape, geometry.kernel_shape, geometry.output_shape))
    if pass_name == "forward":
        op = compiled.conv2d_forward(geometry, x, w, None, y, algorithm=algorithm)
    elif pass_name == "backward_input":
        op = compiled.conv2d_backward_input(geometry, y, w, x, algorithm)
    else:
        op = compiled.conv2d_backward_kernel(geometry, x, y, w, None, algorithm)
    description = op.describe(threads)
    return description.get("problems", [description])[0]


# --------------------------------------------------------------------------------- direct, forward


def test_pixels_are_in_lanes_up_to_eight_filters_fewer_than_lanes(vectors):
    lanes = {"avx512": 16, "avx2": 8, "neon": 4}[vectors]
    for filters in range(1, 12):
        found = described("forward", (1, 8, 32, 2), (1, 1, 2, filters))
        few = filters <= 8 and filters < lanes
        assert found["variant"] == ("few_filters" if few else "panels"), filters


@pytest.mark.parametrize(("columns", "variant"), [(2, "panels"), (3, "few_filters")])
def test_pixels_are_in_lanes_where_they_fill_vectors_better(columns, variant, vectors):
    """Three filters take three vectors of pixels, or one vector of filters for each pixel."""
    assert described("forward", (1, 8, columns, 2), (1, 1, 2, 3))["variant"] == variant


def test_pixels_are_in_lanes_where_most_of_the_copied_input_is_read(vectors):
    assert described("forward", (1, 16, 64, 2), (2, 2, 2, 1), strides=2)["variant"] == "few_filters"
    assert described("forward", (1, 16, 64, 2), (1, 3, 2, 1), strides=2)["variant"] == "panels"


@pytest.mark.parametrize(("rows", "store"), [(128, "cached"), (129, "nontemporal")])
def test_an_output_bypasses_caches_above_24_mib(rows, store, vectors):
    assert 24 * MIB == 6 * 128 * 128 * 64 * 4
    assert described("forward", (6, rows, 128, 16), (1, 1, 16, 64))["store"] == store


@pytest.mark.parametrize(("channels", "store"), [(256, "nontemporal"), (257, "cached")])
def test_an_output_bypasses_caches_after_up_to_256_products(channels, store, vectors):
    assert described("forward", (7, 128, 128, channels), (1, 1, channels, 64))["store"] == store


@pytest.mark.parametrize(("rows", "store"), [(127, "cached"), (128, "nontemporal")])
def test_an_output_of_winograd_bypasses_caches_from_24_mib_on(rows, store, vectors):
    found = described("forward", (6, rows, 128, 16), (3, 3, 16, 64), "winograd4", padding=1)
    expected = store if vectors == "avx512" else "cached"  # whole cache lines, or not at all
    assert found["store"] == expected


@pytest.mark.parametrize(("rows", "outermost"), [(4, "pixels"), (5, "panels")])
def test_less_is_read_again_with_panels_outermost(rows, outermost, vectors):
    """Items are a row and one of two panels; all filters are 1.28 times as large as a row."""
    filters = 2 * PANEL[vectors]
    found = described("forward", (1, rows, filters * 25 // 32, 1024), (1, 1, 1024, filters))
    assert found["items"] == {
        "rows": rows, "columns": 1, "panels": 2, "groups": 1, "outermost": outermost
    }  # fmt: skip


@pytest.mark.parametrize(("factor", "rows"), [(1, 3), (2, 1)])
def test_items_have_more_pixels_beside_filters_above_a_mib(factor, rows, vectors):
    filters = 8 * PANEL[vectors]
    channels = MIB // (4 * 9 * filters) * factor
    found = described("forward", (1, 7, 7, channels), (3, 3, channels, filters), padding="same")
    assert found["items"]["rows"] == rows


@pytest.mark.parametrize(("panels", "rows"), [(1, 32), (2, 16)])
def test_items_have_more_pixels_where_they_are_many(panels, rows, vectors):
    """16 chunks of 48 pixels and two panels are 32 items."""
    filters = panels * PANEL[vectors]
    found = described("forward", (1, 32, 24, 1024), (1, 1, 1024, filters))
    assert found["items"]["rows"] == rows


# -------------------------------------------------------------------------- direct, filter gradient


@pytest.mark.parametrize(("channels", "merges"), [(16, True), (17, False)])
def test_taps_are_merged_up_to_16_channels(channels, merges):
    found = described("backward_kernel", (2, 8, 8, channels), (3, 3, channels, 8))
    assert (found["variant"] == "merged_taps") == merges


@pytest.mark.parametrize(("width", "variant"), [(99, "parts"), (100, "whole_splits")])
def test_splits_are_whole_from_128_million_operations_on(width, variant):
    assert 2 * 5 * 100 * 100 * 32 * 40 == 128_000_000
    assert described("backward_kernel", (5, 100, width, 32), (1, 1, 32, 40))["variant"] == variant


@pytest.mark.parametrize(("rows", "variant"), [(15, "parts"), (16, "whole_splits")])
def test_splits_are_whole_from_16_rows_on(rows, variant):
    found = described("backward_kernel", (1, rows, 1100, 40), (1, 1, 40, 100))
    assert found["variant"] == variant


def test_dy_is_packed_beyond_one_panel(isa):
    for filters in (PANEL[isa], PANEL[isa] + 1):
        found = described("backward_kernel", (16, 90, 90, 64), (3, 3, 64, filters))
        assert found["variant"] == "whole_splits"
        assert found["packs_dy"] == (filters > PANEL[isa]), filters


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "splits"),
    [
        ((64, 28, 28, 1), (3, 3, 1, 32), 32),
        ((8, 20, 20, 16), (3, 3, 16, 32), 8),
        ((8, 56, 56, 3), (3, 3, 3, 64), 62),
        ((2, 28, 28, 64), (1, 1, 64, 64), 4),
        ((64, 28, 28, 64), (1, 1, 64, 64), 32),
        ((1, 28, 28, 512), (3, 3, 512, 512), 1),
    ],
)
def test_splits_of_direct_sums(x_shape, w_shape, splits, vectors):
    """The splits decide the order of a sum: another number is another result."""
    assert described("backward_kernel", x_shape, w_shape)["splits"] == splits


# ----------------------------------------------------------------------------------------- Winograd


@pytest.mark.parametrize(("channels", "variant"), [(113, "resident"), (114, "streamed")])
def test_filters_are_streamed_above_4_mib(channels, variant, vectors):
    assert 36 * 113 * 256 * 4 < 4 * MIB < 36 * 114 * 256 * 4
    x_shape, w_shape = (1, 12, 12, channels), (3, 3, channels, 256)
    found = described("forward", x_shape, w_shape, "winograd4", padding=1)
    assert found["variant"] == f"{variant}_filters"


@pytest.mark.parametrize(("images", "few"), [(2, True), (3, False)])
def test_up_to_8_tiles_meet_filters_in_registers(images, few, isa):
    """Four tiles of each image, on instruction sets with 32 vector registers."""
    x_shape, w_shape = (images, 7, 7, 64), (3, 3, 64, 64)
    found = described("forward", x_shape, w_shape, "winograd4", padding=1)
    in_registers = few and isa not in ("scalar", "avx2")
    assert found["variant"] == ("filters_in_registers" if in_registers else "resident_filters")


@pytest.mark.parametrize(("batch", "variant"), [(128, "streamed"), (129, "resident")])
def test_filters_are_streamed_for_up_to_128_tiles(batch, variant):
    found = described("forward", (batch, 4, 4, 256), (3, 3, 256, 256), "winograd4", padding=1)
    assert found["variant"] == f"{variant}_filters"


@pytest.mark.parametrize(("channels", "variant"), [(444, "own"), (445, "shared")])
def test_every_split_has_its_own_sums_up_to_4000_kib(channels, variant, vectors):
    assert 36 * 444 * 64 * 4 <= 4000 * 1024 < 36 * 445 * 64 * 4
    found = described(
        "backward_kernel", (1, 8, 8, channels), (3, 3, channels, 64), "winograd4", padding=1
    )
    assert found["variant"] == f"{variant}_sums"


@pytest.mark.parametrize(("rows", "sampling"), [(34, "transposed"), (38, "stride_1")])
def test_contributions_are_added_for_up_to_64_tiles_of_an_image(rows, sampling):
    found = described("backward_input", (1, rows, 34, 8), (3, 3, 8, 8), "winograd4")
    assert found["sampling"] == sampling


@pytest.mark.parametrize(("padding", "sampling"), [(0, "transposed"), (1, "stride_1")])
def test_contributions_are_added_where_dy_has_fewer_components(padding, sampling):
    found = described("backward_input", (1, 6, 6, 8), (3, 3, 8, 8), "winograd4", padding=padding)
    assert found["sampling"] == sampling


@pytest.mark.parametrize(
    ("batch", "channels", "filters", "splits"),
    [
        (3, 8, 16, 1),
        (64, 8, 16, 4),
        (128, 8, 16, 4),
        (512, 8, 16, 16),
        (1024, 8, 16, 16),
        (1024, 128, 128, 8),
    ],
)
def test_splits_of_winograd(batch, channels, filters, splits):
    found = described(
        "backward_kernel",
        (batch, 8, 8, channels),
        (3, 3, channels, filters),
        "winograd4",
        padding=1,
    )
    assert found["splits"] == splits


# -------------------------------------------------------------------------------------------- dense


def dense(rows, inputs, outputs):
    x, w, y = (aligned(s) for s in ((rows, inputs), (inputs, outputs), (rows, outputs)))
    return compiled.DenseForward(x, w, None, y).describe(2)


def test_one_panel_of_outputs_is_narrow_from_three_rows_on(isa):
    panel = PANEL[isa]
    assert dense(2, 100, panel)["variant"] == "wide"
    assert dense(3, 100, panel)["variant"] == "narrow"
    assert dense(3, 100, panel + 1)["variant"] == "wide"


def test_the_reduction_is_cut_from_512_kib_of_weights_on():
    assert 1024 * 128 * 4 == 512 * 1024
    assert dense(1, 1023, 128)["reduction_blocks"] == 1
    assert dense(1, 1024, 128)["reduction_blocks"] == 32


def test_a_reduction_is_cut_into_at_most_128_blocks_of_at_least_32_inputs_per_row():
    assert dense(1, 4096, 1000)["reduction_blocks"] == 128
    assert dense(1, 8192, 1000)["reduction_blocks"] == 128
    assert dense(2, 4096, 1000)["reduction_blocks"] == 64


# -------------------------------------------------------------------------------------------- costs


def amounts(pass_name, x_shape, w_shape, algorithm, frozen=False):
    geometry = shapes.conv2d_geometry(x_shape, w_shape, padding="same")
    found = compiled.cost_amounts(geometry, pass_name, algorithm, frozen)
    return dict(zip(compiled.COST_TERMS, found, strict=True))


@pytest.mark.parametrize(("filters", "reads"), [(768, False), (769, True)])
def test_filters_above_3_mib_are_read_from_memory(filters, reads, vectors):
    assert 3 * MIB == 768 * 1024 * 4
    x, w = (1, 4, 4, 1024), (1, 1, 1024, filters)
    assert (amounts("backward_input", x, w, "direct")["transpose_filters"] > 0) == reads
    x, w = (1, 4, 4, filters), (1, 1, filters, 1024)
    assert (amounts("forward", x, w, "direct", True)["read_filters"] > 0) == reads
    assert amounts("forward", x, w, "direct")["read_filters"] == 0


@pytest.mark.parametrize(("channels", "far"), [(341, False), (342, True)])
def test_transformed_filters_above_3_mib_are_in_memory(channels, far, vectors):
    assert 36 * 341 * 64 * 4 < 3 * MIB < 36 * 342 * 64 * 4
    found = amounts("forward", (64, 8, 8, channels), (3, 3, channels, 64), "winograd4")
    assert (found["transform_filters_far"] > 0, found["transform_filters"] > 0) == (far, not far)


def test_a_product_of_the_winograd_filter_gradient_costs_at_least_eight_channels():
    few, eight, nine = (
        amounts("backward_kernel", (4, 8, 8, c), (3, 3, c, 64), "winograd4")["multiply_add"]
        for c in (1, 8, 9)
    )
    assert few == eight
    assert 8 * nine == 9 * eight
