"""The barrier of the threads of a parallel region: no thread leaves early, none sleeps forever."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sanitizers import __main__ as sanitizers

CHECKOUT = Path(__file__).resolve().parents[1]
KERNELS = CHECKOUT / "fastconv/_ext/kernels"
PROGRAM = CHECKOUT / "tests/kernels/team_barrier.c"
FLAGS = ("-std=c11", "-D_DEFAULT_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread")

needs_a_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
needs_thread_sanitizer = pytest.mark.skipif(
    sanitizers.runtime_library("thread") is None, reason="gcc with ThreadSanitizer is not here"
)


def built(folder: Path, *flags: str, compiler: str = "cc") -> Path:
    program = folder / "team_barrier"
    command = [compiler, *FLAGS, *flags, f"-I{KERNELS}", PROGRAM, "-o", program]
    subprocess.run(command, check=True)
    return program


def run(program: Path, threads: int, generations: int) -> subprocess.CompletedProcess:
    """A thread that nothing wakes is a failure after two minutes."""
    return subprocess.run(
        [program, str(threads), str(generations), "1"],
        capture_output=True,
        text=True,
        timeout=120,
        env={"TSAN_OPTIONS": "halt_on_error=1"},
    )


@needs_a_compiler
@pytest.mark.parametrize("spins", [0, 50, 2000])
def test_threads_leave_together_and_all_wake_up(tmp_path, spins):
    program = built(tmp_path, f"-DFC_TEAM_SPINS={spins}")
    for threads, generations in ((1, 10), (2, 2000), (3, 600), (8, 150)):
        result = run(program, threads, generations)
        assert result.returncode == 0, result.stderr
        assert result.stdout == f"{generations} generations, 0 sleepers, 0 wrong\n"


@needs_thread_sanitizer
@pytest.mark.parametrize("spins", [0, 2000])
def test_the_writes_of_all_threads_are_visible_behind_the_barrier(tmp_path, spins):
    flags = (f"-DFC_TEAM_SPINS={spins}", "-fsanitize=thread", "-g1")
    program = built(tmp_path, *flags, compiler="gcc")
    result = run(program, 4, 200)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "200 generations, 0 sleepers, 0 wrong\n"


@needs_thread_sanitizer
def test_a_barrier_without_order_is_found(tmp_path):
    """The instrument works: with relaxed accesses, ThreadSanitizer reports the data race."""
    source = (KERNELS / "team.h").read_text()
    for order in ("acquire", "acq_rel", "seq_cst"):
        source = source.replace(f"memory_order_{order}", "memory_order_relaxed")
    (tmp_path / "team.h").write_text(source)
    program = built(tmp_path, f"-I{tmp_path}", "-fsanitize=thread", "-g1", compiler="gcc")
    result = run(program, 4, 200)
    assert result.returncode != 0
    assert "ThreadSanitizer: data race" in result.stderr
