"""`fastconv predict`: the classes of images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import islice

from fastconv.cli import models, pictures
from fastconv.cli.classes import class_count, read_names
from fastconv.cli.errors import InputError, check_at_least, checked_input, one_line
from fastconv.cli.threads import add_threads, chosen_threads

HELP = "classify pictures: files, folders, or a list on standard input"
DESCRIPTION = (
    "Classifies pictures. Each gets a line with its most probable classes, in the order in which\n"
    "they were named. Proportions are kept: smaller pictures are enlarged by a whole factor,\n"
    "larger ones shrunk, and the rest is black."
)
EXAMPLES = [
    "fastconv predict lenet5.keras photo.jpg --invert",
    "fastconv predict pets.keras photos/ --top 1 --csv > pets.csv",
    "find photos -name '*.jpg' | fastconv predict pets.keras - --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .keras file")
    parser.add_argument(
        "pictures", nargs="+", metavar="PICTURE", help="a file, a folder, or - for a list of files"
    )
    parser.add_argument("--top", type=int, default=3, metavar="K", help="classes (default: 3)")
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="names of the classes, one per line (default: MODEL's .classes.txt)",
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="(default: 32)")
    parser.add_argument(
        "--keep-going", action="store_true", help="report unreadable pictures and go on"
    )
    pictures.add_invert(parser)
    add_threads(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON array")
    form.add_argument("--csv", action="store_true", help="print comma-separated values")


def run(options: argparse.Namespace) -> None:
    check_at_least(options, "top", "batch_size")
    with chosen_threads(options):
        model = models.load(options.model)
        shape = pictures.picture_shape(model.input_shape, options.model)
        names = read_names(options.model, options.classes, class_count(model, options.model))
        paths = list(pictures.found(options.pictures, sys.stdin))
        bad: list[str] = []
        rows = _predictions(model, shape, names, paths, options, bad)
        _WRITERS["json" if options.json else "csv" if options.csv else "table"](rows, paths)
    if bad:
        raise InputError(f"{len(bad)} of {len(paths)} pictures could not be read")


Row = tuple[str, list[tuple[str, float]]]


def _predictions(model, shape, names, paths, options, bad: list[str]) -> Iterator[Row]:
    """(path, [(class, probability), ...]) of every picture, batch by batch."""
    import numpy as np

    top = min(options.top, len(names))
    waiting = iter(_with_progress(paths))
    while batch := list(islice(waiting, options.batch_size)):
        images, readable = [], []
        for path in batch:
            try:
                with checked_input(path):
                    images.append(pictures.read(path, shape, options.invert))
            except InputError as error:
                if not options.keep_going:
                    raise
                print(f"fastconv predict: {one_line(error)}", file=sys.stderr)
                bad.append(path)
            else:
                readable.append(path)
        if not images:
            continue
        for path, scores in zip(readable, model.predict_on_batch(np.stack(images)), strict=True):
            best = np.argsort(-scores, kind="stable")[:top]
            yield path, [(names[index], float(scores[index])) for index in best]


def _with_progress(paths: list[str]) -> Iterable[str]:
    """`paths`, with a bar on standard error while results go somewhere else than the terminal."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        return paths
    from rich.console import Console
    from rich.progress import track

    return track(paths, "pictures", console=Console(stderr=True), transient=True)


def _write_table(rows: Iterable[Row], paths: list[str]) -> None:
    width = max(map(len, paths), default=0)
    for path, best in rows:
        shown = "  ".join(f"{name} {100 * score:5.1f} %" for name, score in best)
        print(f"{path:<{width}}  {shown}")


def _write_json(rows: Iterable[Row], paths: list[str]) -> None:
    import json

    result = [
        {
            "file": path,
            "predictions": [{"class": name, "probability": score} for name, score in best],
        }
        for path, best in rows
    ]
    print(json.dumps(result, indent=2))


def _write_csv(rows: Iterable[Row], paths: list[str]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, (path, best) in enumerate(rows):
        if number == 0:
            ranks = range(1, len(best) + 1)
            header = [name for rank in ranks for name in (f"class_{rank}", f"probability_{rank}")]
            writer.writerow(["file", *header])
        writer.writerow([path, *(value for pair in best for value in pair)])


_WRITERS = {"table": _write_table, "json": _write_json, "csv": _write_csv}
