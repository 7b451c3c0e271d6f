"""Fixtures of the whole suite: every instruction set, both dtypes, and no state left behind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from fastconv import runtime

# Every run of the suite draws the same examples, so that a failure is a regression and not luck;
# `pytest --hypothesis-profile=explore` looks for new ones. A kernel whose pages are touched for the
# first time is not slow, so no example has a deadline.
settings.register_profile(
    "repeatable",
    derandomize=True,
    max_examples=250,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.register_profile(
    "explore", settings.get_profile("repeatable"), derandomize=False, max_examples=2000
)
settings.load_profile("repeatable")


def pytest_generate_tests(metafunc):
    """A test that asks for `isa` runs once per instruction set that this machine has."""
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", runtime.available_isas(), indirect=True)


@pytest.fixture
def isa(request):
    """The name of an instruction set; operations use it until the test ends."""
    before = runtime.isa()
    runtime.set_isa(request.param)
    yield request.param
    runtime.set_isa(before)


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


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, no variables set: only the checkout's `data/` is left to be found."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("FASTCONV_DATA", raising=False)
    return tmp_path / "home"
