"""The argument `--threads` of every command that computes."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from fastconv.cli.errors import InputError


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads to use (default: what `info` shows)"
    )


@contextlib.contextmanager
def chosen_threads(options: argparse.Namespace) -> Iterator[None]:
    """Compute on `--threads` threads, and afterwards on as many as before."""
    if options.threads is None:
        yield
        return
    from fastconv import runtime

    try:
        threads = runtime.resolve_num_threads(options.threads)
    except ValueError as error:
        raise InputError(str(error).replace("`num_threads`", "--threads")) from None
    with runtime.num_threads(threads):
        yield
