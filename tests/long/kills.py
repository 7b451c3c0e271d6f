"""Kills training at random moments, resumes it, and compares with a run that was not interrupted.

    python -m tests.long.kills --count 300 --seed 0

Each round trains a small network with `BackupAndRestore` after every few batches, a
`ModelCheckpoint` after every batch, `CSVLogger(append=True)` and `TensorBoard`, mostly saving. The
process gets SIGKILL after a random time and is started again, until it ends by itself. Then final
weights, optimizer, History, the last checkpoint and the CSV file must have the very bytes of the
uninterrupted run, and no other file may be left. There are as many rounds as `--count` kills take.

Processes are forked from one that has only imported fastconv, so that a kill takes a fraction of a
second.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

OLD_ROWS = "epoch,loss\n0,0.25\n"  # what the table holds before the run
SOURCES = ("arrays", "sequence", "steps", "generator")
MOST_KILLS = 15  # of one run: it may not get from one backup to the next in the time that it has
FREQUENCIES = ("epoch", 1, 2, 5)


def train(folder: Path, source: str, save_freq: str | int, epochs: int, backup: bool) -> None:
    """Train in `folder`, or go on there; the result is written before the backup is removed."""
    from fastconv import callbacks
    from fastconv.saving.atomic import replacing
    from tests.support.interrupted_training import result
    from tests.support.interrupted_training import train as fit

    class Result(callbacks.Callback):
        def on_train_end(self, logs=None):
            with replacing(folder / "result.npz") as file:
                np.savez(file, **result(self.model, self.model.history))

    fit(
        folder / "backup" if backup else None,
        save_freq,
        source,
        epochs,
        others=[
            callbacks.CSVLogger(folder / "log.csv", append=True),
            callbacks.ModelCheckpoint(folder / "last.weights.h5", save_weights_only=True,
                                      save_freq=1),
            callbacks.TensorBoard(folder / "board", write_graph=False),
            Result(),
        ],
    )  # fmt: skip


def forked(*arguments) -> int:
    """The process that runs `train(*arguments)`."""
    process = os.fork()
    if process:
        return process
    status = 1
    warnings.simplefilter("ignore")  # about the data of "steps", which end within an epoch
    try:
        train(*arguments)
        status = 0
    finally:
        os._exit(status)


def new_folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "log.csv").write_text(OLD_ROWS)
    return folder


def is_done(folder: Path) -> bool:
    """Whether the run has ended and removed its backup."""
    backup = folder / "backup"
    left = os.listdir(backup) if backup.is_dir() else []
    return (folder / "result.npz").exists() and not any(n.endswith(".safetensors") for n in left)


def files_in(folder: Path) -> set[str]:
    """All files but those of TensorBoard, of which every process writes one."""
    paths = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)) for p in paths if ".tfevents." not in p.name}


def differences(found: Path, expected: Path) -> list[str]:
    wrong = []
    with np.load(found / "result.npz") as one, np.load(expected / "result.npz") as two:
        if sorted(one) != sorted(two):
            wrong.append(f"results {sorted(set(one) ^ set(two))}")
        both = set(one) & set(two)
        wrong += [name for name in sorted(both) if one[name].tobytes() != two[name].tobytes()]
    for name in ("log.csv", "last.weights.h5"):
        if (found / name).read_bytes() != (expected / name).read_bytes():
            wrong.append(name)
    left = files_in(found) ^ files_in(expected)
    return [*wrong, f"files {sorted(left)}"] if left else wrong


def round_of(root: Path, rng: random.Random, seen: Counter) -> list[str]:
    """One training run, killed again and again; what is wrong afterwards."""
    from fastconv.saving import atomic

    source, save_freq = rng.choice(SOURCES), rng.choice(FREQUENCIES)
    # Half of the rounds write as systems do that have no files without a name.
    atomic._UNNAMED = rng.choice((0, getattr(os, "O_TMPFILE", 0)))
    epochs = rng.randint(4, 8)
    expected, found = new_folder(root, "expected"), new_folder(root, "found")
    started = time.monotonic()
    _, status = os.waitpid(forked(expected, source, save_freq, epochs, False), 0)
    if status:
        return [f"the uninterrupted run ended with {status}"]
    longest = (time.monotonic() - started) / 2
    begun = seen["kills"]
    while not is_done(found):
        process = forked(found, source, save_freq, epochs, True)
        if seen["kills"] < begun + MOST_KILLS:
            time.sleep(rng.uniform(0, longest))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if os.WIFSIGNALED(status):
            seen["kills"] += 1
            names = files_in(found)
            seen["with a file left"] += any(".fastconv-" in name for name in names)
            seen["before the first backup"] += not any("backup" in name for name in names)
        elif status:
            return [f"a resumed run ended with {status}"]
    return [f"{source}, {save_freq}: {each}" for each in differences(found, expected)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import fastconv.callbacks
    import fastconv.saving.state_file  # noqa: F401  (imported once, for all processes)

    rng, seen = random.Random(options.seed), Counter()
    while seen["kills"] < options.count:
        with tempfile.TemporaryDirectory() as folder:
            wrong = round_of(Path(folder), rng, seen)
            if wrong:
                kept = tempfile.mkdtemp(prefix="kills-")
                shutil.copytree(folder, kept, dirs_exist_ok=True)
                raise SystemExit(f"after {seen['kills']} kills: {wrong}; see {kept}")
        seen["rounds"] += 1
        print(f"{seen['kills']} kills in {seen['rounds']} rounds", flush=True)
    print(
        f"{seen['kills']} kills in {seen['rounds']} rounds: all resumed runs equal to the bit, no "
        f"file left at the end; {seen['with a file left']} kills left a file for the next process "
        f"to remove, {seen['before the first backup']} came before the first backup"
    )


if __name__ == "__main__":
    main()
