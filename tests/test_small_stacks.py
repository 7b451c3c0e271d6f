"""Operations run on threads whose stacks are small: OpenMP's OMP_STACKSIZE, or musl's 128 KiB."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastconv import runtime

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", runtime.available_isas())
def test_every_kernel_runs_on_a_small_stack(name):
    """The program compares one thread, on the large stack of the process, with two: same bits."""
    child = subprocess.run(
        [
            *(sys.executable, "-m", "tests.sanitizers.random_problems"),
            *("--isa", name, "--threads", "2", "--family", "large", "networks"),
        ],
        cwd=CHECKOUT,
        env={**os.environ, "OMP_STACKSIZE": "48k"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    last = (child.stdout.splitlines() or ["nothing"])[-1]
    assert child.returncode == 0, f"ended after `{last}`\n{child.stderr}"
    assert last.startswith("networks: ")
