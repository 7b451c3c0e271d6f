"""Kernels in scratch with red zones, under AddressSanitizer: the part that compiles in seconds.

`make test-sanitizers` runs all kernels on all targets, and threads as well; that takes minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sanitizers import __main__ as sanitizers

CHECKOUT = Path(__file__).resolve().parents[1]
KERNELS = CHECKOUT / "fastconv/_ext/kernels"
SCHEDULES = sorted((CHECKOUT / "fastconv/_ext/schedule").glob("*.c"))
PROGRAM = CHECKOUT / "tests/kernels/depthwise_red_zones.c"

needs_gcc = pytest.mark.skipif(
    sanitizers.runtime_library("address") is None, reason="gcc with AddressSanitizer is not here"
)


def run_depthwise(folder: Path, *includes: Path) -> subprocess.CompletedProcess:
    """The program about depthwise kernels, compiled with the first file of each name."""
    program = folder / "depthwise"
    flags = ["-O1", "-std=gnu11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    folders = [f"-I{path}" for path in (*includes, KERNELS)]
    sources = [PROGRAM, *SCHEDULES]
    subprocess.run(["gcc", *flags, *folders, *sources, "-lm", "-o", program], check=True)
    return subprocess.run([program], capture_output=True, text=True)


@needs_gcc
def test_depthwise_kernels_stay_within_their_scratch(tmp_path):
    result = run_depthwise(tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "900 problems\n"


@needs_gcc
def test_a_row_of_pointers_too_many_is_found(tmp_path):
    """The instrument works: the prefetch without its condition reads before the table of pixels."""
    source, condition = (KERNELS / "depthwise.inc").read_text(), "if (S == 1 || q < r)"
    assert source.count(condition) == 1
    (tmp_path / "depthwise.inc").write_text(source.replace(condition, ""))
    result = run_depthwise(tmp_path, tmp_path)
    assert result.returncode != 0
    assert "AddressSanitizer: use-after-poison" in result.stderr
    assert "in fc_f32_depthwise_" in result.stderr


def test_without_gcc_the_program_says_so():
    result = subprocess.run(
        [sys.executable, "-m", "tests.sanitizers", "--kind", "thread"],
        cwd=CHECKOUT,
        env={**os.environ, "PATH": "/nowhere"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert result.stderr == "thread: gcc or its libtsan.so was not found\n"


def test_an_unknown_sanitizer_is_one_sentence():
    result = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext"],
        cwd=CHECKOUT,
        env={**os.environ, "FASTCONV_SANITIZE": "memory"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr == (
        "fastconv: FASTCONV_SANITIZE must be one of address, thread, received 'memory'\n"
    )


def test_a_stopped_run_tells_the_problem_and_the_seed():
    stopped = subprocess.CompletedProcess([], 1, "forward direct\nbackward_input\n", "the report")
    said = sanitizers.describe("address", "avx2", 17, stopped)
    assert said == "address avx2 --seed 17: STOPPED with 1 after\nbackward_input\nthe report"
    went = subprocess.CompletedProcess([], 0, "forward\npool: 3 problems, digest 1f\n", "")
    said = sanitizers.describe("address", "avx2", 17, went)
    assert said == "address avx2 --seed 17: pool: 3 problems, digest 1f"
