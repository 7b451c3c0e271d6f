"""Size of an installation and time of an import, of every library that is installed.

    python -m benchmarks.weight
    python -m benchmarks.weight --peer torch

The size counts the files of a library's distribution and, apart, of all that it requires, without
compiled Python. An import is timed in fresh processes that find its compiled Python in a cache; the
time of an empty program is subtracted.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import fastconv
from benchmarks import command, peers
from fastconv.bench.tables import Table

_MB = 1e6
# What fastconv requires, as pyproject.toml says: here it runs from the checkout.
_REQUIRED = ("numpy", "rich", "h5py")


def measure(*, names: list[str], rounds: int = 5) -> Table:
    """Sizes and import times of fastconv and the peers ``names``."""
    table = Table(
        "Installed size and import",
        ["library", "installed MB", "with all it requires", "import s", "beyond numpy s"],
    )
    imports = import_seconds(
        ["pass", "import numpy", *map(_imported, [peers.OURS, *names])], rounds
    )
    empty, numpy, *others = imports
    for name, seconds in zip([peers.OURS, *names], others, strict=True):
        own, required = sizes(name)
        table.add(name, own / _MB, (own + required) / _MB, seconds - empty, seconds - numpy)
    table.notes.append("an import in a fresh process, median; compiled Python was in a cache")
    return table


def sizes(name: str) -> tuple[int, int]:
    """Bytes of a library, and of the other distributions that it requires."""
    if name == peers.OURS:
        own = _size_of_folder(Path(fastconv.__path__[0]))
        first, roots = set(), set(_REQUIRED)
    else:
        of_packages = metadata.packages_distributions()
        packages = peers.PEERS[name].packages
        first = {dist for package in packages for dist in of_packages.get(package, ())}
        own, roots = sum(map(_size_of_distribution, first)), set(first)
    return own, sum(map(_size_of_distribution, _closure(roots) - _normalized(first)))


def import_seconds(programs: list[str], rounds: int) -> list[float]:
    """The median time of each program in fresh processes, which take turns."""
    times: list[list[float]] = [[] for _ in programs]
    with tempfile.TemporaryDirectory() as cache:
        outside = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment = outside | {"PYTHONPYCACHEPREFIX": cache, "TF_CPP_MIN_LOG_LEVEL": "3"}
        for number in range(rounds + 1):
            for program, seconds in zip(programs, times, strict=True):
                start = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-c", program],
                    env=environment,
                    check=True,
                    capture_output=True,
                )
                if number:  # the first run fills the cache
                    seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in times]


def _imported(name: str) -> str:
    if name == peers.OURS:  # with its core and models, which `import fastconv` loads when used
        return "import fastconv.models, fastconv.layers"
    return f"import {peers.PEERS[name].packages[0]}"


def _size_of_folder(folder: Path) -> int:
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def _size_of_distribution(name: str) -> int:
    paths = [Path(str(file.locate())) for file in metadata.files(name) or ()]
    return sum(p.stat().st_size for p in paths if p.suffix != ".pyc" and p.is_file())


def _normalized(names: set[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


def _closure(names: set[str]) -> set[str]:
    """The distributions and all that they require, as far as they are installed."""
    found: set[str] = set()
    waiting = list(_normalized(names))
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another system or Python
            continue
        found.add(name)
        words = (re.match(r"[\w.-]+", line) for line in required if "extra ==" not in line)
        waiting += _normalized({word[0] for word in words if word is not None})
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    options = command.parse(parser, arguments)
    try:
        options.peer = peers.choose(options.peer, isa=options.isa)
    except ValueError as error:
        parser.error(str(error))
    measure(names=options.peer, rounds=options.rounds).show()


if __name__ == "__main__":
    main()
