"""The command line of an installed fastconv: `fastconv` or `python -m fastconv`.

One file per command; each has

    HELP, DESCRIPTION, EXAMPLES   what `--help` says
    add_arguments(parser)         its arguments
    run(options)                  the work

and more files serve several of them: `parser` (mistyped words, the layout of help), `models` (what
`--model` means), `data` (what `--data` means), `pictures` (from files to arrays of the size that a
model takes). Whatever a command needs is imported when it runs, so that `--help` and a mistyped
option answer at once.

For scripts: results, and the progress of `train`, go to standard output, errors and questions to
standard error; `--json` where the result is data, `--quiet` without progress; nothing is coloured
or redrawn unless it goes to a terminal, nothing is coloured where `NO_COLOR` is set. Exit codes:

    0    done
    1    the work failed (a full disk, too little memory, numbers that are no longer finite)
    2    the arguments or what they name cannot be used; nothing was changed
    130  interrupted by Ctrl-C
    141  the reader of standard output has closed it

Every failure is one line on standard error; `--traceback` shows where it happened.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

import fastconv
from fastconv.cli import (
    bench,
    doctor,
    evaluate,
    explain,
    export,
    filters,
    info,
    play,
    predict,
    summary,
    train,
    visualize,
)
from fastconv.cli.errors import InputError, one_line
from fastconv.cli.parser import Parser, as_options

COMMANDS: dict[str, ModuleType] = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "summary": summary,
    "explain": explain,
    "export": export,
    "filters": filters,
    "visualize": visualize,
    "play": play,
    "bench": bench,
    "info": info,
    "doctor": doctor,
}
ALIASES = {"info": ["config"]}

_PROGRAM = "fastconv"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in `arguments` (by default those of the process); return the exit code.

    Help, the version and mistyped options end in SystemExit, as argparse has it.

    >>> from fastconv import cli
    >>> cli.main(["info"])  # doctest: +ELLIPSIS
    fastconv            ...
    0
    """
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell wants the words that may follow
        from argcomplete import autocomplete  # pyright: ignore[reportMissingImports]

        autocomplete(parser)
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        parser.print_help()
        return 0
    options = parser.parse_args(words)
    name = f"{_PROGRAM} {options.command}"
    try:
        code = options.run(options)
        sys.stdout.flush()  # raises here if the reader has closed the pipe
    except BrokenPipeError:
        _forget_output()
        return 141
    except KeyboardInterrupt:
        return _failed(name, "interrupted", 130)
    except InputError as error:
        if options.traceback:
            raise
        return _failed(name, as_options(one_line(error), options), 2)
    except Exception as error:
        if options.traceback:
            raise
        return _failed(name, f"failed: {as_options(one_line(error), options)}", 1)
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=_PROGRAM,
        description="Trains and runs convolutional networks on CPUs.",
        epilog="`fastconv COMMAND --help` shows what a command takes, with examples.",
    )
    parser.add_argument(
        "-V", "--version", action="version", version=f"fastconv {fastconv.__version__}"
    )
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            aliases=ALIASES.get(name, []),
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog="examples:\n" + "\n".join(f"  {line}" for line in module.EXAMPLES),
        )
        module.add_arguments(command)
        command.add_argument(
            "--traceback", action="store_true", help="show where an error happened, for reports"
        )
        command.set_defaults(run=module.run)
    return parser


def _failed(name: str, message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(f"{name}: {message}", file=sys.stderr)
    return code


def _forget_output() -> None:
    """Discard the buffered standard output, which would raise at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
