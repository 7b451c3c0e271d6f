"""No kernel reads or writes a byte that is not its own.

The checks themselves are in `guarded_memory`: every operand and result lies against a page that
cannot be touched, in surroundings full of NaN. They run in a process of their own, so that a kernel
which does step over the edge is reported by name and does not take the test run with it.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import ops, runtime
from tests.support import guarded_memory

CHECKOUT = Path(__file__).parents[1]
PACKAGE_ROOT = Path(fastconv.__file__).parents[1]


def run_python(*arguments: str) -> subprocess.CompletedProcess:
    """A Python process that finds the test modules and the package under test."""
    path = f"import sys; sys.path[:0] = [{str(PACKAGE_ROOT)!r}, {str(CHECKOUT)!r}]; "
    return subprocess.run(
        [sys.executable, "-c", path + arguments[0], *arguments[1:]],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("family", guarded_memory.FAMILIES)
@pytest.mark.parametrize("name", runtime.available_isas())
def test_guard_pages_and_poisoned_surroundings(name, family):
    child = run_python(
        "from tests.support.guarded_memory import main; main(*sys.argv[1:])", name, family
    )
    last = (child.stdout.splitlines() or ["nothing"])[-1]
    assert child.returncode == 0 and last == "finished", (
        f"the process ended with {child.returncode} after `{last}`\n{child.stderr}"
    )


@pytest.mark.parametrize("at, beyond", [("end", "array[4095 + 1]"), ("start", "array[-1]")])
def test_the_guard_page_does_kill(at, beyond):
    """The instrument works: one element too far, on the guarded side, ends in a signal."""
    child = run_python(
        "import ctypes; from tests.support import guarded_memory as g; "
        f"guarded = g.Guarded(4096, 'u1', {at!r}); "
        "array = ctypes.cast(guarded.array.ctypes.data, ctypes.POINTER(ctypes.c_char)); "
        f"array[0]; array[4095]; print('inside', flush=True); {beyond}"
    )
    assert child.stdout.split() == ["inside"]
    assert child.returncode in (-signal.SIGSEGV, -signal.SIGBUS)


def test_the_canaries_do_tell():
    guarded = guarded_memory.Guarded(10, np.float32, "end", 1.0)
    assert guarded.surroundings_intact()
    inside = guarded.array.__array_interface__["data"][0]
    ctypes.memset(inside - 1, 0, 1)
    assert not guarded.surroundings_intact()


@pytest.mark.parametrize("at", guarded_memory.PLACEMENTS)
def test_public_functions_on_guarded_arrays(isa, dtype, at):
    """The validated functions hand the arrays on as they are, including `out`."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 6, 5, 7)), rng.standard_normal((3, 3, 7, 19))
    b = rng.standard_normal(19)
    x, w, b = (guarded_memory.Guarded(a.shape, dtype, at, a) for a in (x, w, b))
    out = guarded_memory.Guarded((2, 4, 3, 19), dtype, at)
    y = ops.conv2d(x.array, w.array, b.array, out=out.array)
    expected = ops.conv2d(x.array.copy(), w.array.copy(), b.array.copy())
    assert y is out.array
    assert y.tobytes() == expected.tobytes()
    dx = guarded_memory.Guarded(x.array.shape, dtype, at)
    ops.conv2d_backward_input(y, w.array, input_shape=x.array.shape, out=dx.array)
    plain = ops.conv2d_backward_input(expected, w.array.copy(), input_shape=x.array.shape)
    assert dx.array.tobytes() == plain.tobytes()
    assert all(item.surroundings_intact() for item in (x, w, b, out, dx))


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_windows_into_poisoned_arrays(isa, dtype, poison):
    """A view of the inside of a larger array computes as its copy does: the rim never leaks in."""
    big = np.full((4, 12, 13, 24), poison, dtype)
    inside = big[1:3, 2:9, 3:11, 4:21]
    rng = np.random.default_rng(1)
    inside[...] = rng.standard_normal(inside.shape)
    big_w = np.full((5, 5, 19, 30), poison, dtype)
    w = big_w[1:4, 1:4, 1:18, 5:28]
    w[...] = rng.standard_normal(w.shape)
    for padding in ("same", "valid", ((2, 0), (1, 3))):
        y = ops.conv2d(inside, w, padding=padding)
        assert np.isfinite(y).all()
        assert y.tobytes() == ops.conv2d(inside.copy(), w.copy(), padding=padding).tobytes()
    pooled = ops.max_pool2d(inside, pool_size=3, strides=2, padding="same")
    assert np.isfinite(pooled).all()
    averaged = ops.avg_pool2d(inside, pool_size=3, strides=2, padding="same")
    assert np.isfinite(averaged).all()
