"""What the results must not depend on: threads, memory layout, alignment, company, repetition.

Everything here compares bits, with standard normal data, for which a different order of summation
would show at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import ops, runtime
from tests.support.conv_case import ConvCase
from tests.support.conv_cases import BY_NAME, CASES, enlarged, sample
from tests.support.oracle import assert_equal, assert_same_bits, generator, integer_conv
from tests.support.pool_cases import CASES as POOL_CASES

THREADS = (2, 3, 7, 33)


def conv_operands(case: ConvCase, dtype):
    rng = generator(case.name, salt=3)
    shapes = (case.input_shape, case.kernel_shape, (case.filters,), case.output_shape)
    return [rng.standard_normal(shape, np.float32).astype(dtype) for shape in shapes]


def all_passes(case: ConvCase, x, w, b, dy, **options) -> dict[str, np.ndarray]:
    results = {"y": ops.conv2d(x, w, b, **case.forward_options, **options)}
    if case.has_gradients:
        options = {**case.options, **options}
        results["dx"] = ops.conv2d_backward_input(dy, w, input_shape=case.input_shape, **options)
        results["dw"], results["db"] = ops.conv2d_backward_kernel(
            x, dy, kernel_size=case.kernel_size, **options
        )
    return results


def assert_same_results(actual: dict, expected: dict, *context) -> None:
    for name, array in expected.items():
        assert_same_bits(actual[name], array, name, *context)


# ------------------------------------------------------------------------------------------ threads

# Small operations run on one thread whatever is asked for, so the cases get larger batches.
THREAD_CASES = tuple(map(enlarged, sample(CASES, 4)))


@pytest.mark.parametrize("case", THREAD_CASES, ids=str)
def test_n_threads_agnosticism_of_convolution(case, isa):
    operands = conv_operands(case, np.float32)
    expected = all_passes(case, *operands, num_threads=1)
    for threads in THREADS:
        assert_same_results(all_passes(case, *operands, num_threads=threads), expected, threads)


@pytest.mark.parametrize("case", THREAD_CASES[::5], ids=str)
def test_n_threads_agnosticism_in_float64_and_without_winograd(case, isa):
    operands = conv_operands(case, np.float64)
    expected = all_passes(case, *operands, num_threads=1, algorithm="direct")
    for threads in THREADS:
        results = all_passes(case, *operands, num_threads=threads, algorithm="direct")
        assert_same_results(results, expected, threads)


@pytest.mark.parametrize("case", POOL_CASES[::6], ids=str)
def test_n_threads_agnosticism_of_pooling(case, isa, dtype):
    batch = min(-(-1_500_000 // int(np.prod(case.input_shape[1:]))), 400)
    shape = (batch, *case.input_shape[1:])
    rng = generator(case.name, salt=3)
    x = rng.standard_normal(shape, np.float32).astype(dtype)
    dy = rng.standard_normal((batch, *case.output_shape[1:]), np.float32).astype(dtype)

    def results(threads):
        shared = {**case.options, "num_threads": threads}
        y, argmax = ops.max_pool2d(x, return_argmax=True, **shared)
        return {
            "y": y,
            "argmax": argmax,
            "dx": ops.max_pool2d_backward(dy, argmax, input_shape=shape, **shared),
            "mean": ops.avg_pool2d(x, **shared),
            "mean dx": ops.avg_pool2d_backward(dy, input_shape=shape, **shared),
        }

    expected = results(1)
    for threads in THREADS:
        assert_same_results(results(threads), expected, threads)


@pytest.mark.parametrize(
    "rows, inputs, outputs",
    [(64, 576, 64), (1, 3000, 500), (2, 700, 1100), (1000, 33, 65), (200, 128, 128)],
)
def test_n_threads_agnosticism_of_dense(rows, inputs, outputs, isa, dtype):
    rng = generator(f"{rows} {inputs} {outputs}")
    x, w, b, dy = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((rows, inputs), (inputs, outputs), (outputs,), (rows, outputs))
    )

    def results(threads):
        dw, db = ops.dense_backward_kernel(x, dy, num_threads=threads)
        return {
            "y": ops.dense(x, w, b, activation="tanh", num_threads=threads),
            "dx": ops.dense_backward_input(dy, w, num_threads=threads),
            "dw": dw,
            "db": db,
        }

    expected = results(1)
    for threads in THREADS:
        assert_same_results(results(threads), expected, threads)


def test_n_threads_agnosticism_of_elementwise_operations(isa, dtype):
    rng = generator("elementwise")
    x, dy = rng.standard_normal((2, 20_011, 10)).astype(dtype)
    labels = rng.integers(10, size=len(x))
    weight = rng.uniform(0, 2, len(x)).astype(dtype)

    def results(threads):
        found = {}
        for kind in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
            y = found[kind] = getattr(ops, kind)(x, num_threads=threads)
            found[f"d{kind}"] = getattr(ops, f"{kind}_backward")(y, dy, num_threads=threads)
        for loss, first, second in (
            (ops.softmax_cross_entropy, x, labels),
            (ops.cross_entropy, found["softmax"], labels),
            (ops.mean_squared_error, x, dy),
        ):
            value, gradient = loss(first, second, sample_weight=weight, num_threads=threads)
            found[loss.__name__] = np.array(value)
            found[f"d{loss.__name__}"] = gradient
        return found

    expected = results(1)
    for threads in THREADS:
        assert_same_results(results(threads), expected, threads)


def run_in_a_new_process(code: str) -> str:
    path = f"import sys; sys.path.insert(0, {str(Path(fastconv.__file__).parents[1])!r})\n"
    child = subprocess.run(
        [sys.executable, "-c", path + code], capture_output=True, text=True, timeout=120
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


@pytest.mark.skipif(not runtime.openmp_enabled(), reason="this build is serial")
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to count threads")
def test_threads_are_started_when_asked_for():
    """Otherwise the comparisons above would compare one thread with itself."""
    counts = run_in_a_new_process(
        "import os, numpy as np\n"
        "from fastconv import ops\n"
        "x, w = np.ones((64, 12, 12, 32), 'f4'), np.ones((3, 3, 32, 64), 'f4')\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "for threads in (1, 2, 7):\n"
        "    ops.conv2d(x, w, num_threads=threads)\n"
        "    print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    assert counts.split() == ["0", "1", "6"]


def test_the_default_number_of_threads_is_that_of_the_runtime():
    case = BY_NAME["net-vgg-3x3"]
    operands = conv_operands(case, np.float32)
    expected = all_passes(case, *operands, num_threads=1)
    for threads in (1, 2, 5):
        with runtime.num_threads(threads):
            assert_same_results(all_passes(case, *operands), expected)


def test_python_threads_may_compute_at_once(isa):
    case = enlarged(BY_NAME["net-mnist-2"])
    operands = conv_operands(case, np.float32)
    expected = all_passes(case, *operands, num_threads=1)
    with ThreadPoolExecutor(16) as pool:
        futures = [
            pool.submit(all_passes, case, *operands, num_threads=1 + i % 3) for i in range(32)
        ]
        for future in futures:
            assert_same_results(future.result(), expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes_and_does_not_hang():
    out = run_in_a_new_process(
        "import os, warnings, numpy as np\n"
        "warnings.simplefilter('ignore')  # Python warns of forking a process with threads\n"
        "from fastconv import ops\n"
        "x, w = np.ones((64, 12, 12, 32), 'f4'), np.ones((3, 3, 32, 64), 'f4')\n"
        "y = ops.conv2d(x, w, num_threads=4)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    same = (ops.conv2d(x, w, num_threads=4) == y).all()\n"
        "    same &= (ops.conv2d(x, w) == y).all()\n"
        "    os._exit(0 if same else 1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    assert out.strip() == "0"


def test_repetition_gives_the_same_bits(isa, dtype):
    for case in sample(CASES, 40):
        operands = conv_operands(case, dtype)
        expected = all_passes(case, *operands)
        for _ in range(3):
            assert_same_results(all_passes(case, *operands), expected, case)


# --------------------------------------------------------------------------------- layout of memory


def at_offset(array: np.ndarray, offset: int) -> np.ndarray:
    """A copy that begins `offset` bytes after a 64-byte boundary."""
    buffer = np.zeros(array.nbytes + 128, np.uint8)
    begin = -buffer.ctypes.data % 64 + offset
    copy = buffer[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def with_gaps(array):
    big = np.full([2 * n + 3 for n in array.shape], np.nan, array.dtype)
    view = big[tuple(slice(1, 2 * n, 2) for n in array.shape)]
    view[...] = array
    return view


def reversed_in_memory(array):
    return array[(slice(None, None, -1),) * array.ndim].copy()[
        (slice(None, None, -1),) * array.ndim
    ]


def transposed(array):
    return np.ascontiguousarray(array.T).T


def channels_first(array):
    """What a library with the channels in front hands over: a view, moved but not copied."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, -1, 0)), 0, -1)


def byte_swapped(array):
    return array.astype(array.dtype.newbyteorder())


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def a_column_wide_slice(array):
    """Contiguous within a pixel, with a gap after each: a channel slice of a wider image."""
    wide = np.full((*array.shape[:-1], array.shape[-1] + 5), np.nan, array.dtype)
    wide[..., 2:-3] = array
    return wide[..., 2:-3]


LAYOUTS = (
    with_gaps, reversed_in_memory, transposed, channels_first, byte_swapped, read_only,
    a_column_wide_slice, np.asfortranarray,
)  # fmt: skip
LAYOUT_CASES = tuple(
    BY_NAME[name]
    for name in (
        "width-same-c9-k65", "net-mnist-1", "depthwise-c5-times8", "groups-2x17to33",
        "pad-asymmetric-stride2", "mode-reflect-asymmetric", "width-1x1-c33-k33",
        "dilation-2x3-same", "long-channels-3x3",
    )
)  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_layout_agnosticism_of_convolution(layout, isa, dtype):
    for case in LAYOUT_CASES:
        operands = conv_operands(case, dtype)
        rearranged = [layout(array) for array in operands]
        before = [array.tobytes() for array in rearranged]
        results = all_passes(case, *rearranged)
        assert_same_results(results, all_passes(case, *operands), case, layout)
        assert [array.tobytes() for array in rearranged] == before, "an input was changed"
        assert all(array.dtype.isnative for array in results.values())


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_layout_agnosticism_of_everything_else(layout, isa, dtype):
    rng = generator("layout")
    x = rng.standard_normal((2, 7, 6, 19)).astype(dtype)
    options = {"pool_size": 3, "strides": 2, "padding": "same"}
    y, argmax = ops.max_pool2d(x, return_argmax=True, **options)
    assert_same_bits(ops.max_pool2d(layout(x), **options), y)
    mean = ops.avg_pool2d(x, **options)
    assert_same_bits(ops.avg_pool2d(layout(x), **options), mean)
    shape = {"input_shape": x.shape}
    dx = ops.max_pool2d_backward(y, argmax, **shape, **options)
    moved = argmax.astype(">i4") if layout is byte_swapped else np.asfortranarray(argmax)
    assert_same_bits(ops.max_pool2d_backward(layout(y), moved, **shape, **options), dx)
    dx = ops.avg_pool2d_backward(y, **shape, **options)
    assert_same_bits(ops.avg_pool2d_backward(layout(y), **shape, **options), dx)

    x, w, b = x.reshape(12, 133), rng.standard_normal((133, 21)).astype(dtype), np.ones(21, dtype)
    y = ops.dense(x, w, b)
    assert_same_bits(ops.dense(layout(x), layout(w), layout(b)), y)
    assert_same_bits(ops.dense_backward_input(layout(y), layout(w)), ops.dense_backward_input(y, w))
    results = ops.dense_backward_kernel(layout(x), layout(y))
    for actual, expected in zip(results, ops.dense_backward_kernel(x, y), strict=True):
        assert_same_bits(actual, expected)
    for kind in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        forward, backward = getattr(ops, kind), getattr(ops, f"{kind}_backward")
        assert_same_bits(forward(layout(x)), forward(x), kind)
        assert_same_bits(backward(layout(y), layout(y)), backward(y, y), kind)
    labels = rng.integers(21, size=12)
    swapped = labels.astype(">i2") if layout is byte_swapped else labels
    for loss, second, other in (
        (ops.softmax_cross_entropy, labels, swapped),
        (ops.softmax_cross_entropy, abs(y), layout(abs(y))),
        (ops.mean_squared_error, y[::-1].copy(), layout(y[::-1].copy())),
    ):
        value, gradient = loss(y, second, sample_weight=x[:, 0].copy())
        again, moved_gradient = loss(layout(y), other, sample_weight=layout(x[:, 0].copy()))
        assert value == again
        assert_same_bits(moved_gradient, gradient)
    columns = ops.im2col(y.reshape(1, 4, 21, 3), 2)
    assert_same_bits(ops.im2col(layout(y.reshape(1, 4, 21, 3)), 2), columns)
    back = {"input_shape": (1, 4, 21, 3), "kernel_size": 2}
    assert_same_bits(ops.col2im(layout(columns), **back), ops.col2im(columns, **back))


@pytest.mark.parametrize("offset", [1, 2, 3, *range(4, 64, 4)])
def test_results_do_not_depend_on_alignment(offset, isa, dtype):
    for case in LAYOUT_CASES[:4]:
        operands = conv_operands(case, dtype)
        expected = all_passes(case, *operands)
        shifted = [at_offset(array, offset) for array in operands]
        assert_same_results(all_passes(case, *shifted), expected, case)
        # Each operand alone, so that no two are shifted alike.
        x, w, b, dy = operands
        for moved in (
            (shifted[0], w, b, shifted[3]), (x, shifted[1], b, dy), (x, w, shifted[2], shifted[3])
        ):  # fmt: skip
            assert_same_results(all_passes(case, *moved), expected, case)
        if offset % np.dtype(dtype).itemsize == 0:
            out = at_offset(np.full(case.output_shape, np.nan, dtype), offset)
            assert_same_bits(
                ops.conv2d(*shifted[:3], out=out, **case.forward_options), expected["y"]
            )
    x = generator("offset").standard_normal((2, 5, 6, 21)).astype(dtype)
    moved = at_offset(x, offset)
    assert_same_bits(ops.max_pool2d(moved), ops.max_pool2d(x))
    assert_same_bits(ops.avg_pool2d(moved), ops.avg_pool2d(x))
    assert_same_bits(ops.tanh(moved), ops.tanh(x))
    assert_same_bits(ops.softmax(moved), ops.softmax(x))
    x, w = x.reshape(20, 63), at_offset(x.reshape(63, 20), offset)
    assert_same_bits(ops.dense(moved.reshape(20, 63), w), ops.dense(x, w.copy()))


def test_broadcast_inputs_equal_their_copies(isa, dtype):
    """Stride 0 along an axis: one value in memory stands for many."""
    case = LAYOUT_CASES[0]
    x, w, b, dy = conv_operands(case, dtype)
    x = np.broadcast_to(x[:, :1, :1], x.shape)
    w = np.broadcast_to(w[:1, :, :, :1], w.shape)
    dy = np.broadcast_to(dy[:1], dy.shape)
    copies = [array.copy() for array in (x, w, b, dy)]
    assert_same_results(all_passes(case, x, w, b, dy), all_passes(case, *copies))


def test_memmap_backed_data(tmp_path, isa, dtype):
    for case in LAYOUT_CASES[:3]:
        operands = conv_operands(case, dtype)
        mapped = []
        for index, array in enumerate(operands):
            path = tmp_path / f"{case}-{index}.npy"
            np.save(path, array)
            mapped.append(np.load(path, mmap_mode="r"))
        assert not any(array.flags.writeable for array in mapped)
        results = all_passes(case, *mapped)
        assert_same_results(results, all_passes(case, *operands), case)
        assert all(type(array) is np.ndarray for array in results.values())
    # The result may go into a file as well.
    out = np.lib.format.open_memmap(
        tmp_path / "out.npy", mode="w+", dtype=dtype, shape=case.output_shape
    )
    assert ops.conv2d(*operands[:3], out=out, **case.forward_options) is out
    out.flush()
    assert_same_bits(np.load(tmp_path / "out.npy"), results["y"])


# --------------------------------------------------------------------------------- parts of a batch


@pytest.mark.parametrize("case", [case for case in CASES if case.input_shape[0] > 1], ids=str)
def test_a_batch_is_its_images(case, isa):
    """Sums over integers are exact, so a batch may be cut anywhere and filter gradients added."""
    problem = integer_conv(case)
    x, w, b, dy = (array.astype(np.float32) for array in problem[:4])
    cut = 1 + case.input_shape[0] // 3
    options = {"algorithm": "direct", **case.forward_options}
    parts = [ops.conv2d(x[part], w, b, **options) for part in (slice(cut), slice(cut, None))]
    assert_equal(np.concatenate(parts), problem.y)
    if case.has_gradients:
        options = {"algorithm": "direct", "kernel_size": case.kernel_size, **case.options}
        first = ops.conv2d_backward_kernel(x[:cut], dy[:cut], **options)
        second = ops.conv2d_backward_kernel(x[cut:], dy[cut:], **options)
        assert_equal(first[0] + second[0], problem.dw)
        assert_equal(first[1] + second[1], problem.db)


def test_images_do_not_see_each_other(isa, dtype):
    """Replacing one image by noise leaves the others' results alone, bit by bit."""
    for case in sample(CASES, 10):
        if case.input_shape[0] < 2:
            continue
        x, w, b, dy = conv_operands(case, dtype)
        other_x, other_dy = x.copy(), dy.copy()
        other_x[1], other_dy[1] = 1e30, -1e30
        keep = [n for n in range(case.input_shape[0]) if n != 1]
        first, second = (
            ops.conv2d(images, w, b, algorithm="direct", **case.forward_options)
            for images in (x, other_x)
        )
        assert_same_bits(second[keep], first[keep], case)
        if case.has_gradients:
            options = {"input_shape": case.input_shape, "algorithm": "direct", **case.options}
            first = ops.conv2d_backward_input(dy, w, **options)
            second = ops.conv2d_backward_input(other_dy, w, **options)
            assert_same_bits(second[keep], first[keep], case)


@pytest.mark.parametrize("groups", [2, 3])
def test_groups_are_separate_convolutions(isa, dtype, groups):
    rng = generator("groups")
    x = rng.integers(-6, 7, (2, 6, 7, 5 * groups)).astype(dtype)
    w = rng.integers(-6, 7, (3, 3, 5, 9 * groups)).astype(dtype)
    options = {"padding": "same", "algorithm": "direct"}
    y = ops.conv2d(x, w, groups=groups, **options)
    for g in range(groups):
        alone = ops.conv2d(x[..., 5 * g : 5 * g + 5], w[..., 9 * g : 9 * g + 9], **options)
        assert_equal(y[..., 9 * g : 9 * g + 9], alone)
