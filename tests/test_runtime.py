"""Threads: where the default number comes from and how it is set.  Instruction sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastconv import runtime

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture
def fresh(monkeypatch):
    """The runtime as it is before the first call, without OMP_NUM_THREADS."""
    monkeypatch.setattr(runtime._State, "chosen", None)
    monkeypatch.setattr(runtime._State, "default", None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return runtime


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def mount(version: int, visible: str, point: str) -> str:
    kind, options = ("cgroup2", "rw") if version == 2 else ("cgroup", "rw,cpu,cpuacct")
    return f"30 24 0:26 {visible} {point} rw,nosuid shared:4 - {kind} cgroup {options}\n"


# ---- the control group's quota ----


@pytest.mark.parametrize(
    ("quota", "threads"),
    [
        ("200000 100000", 2),
        ("350000 100000", 3),  # rounded down
        ("50000 100000", 1),  # but at least one
        ("30000 10000", 3),
    ],
)
def test_quota_of_version_2(tmp_path, quota, threads):
    write(
        tmp_path,
        {
            "proc/self/mountinfo": mount(2, "/", "/sys/fs/cgroup"),
            "proc/self/cgroup": "0::/jobs/one\n",
            "sys/fs/cgroup/jobs/one/cpu.max": quota + "\n",
        },
    )
    limit = runtime._cgroup_limit(tmp_path)
    assert limit.threads == threads
    assert "control group's quota" in limit.reason


def test_the_tightest_ancestor_counts(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/mountinfo": mount(2, "/", "/sys/fs/cgroup"),
            "proc/self/cgroup": "0::/slice/scope\n",
            "sys/fs/cgroup/slice/scope/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slice/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/cpu.max": "800000 100000\n",
        },
    )
    assert runtime._cgroup_limit(tmp_path).threads == 3


def test_quota_of_version_1(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/mountinfo": mount(1, "/", "/sys/fs/cgroup/cpu,cpuacct"),
            "proc/self/cgroup": "5:memory:/jobs\n4:cpu,cpuacct:/jobs\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert runtime._cgroup_limit(tmp_path).threads == 4


@pytest.mark.parametrize(
    ("visible", "group", "folder"),
    [
        ("/docker/abc", "/docker/abc", ""),  # the mount shows the container's own group
        ("/docker/abc", "/docker/abc/inner", "inner"),
        ("/docker/abc", "/docker/abcdef", ""),  # a sibling's path is not below the mount
        ("/", "/../outside", ""),  # the group lies outside this namespace
    ],
)
def test_group_seen_from_inside_a_container(tmp_path, visible, group, folder):
    write(
        tmp_path,
        {
            "proc/self/mountinfo": mount(2, visible, "/sys/fs/cgroup"),
            "proc/self/cgroup": f"0::{group}\n",
            str(Path("sys/fs/cgroup", folder, "cpu.max")): "200000 100000\n",
        },
    )
    assert runtime._cgroup_limit(tmp_path).threads == 2


@pytest.mark.parametrize(
    "text", ["max 100000\n", "", "many few\n", "100000\n", "100000 0\n", "-1 5\n"]
)
def test_no_quota_or_an_unreadable_one_is_no_limit(tmp_path, text):
    write(
        tmp_path,
        {
            "proc/self/mountinfo": "not a mount line\n" + mount(2, "/", "/sys/fs/cgroup"),
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": text,
        },
    )
    assert runtime._cgroup_limit(tmp_path) is None


def test_a_system_without_control_groups(tmp_path):
    assert runtime._cgroup_limit(tmp_path) is None


# ---- the default: the smallest limit ----


@pytest.mark.parametrize(
    ("cpus", "quota", "omp", "expected", "reason"),
    [
        (8, 4, "6", 4, "quota"),
        (8, 4, "2", 2, "OMP_NUM_THREADS=2"),
        (3, 4, "6", 3, "CPUs this process may run on"),
        (8, None, None, 8, "CPUs this process may run on"),
        (8, None, "3,2,1", 3, "OMP_NUM_THREADS=3"),  # one number per nesting level
        (8, None, " 5 ", 5, "OMP_NUM_THREADS=5"),
        (8, None, "0", 8, "CPUs"),
        (8, None, "-2", 8, "CPUs"),
        (8, None, "many", 8, "CPUs"),
        (8, None, "", 8, "CPUs"),
    ],
)
def test_default_is_the_smallest_limit(fresh, monkeypatch, cpus, quota, omp, expected, reason):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cpus)), raising=False)
    limit = runtime._Limit(quota, "the quota") if quota else None
    monkeypatch.setattr(runtime, "_cgroup_limit", lambda root: limit)
    if omp is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", omp)
    assert fresh.get_num_threads() == expected
    assert reason in fresh.config()["threads limited by"]


def test_affinity_of_the_real_process_is_honoured():
    cpu = min(os.sched_getaffinity(0))
    program = (
        f"import os; os.sched_setaffinity(0, {{{cpu}}})\n"
        "from fastconv import runtime; print(runtime.get_num_threads())"
    )
    assert python(program).strip() == "1"


# ---- setting it ----


def test_a_number_of_threads_that_is_set_is_returned(fresh):
    fresh.set_num_threads(np.int64(3))
    assert fresh.get_num_threads() == 3
    assert fresh.config()["threads limited by"] == "set by the program"


def test_context_managers_nest(fresh):
    before = fresh.get_num_threads()
    with fresh.num_threads(7):
        assert fresh.get_num_threads() == 7
        with fresh.num_threads(2):
            assert fresh.get_num_threads() == 2
        assert fresh.get_num_threads() == 7
    assert fresh.get_num_threads() == before
    assert fresh._State.chosen is None


def test_context_manager_restores_after_an_error(fresh):
    before = fresh.get_num_threads()
    with pytest.raises(KeyError), fresh.num_threads(7):
        raise KeyError(fresh.get_num_threads())
    assert fresh.get_num_threads() == before
    assert fresh._State.chosen is None


@pytest.mark.parametrize("n", [True, 2.0, "2", None, [2]])
def test_what_is_no_integer_is_a_type_error(fresh, n):
    for call in (fresh.set_num_threads, lambda n: fresh.num_threads(n).__enter__()):
        with pytest.raises(TypeError, match=r"`n` must be an integer from 1 to 1024, received"):
            call(n)
    assert fresh._State.chosen is None


@pytest.mark.parametrize("n", [0, -1, 1025, 2**70])
def test_out_of_range_is_a_value_error(fresh, n):
    for call in (fresh.set_num_threads, lambda n: fresh.num_threads(n).__enter__()):
        with pytest.raises(
            ValueError, match=rf"`n` must be an integer from 1 to 1024, received {n}"
        ):
            call(n)
    with pytest.raises(ValueError, match=rf"`num_threads` must be .*, received {n}"):
        fresh.resolve_num_threads(n)
    assert fresh._State.chosen is None


def test_an_argument_wins_over_the_setting(fresh):
    fresh.set_num_threads(3)
    assert fresh.resolve_num_threads(None) == 3
    assert fresh.resolve_num_threads(5) == 5


# ---- other processes ----


def python(program: str, *, errors: bool = False, **environment: str) -> str:
    """Runs a program in a process of its own and returns what it printed; a hang is a failure.

    An empty value removes a variable from its environment.
    """
    variables = {name: text for name, text in {**os.environ, **environment}.items() if text}
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stderr if errors else result.stdout


@pytest.mark.parametrize("name", runtime.available_isas())
def test_an_instruction_set_can_be_forced(name):
    program = "from fastconv import runtime; print(runtime.isa()); runtime.show_config()"
    lines = python(program, FASTCONV_ISA=name).splitlines()
    assert lines[0] == name
    assert any(line.endswith(f"{name} (FASTCONV_ISA={name})") for line in lines[1:])


def test_an_unknown_instruction_set_names_the_valid_ones():
    program = """
from fastconv import runtime
try:
    runtime.isa()
except ValueError as error:
    print(error)
"""
    said = python(program, FASTCONV_ISA="sse9")
    assert "FASTCONV_ISA" in said
    assert "'sse9'" in said
    assert all(isa in said for isa in runtime.available_isas())


@pytest.mark.parametrize(
    ("environment", "spins"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "77"}, "77"),
        ({"OMP_WAIT_POLICY": "passive"}, "0"),
    ],
)
def test_waiting_threads_soon_leave_the_cpu_unless_the_user_says_otherwise(environment, spins):
    """GCC's OpenMP library shows its settings when asked to; the environment stays as it was."""
    program = (
        "import os; before = dict(os.environ); from fastconv import runtime; runtime.isa(); "
        "assert dict(os.environ) == before"
    )
    clean = dict.fromkeys(("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"), "") | environment
    shown = python(program, errors=True, OMP_DISPLAY_ENV="verbose", **clean)
    # Another OpenMP library (a build without GCC's) shows other settings, and has no such variable.
    assert f"GOMP_SPINCOUNT = '{spins}'" in shown or "GOMP_" not in shown


def test_show_config_prints_every_fact(capsys):
    runtime.show_config()
    printed = capsys.readouterr().out
    for name, value in runtime.config().items():
        assert any(
            line.startswith(name) and line.endswith(str(value)) for line in printed.splitlines()
        ), name
    assert f"threads             {runtime.get_num_threads()}\n" in printed
