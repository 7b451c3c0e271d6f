"""The kernels of every target against the scalar ones, in scratch full of denormal numbers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from fastconv import runtime

CHECKOUT = Path(__file__).resolve().parents[1]
KERNELS = CHECKOUT / "fastconv/_ext/kernels"
TAG = f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
OBJECTS = CHECKOUT / "build" / f"objects-{TAG}"

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or not (OBJECTS / "kernels").is_dir(),
    reason="gcc or the objects of a build are not here",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("compare") / "compare_targets"
    objects = sorted([*OBJECTS.glob("kernels/*.o"), *OBJECTS.glob("schedule/*.o")])
    command = ["gcc", "-O1", "-std=gnu11", "-ffp-contract=off", "-Wall", "-Werror", f"-I{KERNELS}"]
    source = CHECKOUT / "tests/kernels/compare_targets.c"
    subprocess.run([*command, source, *objects, "-lm", "-o", path], check=True)
    return path


@pytest.mark.parametrize("target", [name for name in runtime.available_isas() if name != "scalar"])
def test_a_target_computes_what_the_scalar_one_does(program, target):
    """And with no number that is left over in scratch: it is denormal there, which costs time."""
    result = subprocess.run([program, target], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:]
    checks, failed = (int(word) for word in result.stdout.split() if word.isdecimal())
    assert checks > 1000
    assert failed == 0
