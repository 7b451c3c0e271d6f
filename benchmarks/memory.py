"""Peak memory of a process that trains a network, fastconv's and the peers'.

    python -m benchmarks.memory
    python -m benchmarks.memory --nets mnist --peer torch

Every measurement is a process of its own that makes the model, trains three steps and asks the
operating system for the largest amount of physical memory it ever held (interpreter and libraries
included). The floor is what training cannot do without: the libraries' own weight before the first
step, parameters, gradients, one optimizer slot, and the activations kept for the backward pass.

The second table holds the model's own count (`plan.peak_bytes`, the arena, the flat buffers, the
scratch memory) against what was measured beyond the interpreter with its libraries. A library is
not all there when its import ends: the machine code of a kernel, of OpenMP or of NumPy becomes
resident when it first runs, about a megabyte in a first training step, whatever the network. These
pages of files, which all processes share, are the libraries' weight as much as those that the
import touched; the table names them, and "measured" is without them. What the import has freed is
given back to the system before anything is made, or training would get it for nothing.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import command, peers
from benchmarks.nets import Net, add_option, select
from benchmarks.networks import names_for
from fastconv.bench.tables import Table

_STEPS = 3
_MB = 1e6


def floor_bytes(net: Net) -> int:
    """Parameters, gradients and RMSprop's slot in float32, and what the backward pass reads."""
    return 3 * 4 * net.parameters + net.kept_for_backward(net.training)


def process_peak(name: str, net: Net, threads: int) -> dict[str, Any]:
    """Memory, in bytes, of a process that trains ``net`` with ``name``.

    ``peak`` is the most it ever held, ``before`` what it held when the library was imported and
    nothing made yet, ``code`` the pages of libraries that came later, ``batch`` the size of the
    training batch, and ``account`` the library's own count by purpose (empty if it keeps none).
    Raises RuntimeError with the process's last words if it fails.
    """
    command_line = [sys.executable, "-m", "benchmarks.memory", "--child", name]
    command_line += ["--nets", net.name, "--threads", str(threads)]
    done = subprocess.run(command_line, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name}, {net.title}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(nets: list[Net], *, names: list[str], threads: int) -> list[Table]:
    """Two tables, one line per network at its training batch: processes, and our own count."""
    processes = Table(
        f"Peak memory of a training process, MB, {threads} threads",
        [
            "network, batch",
            "fastconv",
            "floor",
            "over floor",
            *names,
            *(["share of the smallest"] if names else []),
        ],
    )
    counts = Table(
        f"What fastconv's training holds beyond the imported libraries, MB, {threads} threads",
        [
            "network, batch",
            "arena",
            "parameters, gradients, slots",
            "scratch",
            "batch",
            "sum",
            "measured",
            "sum / measured",
            "code run first",
        ],
    )
    for net in nets:
        title = f"{net.title}, {net.training}"
        ours = process_peak(peers.OURS, net, threads)
        floor = ours["before"] + floor_bytes(net)
        others = [process_peak(name, net, threads)["peak"] for name in names]
        cells = [title, ours["peak"] / _MB, floor / _MB, ours["peak"] / floor]
        cells += [peak / _MB for peak in others]
        processes.add(*cells, *([ours["peak"] / min(others)] if names else []))
        account = ours["account"]
        flat = account["parameters"] + account["gradients"] + account["slots"]
        total = sum(account.values()) + ours["batch"]
        measured = ours["peak"] - ours["before"] - ours["code"]
        cells = [account["arena"], flat, account["scratch"], ours["batch"], total, measured]
        counts.add(title, *(cell / _MB for cell in cells), total / measured, ours["code"] / _MB)
    return [processes, counts]


def _child(name: str, net: Net, threads: int) -> None:
    peers.module(name)
    _give_back_what_is_free()
    before = _resident()
    session = peers.session(name, "training", net.name, net.training, threads)
    for _ in range(_STEPS):
        session.call()
    after = _resident()
    found = {
        "peak": after["VmHWM"],
        "before": before["VmRSS"],
        "code": after["RssFile"] - before["RssFile"],
        "batch": sum(array.nbytes for array in net.batch(net.training)),
        "account": session.account() if session.account else {},
    }
    print(json.dumps(found))


def _give_back_what_is_free() -> None:
    """Make the C library return freed memory to the system, if it is one that keeps it (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _resident() -> dict[str, int]:
    """Memory of this process in bytes: now (VmRSS), at its largest (VmHWM), of files (RssFile).

    Linux keeps the latter per address space. `resource.getrusage` would not do: its maximum is
    inherited from the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        raise RuntimeError("peak memory is read from /proc, which this system does not have")
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return {key: int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM", "RssFile")}


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    add_option(parser)
    parser.add_argument("--child", metavar="NAME", help="be the measured process of this library")
    options = command.parse(parser, arguments)
    try:
        nets, chosen = select(options.nets), peers.choose(options.peer, isa=options.isa)
    except ValueError as error:
        parser.error(str(error))
    if options.child:
        _child(options.child, nets[0], options.threads)
        return
    for made in measure(nets, names=names_for("training", chosen), threads=options.threads):
        made.show()


if __name__ == "__main__":
    main()
