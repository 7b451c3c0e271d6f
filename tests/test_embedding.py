"""fastconv.h: every operation against fastconv.ops, and the examples in C, C++ and Cython."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import ops
from fastconv.ops import compiled
from tests.support.oracle import assert_same_bits, generator

CHECKOUT = Path(__file__).resolve().parents[1]
EXAMPLES = CHECKOUT / "examples/embedding"
HEADER = Path(fastconv.get_include()) / "fastconv.h"
OBJECTS = CHECKOUT / f"build/objects-{sysconfig.get_platform()}-{sys.implementation.cache_tag}"

# ---- the header, read by ctypes ----

TEXT = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
TYPES = {
    "size_t": ctypes.c_size_t,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "double": ctypes.c_double,
    "fastconv_parallel_for": ctypes.c_void_p,
}


def members(body: str) -> list[tuple[str, type]]:
    found: list[tuple[str, type]] = []
    for statement in filter(None, (part.strip() for part in body.split(";"))):
        if "(*" in statement:
            found.append((re.search(r"\(\*(\w+)\)", statement)[1], ctypes.c_void_p))
            continue
        kind, names = re.match(r"(?:const )?(\w+) (.*)", statement, re.S).groups()
        for name in names.split(","):
            pointer, name, count = re.match(r"\s*(\*?)(\w+)(?:\[(\d+)\])?", name).groups()
            ctype = ctypes.c_void_p if pointer else TYPES[kind]
            found.append((name, ctype * int(count) if count else ctype))
    return found


STRUCTS = {
    name: type(name, (ctypes.Structure,), {"_fields_": members(body)})
    for body, name in re.findall(r"typedef struct \{(.*?)\} fastconv_(\w+);", TEXT, re.S)
}
NUMBERS = {
    name: number
    for body in re.findall(r"enum \{(.*?)\}", TEXT, re.S)
    for number, name in enumerate(re.findall(r"FASTCONV_(\w+)", body))
}
PASSES = ("forward", "backward_input", "backward_kernel")


def api():
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return STRUCTS["api"].from_address(get(fastconv._C_API, b"fastconv._C_API"))


def function(name: str, *types):
    return ctypes.CFUNCTYPE(ctypes.c_int, *types)(getattr(api(), name))


P = ctypes.c_void_p


def message(status: int) -> str:
    return ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_int)(api().message)(status).decode()


def create(kind: str, /, **sizes):
    """(status, op)"""
    struct = STRUCTS[kind](size=ctypes.sizeof(STRUCTS[kind]))
    for name, value in sizes.items():
        assert hasattr(struct, name)
        setattr(struct, name, value)
    op = P()
    return function(f"create_{kind}", P, P)(ctypes.byref(struct), ctypes.byref(op)), op


def aligned(bytes_: int) -> np.ndarray:
    block = np.full(bytes_ + 128, 0xA5, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + bytes_]


TASK = ctypes.CFUNCTYPE(None, ctypes.c_int64, P)
PARALLEL_FOR = ctypes.CFUNCTYPE(None, P, ctypes.c_int64, P, P)


@PARALLEL_FOR
def backwards(task, count, task_context, context):
    """Runs the last task first: no task may wait for another one."""
    for i in reversed(range(count)):
        TASK(task)(i, task_context)


def apply(kind: str, arrays: dict, /, *, threads=1, runner=None, pack=False, **sizes) -> None:
    status, op = create(kind, **sizes)
    assert status == 0, message(status)
    info = STRUCTS["info"](size=ctypes.sizeof(STRUCTS["info"]))
    assert function("query", P, ctypes.c_int32, P)(op, threads, ctypes.byref(info)) == 0
    struct = STRUCTS["arrays"](size=ctypes.sizeof(STRUCTS["arrays"]))
    for name, value in arrays.items():
        if name == "slots":
            struct.slots = (P * 3)(*[slot.ctypes.data for slot in value])
        elif name == "hyper":
            struct.hyper = (ctypes.c_double * 6)(*value)
        elif value is not None:
            setattr(struct, name, value.ctypes.data)
    packed = aligned(info.packed_bytes)
    if pack and info.packed_bytes:
        pack_filters = function("pack", P, P, P)
        assert pack_filters(op, struct.w, packed.ctypes.data) == 0
        struct.packed, struct.w = packed.ctypes.data, None
    workspace = aligned(info.workspace_bytes)
    common = (op, ctypes.byref(struct), workspace.ctypes.data, info.workspace_bytes, threads)
    if runner:
        run = function("run_with", P, P, P, ctypes.c_int64, ctypes.c_int32, PARALLEL_FOR, P)
        status = run(*common, runner, None)
    else:
        status = function("run", P, P, P, ctypes.c_int64, ctypes.c_int32)(*common)
    ctypes.CFUNCTYPE(None, P)(api().destroy)(op)
    assert status == 0, message(status)


RUNNERS = [(1, None), (2, None), (3, backwards)]
CONVOLUTIONS = {
    "same": ((2, 12, 11, 8), (3, 3, 8, 16), {"padding": "same"}),
    "strided": ((1, 13, 10, 5), (3, 2, 5, 7), {"strides": 2}),
    "dilated": ((1, 13, 12, 3), (3, 3, 3, 4), {"dilation_rate": 2}),
    "grouped": ((2, 9, 9, 6), (3, 3, 2, 9), {"groups": 3}),
    "depthwise": ((2, 9, 9, 6), (3, 3, 1, 6), {"groups": 6, "padding": "same"}),
    "one": ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    "large": ((4, 30, 30, 32), (3, 3, 32, 64), {"padding": "same"}),
}


@pytest.mark.parametrize(("threads", "runner"), RUNNERS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_and_its_gradients(isa, dtype, name, threads, runner):
    x_shape, w_shape, options = CONVOLUTIONS[name]
    geometry = fastconv.shapes.conv2d_geometry(x_shape, w_shape, **options)
    sizes = {
        field: getattr(geometry, field)
        for field, _ in STRUCTS["conv2d"]._fields_
        if hasattr(geometry, field)
    }
    sizes |= {"dtype": int(dtype == np.float64)}
    rng = generator(name)
    x, w = (rng.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape))
    b = rng.standard_normal(w_shape[3]).astype(dtype)
    dy = rng.standard_normal(geometry.output_shape).astype(dtype)
    y, dx, dw, db = (np.full_like(array, np.nan) for array in (dy, x, w, b))
    run = {"threads": threads, "runner": runner}

    arrays = {"x": x, "w": w, "bias": b, "y": y}
    apply("conv2d", arrays, has_bias=1, activation=NUMBERS["RELU"], **sizes, **run)
    assert_same_bits(y, ops.conv2d(x, w, b, activation="relu", **options))
    apply("conv2d", arrays, has_bias=1, pack=True, **sizes, **run)
    assert_same_bits(y, ops.conv2d(x, w, b, **options))

    arrays = {"dy": dy, "w": w, "dx": dx}
    apply("conv2d", arrays, **{"pass": 1}, pack=True, **sizes, **run)
    expected = np.full_like(x, np.nan)
    compiled.conv2d_backward_input(geometry, dy, w, expected).run(1)
    assert_same_bits(dx, expected)

    arrays = {"x": x, "dy": dy, "dw": dw, "db": db}
    apply("conv2d", arrays, has_bias=1, **{"pass": 2}, **sizes, **run)
    expected, expected_db = np.full_like(w, np.nan), np.full_like(b, np.nan)
    compiled.conv2d_backward_kernel(geometry, x, dy, expected, expected_db).run(1)
    assert_same_bits(dw, expected)
    assert_same_bits(db, expected_db)


@pytest.mark.parametrize(("threads", "runner"), RUNNERS)
def test_a_dense_layer_with_softmax_and_loss(isa, dtype, threads, runner):
    rng = generator("dense")
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((64, 300), (300, 40), (40,)))
    run = {"threads": threads, "runner": runner, "dtype": int(dtype == np.float64)}
    sizes = {"rows": 64, "inputs": 300, "outputs": 40, **run}
    y, p, dx = np.empty((64, 40), dtype), np.empty((64, 40), dtype), np.empty_like(x)
    apply("dense", {"x": x, "w": w, "bias": b, "y": y}, has_bias=1, **sizes)
    assert_same_bits(y, ops.dense(x, w, b))
    rows = {"rows": 64, "classes": 40, **run}
    apply("softmax", {"x": y, "y": p}, **rows)
    assert_same_bits(p, ops.softmax(y))

    labels, loss = rng.integers(0, 40, 64), np.empty(64)
    dy, expected, expected_loss = np.empty_like(y), np.empty_like(y), np.empty(64)
    apply("cross_entropy", {"x": y, "labels": labels, "dx": dy, "loss": loss, "y": p}, **rows)
    compiled.SoftmaxCrossEntropy(y, labels, expected, expected_loss).run(1)
    assert_same_bits(dy, expected)
    assert_same_bits(loss, expected_loss)

    apply("dense", {"dy": dy, "w": w, "dx": dx}, **{"pass": 1}, **sizes)
    expected = np.empty_like(x)
    compiled.DenseBackwardInput(dy, w, expected).run(1)
    assert_same_bits(dx, expected)
    dw, db, expected, expected_db = (np.empty_like(a) for a in (w, b, w, b))
    apply("dense", {"x": x, "dy": dy, "dw": dw, "db": db}, has_bias=1, **{"pass": 2}, **sizes)
    compiled.DenseBackwardKernel(x, dy, expected, expected_db).run(1)
    assert_same_bits(dw, expected)
    assert_same_bits(db, expected_db)

    slots, hyper = [np.zeros_like(w), np.zeros_like(w)], (0.001, 0.9, 0.999, 1e-7)
    weights, copies = w.copy(), [slot.copy() for slot in slots]
    update = {"weights": weights, "dw": dw, "slots": slots, "hyper": hyper}
    apply("update", update, rule=NUMBERS["ADAM"], count=w.size, **run)
    expected = w.copy()
    compiled.Update("adam", expected, dw, copies, np.array(hyper)).run(1)
    assert (weights != w).any()
    assert_same_bits(weights, expected)
    assert_same_bits(slots[1], copies[1])


@pytest.mark.parametrize(("threads", "runner"), RUNNERS)
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_and_its_gradient(isa, dtype, kind, threads, runner):
    rng = generator("pool")
    x = rng.standard_normal((3, 19, 17, 9)).astype(dtype)
    geometry = fastconv.shapes.pool2d_geometry(x.shape, pool_size=3, strides=2, padding="same")
    sizes = {
        field: getattr(geometry, field)
        for field, _ in STRUCTS["pool2d"]._fields_
        if hasattr(geometry, field)
    }
    sizes |= {"dtype": int(dtype == np.float64), "kind": NUMBERS[kind.upper()]}
    sizes |= {"threads": threads, "runner": runner}
    y = np.empty(geometry.output_shape, dtype)
    argmax, wanted = np.empty(y.shape, np.uint8), np.empty(y.shape, np.uint8)
    dx, dy = np.empty_like(x), rng.standard_normal(y.shape).astype(dtype)
    apply("pool2d", {"x": x, "y": y, "argmax": argmax}, **sizes)
    apply("pool2d", {"dy": dy, "argmax": argmax, "dx": dx}, **{"pass": 1}, **sizes)
    expected, expected_dx = np.empty_like(y), np.empty_like(x)
    if kind == "max":
        compiled.MaxPoolForward(geometry, x, expected, wanted).run(1)
        compiled.MaxPoolBackward(geometry, dy, wanted, expected_dx).run(1)
    else:
        compiled.AveragePoolForward(geometry, x, expected).run(1)
        compiled.AveragePoolBackward(geometry, dy, expected_dx).run(1)
    assert_same_bits(y, expected)
    assert_same_bits(dx, expected_dx)


@pytest.mark.parametrize("name", ["relu", "elu", "gelu", "tanh", "mish"])
def test_an_activation_and_its_gradient(isa, dtype, name):
    rng = generator(name)
    x, dy = (rng.standard_normal(20000).astype(dtype) for _ in range(2))
    y, dx, expected = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    sizes = {"activation": NUMBERS[name.upper()], "count": x.size, "slope": 0.3}
    sizes |= {"dtype": int(dtype == np.float64), "threads": 2}
    apply("activation", {"x": x, "y": y}, **sizes)
    compiled.ActivationForward(name, x, expected, 0.3).run(1)
    assert_same_bits(y, expected)
    apply("activation", {"x": x, "y": y, "dy": dy, "dx": dx}, **{"pass": 1}, **sizes)
    saved = x if name in ("gelu", "mish") else y
    compiled.ActivationBackward(name, saved, dy, expected, 0.3).run(1)
    assert_same_bits(dx, expected)


def test_batch_normalization(isa, dtype):
    rng = generator("norm")
    x, dy = (rng.standard_normal((1, 500, 20)).astype(dtype) for _ in range(2))
    gamma, beta = (rng.standard_normal(20).astype(dtype) for _ in range(2))
    y, dx, mean, variance, dgamma, dbeta = (
        np.empty_like(a) for a in (x, x, gamma, gamma, gamma, gamma)
    )
    sizes = {"rows": 500, "channels": 20, "epsilon": 1e-3, "dtype": int(dtype == np.float64)}
    affine = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    apply("batch_norm", {"x": x, "y": y, **affine}, **sizes)
    e_mean, e_variance, e_y = np.empty((1, 20), dtype), np.empty((1, 20), dtype), np.empty_like(x)
    compiled.ChannelNormForward(x, gamma, beta, e_y, e_mean, e_variance, 1e-3).run(1)
    assert_same_bits(y, e_y)
    assert_same_bits(variance, e_variance[0])
    gradients = {"dy": dy, "dx": dx, "dgamma": dgamma, "dbeta": dbeta}
    apply("batch_norm", {"x": x, **gradients, **affine}, **{"pass": 1}, **sizes)
    e_dx, e_dgamma, e_dbeta = np.empty_like(x), np.empty_like(gamma), np.empty_like(gamma)
    compiled.ChannelNormBackward(
        x, dy, gamma, beta, e_mean, e_variance, e_dx, e_dgamma, e_dbeta, 1e-3
    ).run(1)
    assert_same_bits(dx, e_dx)
    assert_same_bits(dgamma, e_dgamma)
    apply("batch_norm", {"x": x, "y": y, **affine}, fixed_statistics=1, **sizes)
    compiled.FrozenNormForward(x, gamma, beta, mean, variance, e_y, 1e-3).run(1)
    assert_same_bits(y, e_y)


# ---- what is refused ----

GOOD = {
    "batch": 1, "height": 5, "width": 5, "channels": 2, "filters": 2, "kernel_h": 3, "kernel_w": 3
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "OK"),
        ({"size": 8}, "WRONG_STRUCT"),
        ({"dtype": 2}, "WRONG_OPTION"),
        ({"pass": 3}, "WRONG_OPTION"),
        ({"activation": NUMBERS["ELU"]}, "WRONG_OPTION"),
        ({"height": 2}, "WRONG_SIZE"),
        ({"batch": 0}, "WRONG_SIZE"),
        ({"groups": 3}, "WRONG_SIZE"),
        ({"pad_left": -1}, "WRONG_SIZE"),
        ({"height": 2**31 - 1, "width": 2**31 - 1}, "TOO_LARGE"),
        ({"height": 2**62}, "WRONG_SIZE"),
    ],
)
def test_wrong_descriptions_are_refused(change, status):
    found, op = create("conv2d", **(GOOD | change))
    assert found == NUMBERS[status]
    assert bool(op) == (status == "OK")
    assert len(message(found)) > 3
    ctypes.CFUNCTYPE(None, P)(api().destroy)(op)


def test_runs_without_what_they_need_are_refused():
    _, op = create("conv2d", **GOOD)
    run = function("run", P, P, P, ctypes.c_int64, ctypes.c_int32)
    struct = STRUCTS["arrays"](size=ctypes.sizeof(STRUCTS["arrays"]))
    work = aligned(100000)
    x = np.zeros(1000, np.float32)

    def status(workspace=work.ctypes.data, size=100000, threads=1):
        return run(op, ctypes.byref(struct), workspace, size, threads)

    assert status() == NUMBERS["NULL_POINTER"]
    struct.x = struct.w = struct.y = x.ctypes.data
    assert status() == NUMBERS["OK"]
    assert status(workspace=work.ctypes.data + 8) == NUMBERS["UNALIGNED"]
    assert status(size=1000) == NUMBERS["SMALL_WORKSPACE"]
    assert status(threads=0) == NUMBERS["WRONG_SIZE"]
    struct.size = 8
    assert status() == NUMBERS["WRONG_STRUCT"]
    ctypes.CFUNCTYPE(None, P)(api().destroy)(op)
    assert message(99) == "an unknown status"


# ---- programs ----


def run(*command, **environment) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


needs_objects = pytest.mark.skipif(
    shutil.which("gcc") is None or not (OBJECTS / "interface").is_dir(),
    reason="gcc or the objects of a build are not here",
)


def linked(source: Path, program: Path, *compiler: str) -> Path:
    """The program, made of `source` and the objects of the C library, without Python."""
    folders = ("interface", "network", "operations", "schedule", "kernels")
    objects = [path for name in folders for path in sorted((OBJECTS / name).glob("*.o"))]
    run(*compiler, "-Wall", "-Wextra", "-Werror", f"-I{HEADER.parent}", source, *objects, "-lm",
        "-o", program)  # fmt: skip
    return program


@needs_objects
def test_the_c_example_prints_what_python_computes(tmp_path):
    program = linked(EXAMPLES / "edges.c", tmp_path / "edges", "gcc", "-std=c99",
                     "-Wno-missing-field-initializers")  # fmt: skip
    picture = generator("picture").integers(0, 256, (21, 34)).astype(np.uint8)
    (tmp_path / "picture.pgm").write_bytes(b"P5 34 21 255\n" + picture.tobytes())
    values = [float.fromhex(line) for line in run(program, tmp_path / "picture.pgm").split()]
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
    w = np.stack([sobel, sobel.T], -1)[:, :, None]
    x = picture[None, :, :, None].astype(np.float32) / 255
    expected = ops.max_pool2d(ops.conv2d(x, w, padding="same", activation="relu"))
    assert_same_bits(np.array(values, np.float32).reshape(expected.shape), expected)
    usage = subprocess.run([program], capture_output=True, text=True)
    assert usage.returncode == 2
    assert usage.stderr.startswith("usage: ")


@needs_objects
@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not here")
def test_the_cpp_example_prints_what_python_computes(tmp_path):
    program = linked(EXAMPLES / "dense.cpp", tmp_path / "dense", "g++", "-std=c++11")
    x = np.array([[0.5, -1, 2], [3, 0.25, -0.125]], np.float32)
    w = np.array([[1, -1], [0.5, 0.75], [-2, 0.3]], np.float32)
    expected = ops.softmax(ops.dense(x, w, np.array([0.1, -0.2], np.float32)))
    assert [float.fromhex(word) for word in run(program).split()] == expected.ravel().tolist()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not here")
def test_the_cython_example_computes_what_python_computes(tmp_path):
    pytest.importorskip("Cython")
    source = tmp_path / "parallel_conv.pyx"
    shutil.copy(EXAMPLES / "parallel_conv.pyx", source)
    run(sys.executable, "-m", "cython", "-3", source, PYTHONPATH=str(CHECKOUT))
    library = tmp_path / f"parallel_conv{sysconfig.get_config_var('EXT_SUFFIX')}"
    run("gcc", "-shared", "-fPIC", "-O1", "-fopenmp", f"-I{sysconfig.get_paths()['include']}",
        f"-I{HEADER.parent}", source.with_suffix(".c"), "-o", library)  # fmt: skip
    spec = importlib.util.spec_from_file_location("parallel_conv", library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = generator("prange")
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((7, 12, 9, 4), (3, 3, 4, 6)))
    y, dx = np.empty((7, 10, 7, 6), np.float32), np.empty_like(x)
    module.convolve(x, w, y)
    assert_same_bits(y, np.concatenate([ops.conv2d(image[None], w) for image in x]))
    module.gradient(y, w, dx)
    expected = [ops.conv2d_backward_input(dy[None], w, input_shape=(1, 12, 9, 4)) for dy in y]
    assert_same_bits(dx, np.concatenate(expected))


def test_the_table_has_the_version_and_size_of_the_header():
    assert api().abi == 2
    assert api().size == ctypes.sizeof(STRUCTS["api"])
