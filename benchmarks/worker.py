"""A side of a comparison in a process of its own, which times blocks when it is told to.

Whole networks are measured this way because some of the libraries cannot be loaded together (two
copies of the same protocol-buffer descriptors abort the process), and because the thread pools of
one then cannot meet the OpenMP runtime of another. The workers still take turns: only the one that
was asked for a block computes, the others wait for a message.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType

import numpy as np

from benchmarks.peers import Session
from fastconv.bench.timing import Protocol, run_block


class WorkerError(RuntimeError):
    """The measured library failed; the message is its traceback."""


class Worker:
    """``make(*arguments)`` returns the session (see `peers`) in a new process.

    ``make`` is a function of a module. Use as a context manager: leaving it ends the process.
    Raises WorkerError if the library fails.
    """

    def __init__(self, make: Callable[..., Session], *arguments: object):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._receive()
        except WorkerError:
            self.close()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def block(self, protocol: Protocol) -> list[float]:
        """The times of one block of calls; see `timing.run_block`."""
        return self._ask("block", protocol)

    def call(self) -> None:
        """Make one call."""
        self._ask("call", None)

    def result(self) -> np.ndarray:
        """The result of the last call."""
        return self._ask("result", None)

    def close(self) -> None:
        self._connection.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _ask(self, request: str, argument: object):
        self._connection.send((request, argument))
        return self._receive()

    def _receive(self):
        try:
            kind, value = self._connection.recv()
        except EOFError:
            self._process.join()
            raise WorkerError(
                f"the process ended with exit code {self._process.exitcode}"
            ) from None
        if kind == "error":
            raise WorkerError(value)
        return value


def _serve(connection: Connection, make: Callable[..., Session], arguments: tuple) -> None:
    """The worker's process: make the session, then answer requests until the pipe is closed."""
    try:
        session = make(*arguments)
        connection.send(("ready", None))
        while True:
            request, argument = connection.recv()
            if request == "block":
                answer = run_block(session.call, argument)
            elif request == "call":
                session.call()
                answer = None
            else:
                answer = np.array(session.result())
            connection.send(("answer", answer))
    except (EOFError, KeyboardInterrupt):
        return
    except Exception:
        connection.send(("error", traceback.format_exc()))
