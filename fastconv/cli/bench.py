"""`fastconv bench`: how fast this machine is with fastconv."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fastconv.cli import models
from fastconv.cli.errors import InputError, check_at_least, checked_input

if TYPE_CHECKING:
    from fastconv.bench.tables import Table

HELP = "measure convolutions, pooling and networks on this machine"
DESCRIPTION = (
    "Measures a fixed list of convolutions, pooling, a training step and inference on this\n"
    "machine, against the multiply-add peak of its processor; with MODEL, the inference of\n"
    "that model instead. With --compare the exit code is 3 if a measurement is slower than\n"
    "the tolerance."
)
EXAMPLES = [
    "fastconv bench",
    "fastconv bench digits.onnx --batch-size 16",
    "fastconv bench --quick --threads 1",
    "fastconv bench --json --threads 1,2 > before.json",
    "fastconv bench --threads 1,2 --compare before.json",
]
SLOWER = 3  # exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models.add_model(parser, optional=True)
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="of the inputs of MODEL (default 1)"
    )
    parser.add_argument(
        "--threads",
        metavar="N,...",
        help="threads to use, or several numbers of them (default: what `info` shows)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure each entry once, for a hundredth of a second"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, with machine and versions"
    )
    parser.add_argument(
        "--compare", metavar="OLD.json", help="compare with what --json printed before"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=25.0,
        metavar="PERCENT",
        help="how much slower a measurement may be in --compare (default: 25)",
    )


def run(options: argparse.Namespace) -> int:
    from fastconv import runtime
    from fastconv.bench import results

    old = None if options.compare is None else _read(options.compare)
    if not options.tolerance >= 0:
        raise InputError(f"--tolerance must be at least 0, received {options.tolerance:g}")
    measure, made = _measurement(options), []
    for threads in _counts(options.threads) or [runtime.get_num_threads()]:
        with runtime.num_threads(threads):
            for part, table in measure(threads):
                made.append((part, threads, table))
                if not options.json and old is None:
                    table.show()
    new = results.document("bench", made)
    if options.json:
        print(json.dumps(new, indent=1))
    return 0 if old is None else _compare(old, new, options)


def _measurement(options: argparse.Namespace) -> Callable[[int], Iterable[tuple[str, Table]]]:
    """Return the function (threads) -> (part, table), ... that the arguments choose."""
    from fastconv.bench import suite

    if options.model is None:
        for name in ("batch_size", "size", "channels", "classes"):
            if getattr(options, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} is for a MODEL")
        return lambda threads: zip(
            suite.PARTS, suite.measure(threads, quick=options.quick), strict=True
        )
    check_at_least(options, "batch_size")
    model, batch = models.chosen(options), options.batch_size or 1
    with checked_input(options.model):
        inputs = suite.inputs_of(model, batch)

    def measure(threads: int) -> Iterable[tuple[str, Table]]:
        yield "model", suite.measure_model(model, inputs, threads, quick=options.quick)

    return measure


def _compare(old: dict[str, Any], new: dict[str, Any], options: argparse.Namespace) -> int:
    """Report slower rows on standard error; return the exit code."""
    from fastconv.bench import results

    for key in ("processor", "instruction_set"):
        then, now = old["machine"].get(key), new["machine"][key]
        if then != now:
            print(f"note: {options.compare} was measured on {then}, this is {now}", file=sys.stderr)
    try:
        rows = results.compared(old, new)
    except ValueError as error:
        raise InputError(f"{options.compare}: {error}") from None
    mean = math.exp(sum(math.log(row.ratio) for row in rows) / len(rows))
    slower = [row for row in rows if row.ratio > 1 + options.tolerance / 100]
    for row in slower:
        print(
            f"{row.ratio:.2f} times: {row.name}: {row.old:.3g} -> {row.new:.3g} ms", file=sys.stderr
        )
    print(
        f"{len(rows)} measurements take {mean:.3f} times as long in the geometric mean; "
        f"{len(slower)} are slower by more than {options.tolerance:g} %",
        file=sys.stderr,
    )
    return SLOWER if slower else 0


def _read(path: str) -> dict[str, Any]:
    from fastconv.bench import results
    from fastconv.errors import FormatError

    try:
        with open(path, encoding="utf-8") as file:
            return results.checked(json.load(file), path)
    except (OSError, ValueError, FormatError) as error:
        raise InputError(f"--compare: {error}") from None


def _counts(text: str | None) -> list[int]:
    """Return the numbers of threads in `text`, "2" or "1,2,4"."""
    from fastconv import runtime

    counts = []
    for word in text.split(",") if text is not None else ():
        try:
            counts.append(runtime.resolve_num_threads(int(word)))
        except ValueError as error:
            if not word.strip().lstrip("-").isdigit():
                raise InputError(f"--threads: must be a whole number, received {word!r}") from None
            raise InputError(str(error).replace("`num_threads`", "--threads")) from None
    return counts
