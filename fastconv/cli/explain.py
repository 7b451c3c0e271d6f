"""`fastconv explain`: shapes, parameter counts and costs of a network, with their formulas."""

from __future__ import annotations

import argparse

from fastconv.cli import models
from fastconv.cli.errors import check_at_least, check_writable, checked_input
from fastconv.cli.threads import add_threads, chosen_threads

HELP = "show where sizes, parameters, work and memory of a model come from"
DESCRIPTION = (
    "Shows, layer by layer, how output sizes and parameters are computed, how much of the input\n"
    "an element sees, and which pixels a stride leaves over; for the whole, the memory that\n"
    "predicting and training take."
)
EXAMPLES = [
    "fastconv explain mnist_cnn",
    "fastconv explain vgg16 --batch-size 8 --json",
    "fastconv explain digits.keras --measure",
    "fastconv explain lenet5 --picture lenet5.png",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models.add_model(parser)
    parser.add_argument(
        "--batch-size", type=int, default=1, metavar="N", help="that memory is told for (default 1)"
    )
    parser.add_argument(
        "--measure", action="store_true", help="also time every layer, against the machine's peak"
    )
    parser.add_argument("--picture", metavar="FILE", help="draw it into this file, too")
    add_threads(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    import json

    from fastconv import explain

    check_at_least(options, "batch_size")
    check_writable("--picture", options.picture)
    with chosen_threads(options):
        # Without a measurement a network is only looked at: its weights take no memory then.
        model = models.chosen(options, drawn=options.measure)
        with checked_input():
            explanation = explain(model, options.batch_size, options.measure)
        if options.picture:
            with checked_input(options.picture):
                explanation.figure().savefig(options.picture)
    if options.json:
        print(json.dumps(explanation.to_dict(), indent=2))
    else:
        explanation.show()
