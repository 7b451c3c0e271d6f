"""Fixtures of the whole suite: every instruction set, both dtypes, and no state left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from fastconv import runtime

# Test modules share tables and helpers that lie beside them, whichever import mode pytest uses.
sys.path.insert(0, str(Path(__file__).parent))

# A kernel that is compiled or page-faulted on first use is not slow, so no example has a deadline.
# In continuous integration every run draws the same examples: a failure there is a regression.
settings.register_profile(
    "fastconv", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile(
    "fastconv-ci", settings.get_profile("fastconv"), derandomize=True, database=None
)
settings.load_profile("fastconv-ci" if os.environ.get("CI") else "fastconv")


def pytest_generate_tests(metafunc):
    """A test that asks for `isa` runs once per instruction set that this machine has."""
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", runtime.available_isas(), indirect=True)


@pytest.fixture
def isa(request):
    """The name of an instruction set; operations use it until the test ends."""
    from fastconv._ext import _core

    before = _core.isa()
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa(before)


@pytest.fixture(params=(np.float32, np.float64), ids=("float32", "float64"))
def dtype(request):
    return request.param


@pytest.fixture(autouse=True)
def restored_runtime():
    """A test that changes the process-wide number of threads does not change the next test."""
    threads = runtime.get_num_threads()
    yield
    if runtime.get_num_threads() != threads:
        runtime.set_num_threads(threads)
