"""`fastconv bench`: how fast this machine is with fastconv."""

from __future__ import annotations

import argparse

from fastconv.cli.threads import add_threads, chosen_threads

HELP = "measure convolutions, pooling and small networks on this machine"
DESCRIPTION = (
    "Measures a fixed list of convolutions, pooling, a training step and inference on this\n"
    "machine, against the multiply-add peak of its processor."
)
EXAMPLES = ["fastconv bench", "fastconv bench --quick --threads 1"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_threads(parser)
    parser.add_argument(
        "--quick", action="store_true", help="measure each entry once, for a hundredth of a second"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    with chosen_threads(options):
        from fastconv import runtime
        from fastconv.bench import suite

        tables = suite.measure(runtime.get_num_threads(), quick=options.quick)
        if not options.json:
            for table in tables:
                table.show()
            return
        import json

        print(
            json.dumps(
                [
                    {
                        "title": table.title,
                        "rows": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
                    }
                    for table in tables
                ],
                indent=2,
            )
        )
