"""Real local ranks: the same bits at any number of them, and an end after a fault."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fastconv import runtime

LAUNCHER = shutil.which(
    "mpirun", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
)
SECONDS = 100  # for a job; one that hangs fails
OVERSUBSCRIBED = {  # for Open MPI
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}

pytestmark = pytest.mark.skipif(
    LAUNCHER is None or find_spec("mpi4py") is None,
    reason="needs mpi4py and mpirun: pip install 'fastconv[mpi]' mpich",
)


def started(ranks: int, folder: Path, part: str = "", **environment: str) -> subprocess.Popen:
    """A job of so many ranks; 0: one process without a launcher."""
    launcher = [LAUNCHER, "-n", str(ranks)] if ranks else []
    command = [*launcher, sys.executable, "-m", "tests.support.mpi_job", str(folder)]
    return subprocess.Popen(
        command + ([part] if part else []),
        cwd=Path(__file__).parents[1],
        env={**os.environ, **OVERSUBSCRIBED, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def job(*arguments, **environment: str) -> subprocess.CompletedProcess:
    """The finished job; arguments as for `started`."""
    process = started(*arguments, **environment)
    try:
        output, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def results(ranks: int, folder: Path, part: str = "", **environment: str) -> list[dict]:
    """What the ranks have found, in their order."""
    done = job(ranks, folder, part, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    decoder, text, found = json.JSONDecoder(), done.stdout, []
    while "{" in text:  # lines of several ranks may be joined
        each, end = decoder.raw_decode(text, text.index("{"))
        found.append(each)
        text = text[end:]
    assert sorted(each.pop("rank") for each in found) == list(range(max(1, ranks)))
    assert all(each == found[0] for each in found)
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process finds, on two threads."""
    return results(0, tmp_path_factory.mktemp("alone"), THREADS="2")[0]


def test_any_number_of_ranks_and_threads_gives_the_same_bits(alone, tmp_path):
    found = results(4, tmp_path, THREADS="1")[0]
    several = found.pop("several")
    assert found == alone
    assert len(found["callbacks"][1]["loss"]) == 2  # stopped early on all ranks
    assert found["at the end"] == found["resumed"]
    (checksum, rounded), (exact, history) = found["bfloat16"], found["resumed"]
    assert checksum != exact
    assert rounded["loss"] == pytest.approx(history["loss"], rel=0.02)
    assert found["rate"] == pytest.approx(5e-4)
    assert {path.name for path in tmp_path.iterdir()} == {"model0.keras", "log0.csv", "events0"}
    assert several.pop("fast") == pytest.approx(several.pop("ordered"), rel=1e-5)
    assert several.pop("overlaps")
    begin = "all ranks must have the same"
    expected = {
        "samples": f"ValueError: {begin} shapes of the data: ",
        "labels": f"ValueError: {begin} checksum of the labels: ",
        "batches": f"RuntimeError: {begin} checksum of the batch: ",
        "augmented": f"RuntimeError: {begin} checksum of the batch: ",
        "version": f"ValueError: {begin} version of fastconv: ",
        "network": f"ValueError: {begin} network: ",
        "shape": f"ValueError: {begin} shapes of the data: ",
        "isa": f"ValueError: {begin} instruction set ",
        "stopped alone": f"RuntimeError: {begin} kind of step: ",
        "again": "none",
    }
    if len(runtime.available_isas()) == 1:
        expected["isa"] = "none"
    assert several.keys() == expected.keys()
    for name, text in expected.items():
        assert several[name].startswith(text), name


def test_a_killed_rank_ends_the_job_which_resumes_on_another_number(alone, tmp_path):
    done = job(2, tmp_path, "kill")
    assert done.returncode != 0
    assert "signal 9" in done.stdout + done.stderr
    assert results(3, tmp_path, "resume", THREADS="2")[0]["resumed"] == alone["resumed"]


def test_an_exception_on_one_rank_ends_all_with_a_message(tmp_path):
    done = job(2, tmp_path, "raise")
    assert done.returncode != 0
    assert "OSError: the disk of rank 1 is full" in done.stderr
    assert "fastconv: rank 1 on " in done.stderr
