"""Run every benchmark, write the results as JSON, and make the page from all results.

    python -m benchmarks.report
    python -m benchmarks.report --machine amd-epyc-zen4 --parts convolutions,networks
    python -m benchmarks.report --parts none      only makes docs/benchmarks.md and its chart

The results of a run are in benchmarks/results/<machine>/peers.json, with the machine, the date and
all versions (`fastconv.bench.results`); a part that is measured again replaces its tables. The page
has the results of all machines (`page`).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks import command, page, peers
from fastconv.bench.tables import Table

PARTS = (
    "convolutions",
    "avx2",
    "pooling",
    "networks",
    "scaling",
    "work_split",
    "epoch",
    "memory",
    "weight",
)


def run(part: str, options) -> Iterator[Table]:
    """The tables of one part, each as soon as it is measured."""
    from benchmarks import (
        convolutions,
        epoch,
        memory,
        nets,
        networks,
        pooling,
        scaling,
        weight,
        work_split,
    )
    from benchmarks.shape_files import names, read

    chosen, common = options.peer, {"threads": options.threads, "protocol": options.protocol}
    torch = "torch" if "torch" in chosen else None
    everything = nets.select(options.nets)
    if part == "convolutions":
        for name in options.shapes or sorted(names(), key=lambda name: (name != "peers", name)):
            yield convolutions.measure(
                read(name), peer=torch, title=f"Convolutions of {name}", **common
            )
        yield convolutions.measure(
            read("peers"),
            algorithm="direct",
            title="Convolutions of peers, without Winograd",
            **common,
        )
    elif part == "avx2":
        with multiprocessing.get_context("spawn").Pool(1) as process:
            yield process.apply(_convolutions_on_avx2, (torch, common))
    elif part == "pooling":
        yield pooling.measure(peer=torch, **common)
    elif part == "networks":
        for kind in networks.KINDS:
            fitting = networks.names_for(kind, chosen)
            rows = list(networks.measure(kind, everything, names=fitting, **common))
            yield networks.table(kind, rows, fitting, options.threads)
    elif part == "scaling":
        yield scaling.measure(everything, most_threads=options.threads, protocol=options.protocol)
    elif part == "work_split":
        yield from work_split.measure(everything)
    elif part == "epoch":
        both = [name for name in epoch.NAMES if name == peers.OURS or name in chosen]
        yield epoch.measure(names=both, **common)
    elif part == "memory":
        yield from memory.measure(
            everything, names=networks.names_for("training", chosen), threads=options.threads
        )
    elif part == "weight":
        yield weight.measure(names=chosen, rounds=options.rounds)


def _convolutions_on_avx2(torch: str | None, common: dict) -> Table:
    """Both sides held to AVX2, which a process can only be before it has loaded them."""
    os.environ.update(command.AVX2)
    from benchmarks import convolutions
    from benchmarks.shape_files import read

    return convolutions.measure(
        read("peers"), peer=torch, title="Convolutions of peers, both held to AVX2", **common
    )


def merged(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """``new`` with those tables of ``old`` whose parts it does not have.

    Raises ValueError if they are of different processors.
    """
    if old is None:
        return new
    before, now = (document["machine"]["processor"] for document in (old, new))
    if before != now:
        raise ValueError(
            f"the folder has the results of {before}, this is {now}: name another with --machine"
        )
    parts = {table["part"] for table in new["tables"]}
    kept = [table for table in old["tables"] if table["part"] not in parts]
    tables = sorted([*kept, *new["tables"]], key=lambda table: PARTS.index(table["part"]))
    return new | {"versions": old["versions"] | new["versions"], "tables": tables}


def as_text(document: dict[str, Any]) -> str:
    """The document as JSON, with a line for each row of a table."""
    text = json.dumps(document, indent=1)
    row = re.compile(r"\[\n\s+([^\[\]{}]*?)\n\s+\]")  # no list or object in it
    return row.sub(lambda found: "[" + re.sub(r",\n +", ", ", found[1]) + "]", text) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument(
        "--machine", metavar="NAME", help="folder of the results (default: from the processor)"
    )
    parser.add_argument(
        "--parts",
        type=lambda text: [] if text == "none" else text.split(","),
        default=list(PARTS),
        metavar="PART,...",
        help=f"among {', '.join(PARTS)}; or none",
    )
    for name, what in (("shapes", "files of convolutions"), ("nets", "networks")):
        parser.add_argument(
            f"--{name}",
            type=lambda text: text.split(","),
            metavar="NAME,...",
            help=f"only these {what} (default: all)",
        )
    options = command.parse(parser, arguments)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part named {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    try:
        options.peer = peers.choose(options.peer, isa=options.isa)
    except ValueError as error:
        parser.error(str(error))
    if options.parts:
        _measure(options)
    for path in page.write():
        print(f"wrote {path}", file=sys.stderr)


def _measure(options: Any) -> None:
    """Measure the parts; write the results after each, since the whole takes long."""
    from fastconv.bench import processor, results

    path = page.RESULTS / (options.machine or processor.file_name()) / "peers.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    old = results.checked(json.loads(path.read_text()), str(path)) if path.exists() else None
    libraries = {name: peers.version(name) for name in options.peer}
    made: list[tuple[str, int, Table]] = []
    for part in options.parts:
        print(f"measuring {part}", file=sys.stderr)
        for table in run(part, options):
            table.show()
            made.append((part, options.threads, table))
        new = results.document("peers", made, libraries)
        protocol = f"{options.rounds} rounds of {options.block} s blocks, {options.pause} s pauses"
        text = as_text(merged(old, new | {"protocol": protocol}))
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
