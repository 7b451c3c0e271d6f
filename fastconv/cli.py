"""The command line of an installed fastconv.

    python -m fastconv config           the version, instruction sets, and threads of this machine
    python -m fastconv bench            how fast this machine is with it
    python -m fastconv bench --quick    the same in a second or two, less precisely

Each command is a function that adds its parser, and one that runs it. Whatever a command needs is
imported when it runs, so that `--help` and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import fastconv


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in `arguments` (by default those of the process); return the exit code.

    Help, the version and mistyped options end in SystemExit, as argparse has it.

    >>> from fastconv import cli
    >>> cli.main(["config"])  # doctest: +ELLIPSIS
    fastconv            ...
    0
    """
    parser = argparse.ArgumentParser(
        prog="python -m fastconv",
        description="fastconv trains and runs convolutional networks on CPUs.",
    )
    version = f"fastconv {fastconv.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(metavar="command", required=True)
    _add_bench(commands)
    _add_config(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except _UsageError as error:
        options.parser.error(str(error))
    return 0


class _UsageError(Exception):
    """The arguments are well-formed but cannot be what is meant."""


def _add_bench(commands) -> None:
    parser = commands.add_parser(
        "bench",
        help="measure convolutions, pooling and small networks on this machine",
        description="Measures a fixed list of convolutions, pooling, a training step and inference "
        "on this machine, against the multiply-add peak of its processor.",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=None,
        metavar="N",
        help="threads to use (default: what `config` shows)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure each entry once, for a hundredth of a second"
    )
    parser.set_defaults(run=_bench, parser=parser)


def _bench(options: argparse.Namespace) -> None:
    from fastconv import runtime
    from fastconv.bench import suite

    try:
        threads = runtime.resolve_num_threads(options.threads)
    except ValueError as error:
        raise _UsageError(str(error).replace("`num_threads`", "--threads")) from None
    for table in suite.measure(threads, quick=options.quick):
        table.show()


def _add_config(commands) -> None:
    parser = commands.add_parser(
        "config",
        help="show the version, instruction sets and threads",
        description="Shows the version, the instruction sets, the number of threads and what "
        "limits it.",
    )
    parser.set_defaults(run=_config, parser=parser)


def _config(options: argparse.Namespace) -> None:
    from fastconv import runtime

    runtime.show_config()
