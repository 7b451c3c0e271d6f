"""The argument `--threads` of every command that computes, and `--distribute` of `train`."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator

from fastconv.cli.errors import InputError, checked_input, one_line


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


@contextlib.contextmanager
def divided(options: argparse.Namespace) -> Iterator[bool]:
    """Divide all batches of the block as `--distribute` says; the value is whether this process is
    the first rank, which alone prints and writes files."""
    if options.distribute is None:
        yield True
        return
    from fastconv.distribution import set_distribution
    from fastconv.distribution.data_parallel import active

    with checked_input():
        parallel = active(options.distribute)
        assert parallel is not None
        is_first = parallel.ranks.rank == 0
    set_distribution(parallel)
    try:
        yield is_first
    except Exception as error:
        if parallel.ranks.size > 1:  # the others would wait for this one
            print(f"fastconv: {one_line(error)}", file=sys.stderr, flush=True)
            parallel.ranks.abort(2 if isinstance(error, InputError) else 1)
        raise
    finally:
        set_distribution(None)
