"""Files are replaced in one go, and what a killed writer leaves behind goes with the next one."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import callbacks, layers, models
from fastconv.saving import atomic
from fastconv.saving.state_file import load_state, save_state

ROOT = str(Path(fastconv.__file__).parents[1])
needs_locks = pytest.mark.skipif(atomic.fcntl is None, reason="needs POSIX locks")


@pytest.fixture(params=["unnamed", "named"])
def way(request, monkeypatch):
    """Both ways to write: a file without a name where the system has such, or one with a name."""
    if request.param == "named":
        monkeypatch.setattr(atomic, "_UNNAMED", 0)
    return request.param


def killed_while_writing(path, way="named", moment="within"):
    """A process that kills itself while it replaces `path`."""
    script = (
        "import os, signal, sys\n"
        "from fastconv.saving import atomic\n"
        "way, moment, path = sys.argv[1:]\n"
        "die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "if way == 'named': atomic._UNNAMED = 0\n"
        "if moment == 'rename': os.replace = die\n"
        "with atomic.replacing(path) as file:\n"
        "    file.write(b'half')\n"
        "    file.flush()\n"
        "    if moment == 'within': die()\n"
    )
    command = [sys.executable, "-c", script, way, moment, str(path)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": ROOT})
    assert done.returncode == -signal.SIGKILL


def leave(directory):
    """What a killed process leaves behind: a file without a lock."""
    (directory / ".fastconv-0123456789abcdef.tmp").write_bytes(b"half")


def test_a_file_is_replaced_as_it_was_to_be(tmp_path, way):
    path = tmp_path / "file"
    umask = os.umask(0o027)
    try:
        for content in (b"first", b"second"):
            with atomic.replacing(path) as file:
                file.write(content)
                assert not path.exists() or path.read_bytes() == b"first"
            assert path.read_bytes() == content
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (tmp_path / "link").symlink_to(path)
    with atomic.replacing(tmp_path / "link") as file:
        file.write(b"third")
    assert (tmp_path / "link").is_symlink() and path.read_bytes() == b"third"
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_an_exception_leaves_the_old_file_alone(tmp_path, way):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail():
        with atomic.replacing(path) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_a_name_of_the_greatest_length(tmp_path, way):
    path = tmp_path / ("n" * 255)
    with atomic.replacing(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"


def test_errors_name_the_file_and_the_directory(tmp_path, way):
    with pytest.raises(FileNotFoundError, match=r"no such directory, to write 'a' into: .*none'"):
        save_state({}, tmp_path / "none" / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"no such directory, to write 'a' into: .*file'"):
        save_state({}, tmp_path / "file" / "a")


@needs_locks
@pytest.mark.parametrize(
    "way, moment, left",
    [
        ("named", "within", 1),
        ("named", "rename", 1),
        ("unnamed", "within", 0),
        ("unnamed", "rename", 1),
    ],
)
def test_what_a_killed_writer_leaves_goes_with_the_next_write(tmp_path, way, moment, left):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    if way == "unnamed" and not hasattr(os, "O_TMPFILE"):
        pytest.skip("needs O_TMPFILE")
    killed_while_writing(path, way, moment)
    assert path.read_bytes() == b"old"
    leftovers = [name for name in os.listdir(tmp_path) if name != "file"]
    assert len(leftovers) == left
    atomic._swept.discard(str(tmp_path))  # a new process has seen no directory yet
    with atomic.replacing(tmp_path / "other") as file:
        file.write(b"x")
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]


@needs_locks
def test_files_of_living_writers_and_of_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_UNNAMED", 0)
    leave(tmp_path)
    mine = [".other.tmp", ".fastconv-notes", "fastconv-1.tmp", ".weights.abcdef012345.tmp"]
    for name in mine:
        (tmp_path / name).write_text("")
    with atomic.replacing(tmp_path / "file") as file:
        file.write(b"whole")
        assert len(os.listdir(tmp_path)) == len(mine) + 1
        atomic.remove_leftovers(tmp_path)
        atomic.check_writable(tmp_path)
        assert len(os.listdir(tmp_path)) == len(mine) + 1
    assert sorted(os.listdir(tmp_path)) == sorted([*mine, "file"])


@needs_locks
def test_a_new_file_that_another_process_takes_for_stale_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_UNNAMED", 0)
    lock, stolen = atomic._lock, []

    def slow(descriptor):
        if not stolen:  # between its creation and its lock
            stolen.append(atomic.remove_leftovers(tmp_path))
        lock(descriptor)

    monkeypatch.setattr(atomic, "_lock", slow)
    with atomic.replacing(tmp_path / "file") as file:
        file.write(b"x")
    assert stolen and (tmp_path / "file").read_bytes() == b"x"


def test_looking_whether_a_directory_can_be_written_leaves_nothing(tmp_path, way):
    atomic.check_writable(tmp_path)
    assert os.listdir(tmp_path) == []
    with pytest.raises(OSError, match="proc"):
        atomic.check_writable("/proc")


@needs_locks
@pytest.mark.parametrize("writer", ["backup", "checkpoint", "state", "picture", "names"])
def test_every_writer_cleans_up(tmp_path, writer):
    leave(tmp_path)
    atomic._swept.clear()
    model = models.Sequential([layers.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.zeros((4, 3))
    if writer == "backup":
        backup = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        model.fit(x, x[:, :1], verbose=0, callbacks=[backup])
    elif writer == "checkpoint":
        checkpoint = callbacks.ModelCheckpoint(tmp_path / "m.keras")
        model.fit(x, x[:, :1], verbose=0, callbacks=[checkpoint])
    elif writer == "state":
        save_state({"a": 1}, tmp_path / "state")
        assert load_state(tmp_path / "state") == {"a": 1}
    elif writer == "picture":
        pytest.importorskip("PIL")
        from fastconv.utils import save_img

        save_img(tmp_path / "a.png", np.zeros((4, 4, 3)))
    else:
        from fastconv.cli.classes import write_names

        write_names(str(tmp_path / "m.keras"), ("a", "b"))
    assert len(os.listdir(tmp_path)) == 1
    assert not os.listdir(tmp_path)[0].startswith(".")


# ---------------------------------------------------------------------------------- CSVLogger


class Interrupt(callbacks.Callback):
    """Ends the process's work after `epoch`, before or after the backup of that epoch."""

    def __init__(self, epoch, late=False):
        super().__init__()
        self._epoch = epoch
        if late:
            self.runs_last = True

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self._epoch:
            raise KeyboardInterrupt


def logged(tmp_path, others=(), append=True, epochs=4):
    model = models.Sequential([layers.Input((3,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).standard_normal((16, 3))
    log = callbacks.CSVLogger(tmp_path / "log.csv", append=append)
    backup = callbacks.BackupAndRestore(tmp_path / "backup")
    model.fit(x, x[:, :1], epochs=epochs, shuffle=False, verbose=0,
              callbacks=[log, backup, *others])  # fmt: skip
    return (tmp_path / "log.csv").read_text()


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("epoch", [0, 1, 3])
@pytest.mark.parametrize("late", [False, True])
def test_a_log_has_every_epoch_once_after_an_interruption(tmp_path, append, epoch, late):
    """Also if the row of the very first epoch was written and its backup was not."""
    (tmp_path / "whole").mkdir()
    for folder in (tmp_path, tmp_path / "whole"):
        (folder / "log.csv").write_text("epoch,loss\n7,0.5\n" if append else "old\n")
    expected = logged(tmp_path / "whole", append=append)
    with pytest.raises(KeyboardInterrupt):
        logged(tmp_path, [Interrupt(epoch, late)], append)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("torn ro")  # a process that is killed while it writes
    assert logged(tmp_path, append=append) == expected
    assert len(expected.splitlines()) == (6 if append else 5)


def test_a_log_that_was_removed_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        logged(tmp_path, [Interrupt(2)])
    whole = (tmp_path / "log.csv").read_text()
    (tmp_path / "log.csv").unlink()
    assert logged(tmp_path).startswith(whole.rsplit("2,", 1)[0])


def test_an_old_log_is_emptied_when_training_begins(tmp_path):
    (tmp_path / "log.csv").write_text("old\n")
    assert logged(tmp_path, append=False, epochs=1).startswith("epoch,loss")
