"""fastconv.h: what is refused, and the examples in C, C++ and Cython."""

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
from fastconv import ops, runtime
from tests.support.c_interface import (
    HEADER,
    NUMBERS,
    STRUCTS,
    P,
    aligned,
    api,
    create,
    function,
    message,
)
from tests.support.oracle import assert_same_bits, generator

CHECKOUT = Path(__file__).resolve().parents[1]
EXAMPLES = CHECKOUT / "examples/embedding"
OBJECTS = CHECKOUT / f"build/objects-{sysconfig.get_platform()}-{sys.implementation.cache_tag}"

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
        ({"algorithm": 77}, "WRONG_OPTION"),
        ({"algorithm": NUMBERS["SCATTER"]}, "WRONG_OPTION"),
        ({"algorithm": NUMBERS["WINOGRAD4"]}, "OK"),
        ({"algorithm": NUMBERS["WINOGRAD4"], "dilation_h": 2}, "WRONG_OPTION"),
    ],
)
def test_wrong_descriptions_are_refused(change, status):
    found, op = create("conv2d", **(GOOD | change))
    assert found == NUMBERS[status]
    assert bool(op) == (status == "OK")
    assert len(message(found)) > 3
    ctypes.CFUNCTYPE(None, P)(api().destroy)(op)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "OK"),
        ({"out_height": 8}, "WRONG_SIZE"),
        ({"out_height": 0}, "WRONG_SIZE"),
        ({"pass": 1, "has_bias": 1}, "WRONG_OPTION"),
        ({"pass": 2, "activation": NUMBERS["RELU"]}, "WRONG_OPTION"),
        ({"algorithm": NUMBERS["SCATTER"]}, "OK"),
        ({"pass": 1, "algorithm": NUMBERS["SCATTER"]}, "WRONG_OPTION"),
    ],
)
def test_wrong_descriptions_of_transposed_convolutions_are_refused(change, status):
    found, op = create("conv2d_transpose", **(GOOD | {"out_height": 7, "out_width": 7} | change))
    assert found == NUMBERS[status]
    assert bool(op) == (status == "OK")
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


def check_edges(program: Path, tmp_path: Path) -> None:
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
def test_the_c_example_prints_what_python_computes(tmp_path):
    program = linked(EXAMPLES / "edges.c", tmp_path / "edges", "gcc", "-std=c99",
                     "-Wno-missing-field-initializers")  # fmt: skip
    check_edges(program, tmp_path)


def check_dense(program: Path) -> None:
    x = np.array([[0.5, -1, 2], [3, 0.25, -0.125]], np.float32)
    w = np.array([[1, -1], [0.5, 0.75], [-2, 0.3]], np.float32)
    expected = ops.softmax(ops.dense(x, w, np.array([0.1, -0.2], np.float32)))
    assert [float.fromhex(word) for word in run(program).split()] == expected.ravel().tolist()


@needs_objects
@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not here")
def test_the_cpp_example_prints_what_python_computes(tmp_path):
    check_dense(linked(EXAMPLES / "dense.cpp", tmp_path / "dense", "g++", "-std=c++11"))


needs_cmake = pytest.mark.skipif(
    not all(map(shutil.which, ("cmake", "cc", "c++", "pkg-config"))),
    reason="needs cmake, cc, c++ and pkg-config",
)


@needs_cmake
def test_cmake_finds_the_package_of_the_wheel(tmp_path):
    folder = fastconv.get_cmake_dir()
    run("cmake", "-S", EXAMPLES / "cmake", "-B", tmp_path, f"-Dfastconv_DIR={folder}")
    listed = run("cmake", "--build", tmp_path, "--target", "help")
    assert "edges" in listed and "fastconv" in listed
    flags = run("pkg-config", "--cflags", "fastconv", PKG_CONFIG_PATH=folder).strip()
    assert Path(flags.removeprefix("-I")).resolve() == HEADER.parent.resolve()
    assert run("pkg-config", "--modversion", "fastconv", PKG_CONFIG_PATH=folder).strip() == (
        fastconv.__version__
    )
    version = Path(folder, "fastconvConfigVersion.cmake").read_text()
    assert f"set(PACKAGE_VERSION {fastconv.__version__})" in version


@needs_cmake
def test_the_c_library_is_installed_for_cmake_and_pkg_config(tmp_path):
    """Without instruction sets beyond plain C, which compile quickly."""
    prefix, library, program = (tmp_path / name for name in ("prefix", "library", "program"))
    run("cmake", "-S", fastconv.get_cmake_dir(), "-B", library, "-DFASTCONV_TARGETS=none",
        "-DCMAKE_INSTALL_LIBDIR=lib")  # fmt: skip
    run("cmake", "--build", library, "-j2")
    run("cmake", "--install", library, "--prefix", prefix)
    run("cmake", "-S", EXAMPLES / "cmake", "-B", program, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", program)
    flags = run("pkg-config", "--cflags", "--libs", "fastconv",
                PKG_CONFIG_PATH=str(prefix / "lib/pkgconfig")).split()  # fmt: skip
    run("cc", EXAMPLES / "edges.c", *flags, "-o", tmp_path / "edges")
    before = runtime.isa()
    runtime.set_isa("scalar")
    try:
        check_edges(program / "edges", tmp_path)
        check_edges(tmp_path / "edges", tmp_path)
        check_dense(program / "dense")
    finally:
        runtime.set_isa(before)


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


def test_cython_declares_the_whole_header():
    declarations = (CHECKOUT / "fastconv/__init__.pxd").read_text()
    words = set(re.findall(r"\w+", declarations))
    numbers = {f"FASTCONV_{name}" for name in NUMBERS}
    assert numbers <= words
    for kind, struct in STRUCTS.items():
        names = {name for name, _ in struct._fields_}
        if kind == "api":
            functions = names - {"abi", "size", "version", "isa"}
            inline = set(re.findall(r"^cdef inline .*?(\w+)\(", declarations, re.M))
            assert functions == inline
        body = re.search(rf"struct fastconv_{kind}:\n(.*?)\n\n", declarations, re.S)[1]
        declared = set(re.findall(r"\w+", body))
        assert names - {"abi", "version"} <= declared | {"size"}, kind


def test_the_table_has_the_version_and_size_of_the_header():
    assert api().abi == 3
    assert api().size == ctypes.sizeof(STRUCTS["api"])
