"""fastconv in C and Cython beside fastconv in Python, and what exported networks weigh.

    python -m benchmarks.embedding
    python -m benchmarks.embedding --only lenet5

Sides take turns, in alternating blocks. Every row has the bound that it is held to; the command
fails (exit code 1) if one is missed. It needs GCC, make, binutils and Cython: the programs are
built in a temporary folder, from `benchmarks/embedded` and `fastconv.export`.

=================  =================================================================================
call               microseconds of a call in C of a convolution of 1x1 pixels and 1 channel
tiny, large        `ops.conv2d` in Python against the function of `cimport fastconv`: ratio of times
vgg16, mobilenet   an exported network against `predict_on_batch`, one image: ratio of times
lenet5             kilobytes of a program without weights and C library; microseconds from exec to
                   the end of its first inference
import             milliseconds that `import fastconv` takes
=================  =================================================================================
"""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from benchmarks import command, weight
from benchmarks.timing import Protocol, Timing, alternate, alternate_blocks, ratio
from fastconv.bench.tables import Table
from fastconv.bench.timing import run_block

SOURCES = Path(__file__).parent / "embedded"
CHECKOUT = SOURCES.parents[1]
LARGE = {  # x (N, H, W, C), w (KH, KW, C, K), padding "same"
    "large, 3x3": ((8, 56, 56, 64), (3, 3, 64, 64)),
    "large, 1x1": ((8, 28, 28, 256), (1, 1, 256, 128)),
}
TINY = {
    "tiny, 1 pixel": ((1, 1, 1, 1), (1, 1, 1, 1)),
    "tiny, 8x8": ((1, 8, 8, 1), (3, 3, 1, 4)),
}
CALLS = 2000  # of a tiny convolution, in one measurement


class Row(NamedTuple):
    """`bound` is the most that `value` may be; the least, if `at_least`; None: no bound."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    at_least: bool = False

    @property
    def missed(self) -> bool:
        if self.bound is None:
            return False
        return self.value < self.bound if self.at_least else self.value > self.bound


class Setting(NamedTuple):
    """What a measurement needs: a folder for programs, and how to measure."""

    folder: Path
    threads: int
    protocol: Protocol


def call(setting: Setting) -> Iterator[Row]:
    """The kernel takes some nanoseconds of it."""
    conv, _ = _convolution(setting, *TINY["tiny, 1 pixel"], threads=1)
    times = alternate_blocks({"C": partial(_repeated, conv.run)}, setting.protocol)
    yield Row("call", times["C"].median * 1e6, "us", 1.0)


def tiny(setting: Setting) -> Iterator[Row]:
    for name, shapes in TINY.items():
        conv, in_python = _convolution(setting, *shapes, threads=1)
        sides = {"C": partial(_repeated, conv.run), "Python": partial(run_block, in_python)}
        times = alternate_blocks(sides, setting.protocol)
        yield Row(name, ratio(times["Python"], times["C"]), "times", 3.0, at_least=True)


def large(setting: Setting) -> Iterator[Row]:
    for name, shapes in LARGE.items():
        conv, in_python = _convolution(setting, *shapes, threads=setting.threads)
        sides = {"C": partial(conv.run, 1), "Python": in_python}
        times = alternate(sides, setting.protocol)
        yield Row(name, ratio(times["C"], times["Python"]), "of ops.conv2d", 1.02)


def vgg16(setting: Setting) -> Iterator[Row]:
    yield _network_row("vgg16", setting)


def mobilenet(setting: Setting) -> Iterator[Row]:
    yield _network_row("mobilenet", setting)


def lenet5(setting: Setting) -> Iterator[Row]:
    from fastconv import export, zoo

    model = zoo.lenet5()
    folder = export.c_network(model, setting.folder / "lenet5")
    _run("make", "-s", "-j2", "-C", folder)
    shutil.copy(SOURCES / "first.c", folder)
    _run("cc", "-O2", "first.c", "libnet.a", "-lm", "-Wl,--gc-sections", "-o", "first", cwd=folder)
    text, data = _run("size", "first", cwd=folder).splitlines()[1].split()[:2]
    weights = 4 * model.count_params()
    yield Row("lenet5, program", (int(text) + int(data) - weights) / 1e3, "kB", 400.0)
    _run("cc", "-O2", "first.c", "libnet.a", "-lm", "-Wl,--gc-sections", "-static", "-o", "static",
         cwd=folder)  # fmt: skip
    times = [float(_run(folder / "static")) for _ in range(20 * setting.protocol.rounds)]
    yield Row("lenet5, first inference", statistics.median(times), "us", 1000.0)


def imported(setting: Setting) -> Iterator[Row]:
    rounds = 3 * setting.protocol.rounds
    empty, ours = weight.import_seconds(["pass", "import fastconv"], rounds)
    yield Row("import", (ours - empty) * 1e3, "ms")


MEASUREMENTS: dict[str, Callable[[Setting], Iterator[Row]]] = {
    "call": call,
    "tiny": tiny,
    "large": large,
    "vgg16": vgg16,
    "mobilenet": mobilenet,
    "lenet5": lenet5,
    "import": imported,
}


def _run(*words: object, cwd: Path | None = None) -> str:
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]} has failed: {done.stderr.strip()[-1000:]}")
    return done.stdout


def _repeated(run: Callable[[int], None], protocol: Protocol) -> list[float]:
    """The times of one call, of blocks of `CALLS` calls without Python between them."""
    return [seconds / CALLS for seconds in run_block(partial(run, CALLS), protocol)]


def _convolution(
    setting: Setting, x_shape: tuple[int, ...], w_shape: tuple[int, ...], threads: int
) -> tuple[object, Callable[[], object]]:
    """One convolution through `cimport` and through `ops`, which compute the same bits."""
    from fastconv import ops

    rng = np.random.default_rng(0)
    x, w = rng.random(x_shape, np.float32), rng.random(w_shape, np.float32)
    y = np.empty((*x_shape[:3], w_shape[3]), np.float32)
    conv = _cython_module(setting.folder).Conv2D(x, w, y, threads)
    in_python = partial(ops.conv2d, x, w, padding="same", num_threads=threads)
    conv.run(1)
    np.testing.assert_array_equal(y, in_python())
    return conv, in_python


def _cython_module(folder: Path) -> ModuleType:
    """`embedded/calls.pyx`, built once."""
    import fastconv

    if "calls" in sys.modules:
        return sys.modules["calls"]
    source = folder / "calls.pyx"
    shutil.copy(SOURCES / source.name, source)
    _run(sys.executable, "-m", "cython", "-3", "-I", CHECKOUT, source)
    library = folder / f"calls{sysconfig.get_config_var('EXT_SUFFIX')}"
    _run("cc", "-O2", "-shared", "-fPIC", f"-I{sysconfig.get_paths()['include']}",
         f"-I{fastconv.get_include()}", source.with_suffix(".c"), "-o", library)  # fmt: skip
    spec = importlib.util.spec_from_file_location("calls", library)
    assert spec is not None and spec.loader is not None
    module = sys.modules["calls"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _network_row(name: str, setting: Setting) -> Row:
    """One image through an exported network and through `predict_on_batch`, with the same bits."""
    from fastconv import export, runtime, zoo

    model = getattr(zoo, name)()
    folder = setting.folder / name
    export.c_network(model, folder, threads=setting.threads)
    _run("make", "-s", "-j2", "-C", folder, "CFLAGS=-fPIC")
    library = folder / "exported.so"
    _run("cc", "-O2", "-fPIC", "-shared", "-fopenmp", f"-I{folder}", SOURCES / "network.c",
         folder / "libnet.a", "-lm", "-o", library)  # fmt: skip
    constants = folder / "net.bin"
    weights = _aligned(constants.stat().st_size if constants.exists() else 0)
    if constants.exists():
        weights[:] = np.fromfile(constants, np.uint8)
    exported = ctypes.CDLL(str(library))
    exported.arena_bytes.restype, exported.prepare.restype = ctypes.c_int64, ctypes.c_char_p
    arena = _aligned(exported.arena_bytes())
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (arena, weights)]
    error = exported.prepare(*pointers)
    if error:
        raise RuntimeError(f"{name}: {error.decode()}")
    x = np.random.default_rng(0).random((1, *model.input_shape[1:]), np.float32)
    y = np.empty((1, *model.output_shape[1:]), np.float32)
    ends = [ctypes.c_void_p(array.ctypes.data) for array in (x, y)]
    with runtime.num_threads(setting.threads):
        exported.compute(pointers[0], *ends)
        np.testing.assert_array_equal(y, model.predict_on_batch(x))
        times: dict[str, Timing] = alternate(
            {
                "C": lambda: exported.compute(pointers[0], *ends),
                "Python": lambda: model.predict_on_batch(x),
            },
            setting.protocol,
        )
    return Row(name, ratio(times["C"], times["Python"]), "of predict", 1.03)


def _aligned(nbytes: int) -> np.ndarray:
    from fastconv.common.arrays import aligned_zeros

    return aligned_zeros(nbytes)


def main(arguments: list[str] | None = None) -> int:
    parser = command.parser(__doc__, peers=False)
    parser.add_argument("--only", choices=MEASUREMENTS, nargs="+", default=list(MEASUREMENTS))
    options = command.parse(parser, arguments)
    table = Table(
        f"fastconv in C and Cython, {options.threads} threads",
        ["measurement", "value", "unit", "bound"],
    )
    missed = False
    with tempfile.TemporaryDirectory(prefix="fastconv-embedding-") as folder:
        setting = Setting(Path(folder), options.threads, options.protocol)
        for name in options.only:
            for row in MEASUREMENTS[name](setting):
                sign = ">=" if row.at_least else "<="
                bound = None if row.bound is None else f"{sign} {row.bound:g}"
                table.add(row.name, row.value, row.unit, bound)
                missed |= row.missed
    table.show()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
