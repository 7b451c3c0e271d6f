"""Kills a random rank of a job at a random moment, and resumes the job on another number of ranks.

    python -m tests.long.rank_kills --count 20 --seed 0

Each time the launcher must end all ranks within 20 seconds with a message and an exit code other
than 0, and the resumed training must have the bits of one process that was not interrupted.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.test_mpi import results, started

SECONDS = 20


def killed(folder: Path, ranks: int, rng: random.Random) -> str:
    """Start a job, kill one of its ranks, and return the exit code and the message."""
    job = started(ranks, folder, "slow")
    files = [folder / f"process{rank}" for rank in range(ranks)]
    while not all(file.exists() and file.read_text() for file in files):
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.4))
    victim = rng.randrange(ranks)
    os.kill(int(files[victim].read_text()), signal.SIGKILL)
    begin = time.monotonic()
    output = "".join(job.communicate(timeout=SECONDS))
    seconds = time.monotonic() - begin
    message = [line.strip() for line in output.splitlines() if "ignal" in line and "9" in line]
    assert job.returncode != 0, "exit code 0"
    assert message, f"no message in {output!r}"
    return f"rank {victim} of {ranks}: {seconds:.1f} s, exit code {job.returncode}, {message[0]!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, wrong = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as root:
        whole = Path(root) / "whole"
        whole.mkdir()
        expected = results(0, whole, "resume")[0]
        for number in range(options.count):
            folder = Path(root) / str(number)
            folder.mkdir()
            found = killed(folder, rng.randint(2, 4), rng)
            ranks = rng.randint(1, 4)
            same = results(ranks, folder, "resume")[0] == expected
            wrong += not same
            print(f"{found}; on {ranks} ranks {'the same bits' if same else 'OTHER BITS'}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
