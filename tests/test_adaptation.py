"""How many threads a program uses beside other programs, simulated in virtual time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
KERNELS = CHECKOUT / "fastconv/_ext/kernels"
PROGRAM = CHECKOUT / "tests/kernels/adaptation.c"

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

# For 1, 2, ... threads: microseconds per run, and percent of it that thread 0 waits.
IDLE = [(1500, 0), (800, 3)]
ONE_IS_FASTER = [(1600, 0), (3000, 60)]
TWO_ARE_FASTER = [(2600, 0), (2000, 30)]


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("adaptation") / "adaptation"
    flags = ["-std=c11", "-D_DEFAULT_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, f"-I{KERNELS}", PROGRAM, "-o", made], check=True)
    return made


def shares(program: Path, *phases: tuple[int, list[tuple[int, int]]]) -> list[list[int]]:
    """The percentage of time with 1, 2, ... threads, for phases of (ms, machine)."""
    lines = [
        " ".join(map(str, [duration, *(n for pair in machine for n in pair)]))
        for duration, machine in phases
    ]
    result = subprocess.run(
        [program, str(len(phases[0][1]))],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
    )
    return [[int(share) for share in line.split()] for line in result.stdout.splitlines()]


def test_on_an_idle_machine_nothing_is_tried(program):
    assert shares(program, (10000, IDLE)) == [[0, 100]]


def test_one_thread_where_waiting_dominates_with_rare_trials_of_two(program):
    [share] = shares(program, (10000, ONE_IS_FASTER))
    assert share[0] >= 95
    assert share[1] >= 1  # it probes again


def test_all_threads_return_when_the_other_program_ends(program):
    _, returning, later = shares(program, (10000, ONE_IS_FASTER), (1500, IDLE), (5000, IDLE))
    assert returning[1] > 0
    assert later == [0, 100]


def test_waiting_alone_is_no_reason_to_use_fewer(program):
    [share] = shares(program, (10000, TWO_ARE_FASTER))
    assert share[1] >= 95
    assert share[0] >= 1


def test_the_number_is_halved_and_doubled_step_by_step(program):
    crowded = [(100 * (4 + n), 80 if n > 1 else 0) for n in range(1, 9)]
    idle = [(8000 // n, 2) for n in range(1, 9)]
    first, _, later = shares(program, (10000, crowded), (4000, idle), (5000, idle))
    assert first[0] >= 90
    assert later == [0] * 7 + [100]


def test_a_small_gain_is_no_reason_to_use_fewer(program):
    """Two threads get their share of a machine where another program comes and goes."""
    [share] = shares(program, (10000, [(9000, 0), (9400, 45)]))
    assert share[1] >= 90


def test_trials_of_long_runs_cost_little_and_all_threads_return_within_twenty(program):
    """A training step of 300 ms, beside another program and then alone."""
    alone = [(300000, 0), (160000, 3)]
    share, returning, later = shares(
        program, (600000, [(300000, 0), (500000, 60)]), (20 * 300, alone), (5000, alone)
    )
    assert share[0] >= 90
    assert returning[1] > 0
    assert later == [0, 100]
