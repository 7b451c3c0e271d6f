"""Prepares batches in the background, while the preceding batch is computed.

    producer     next(items) ... | wait | next(items) ...
    queue                        1 .. depth batches
    consumer     step | step | step ...

A plan runs without the GIL, so a producer in Python runs in parallel with it. The consumer receives
the same items in the same order as without a producer; an exception of the producer is raised in
the place of its batch.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import Any

DEPTH = 2  # queued batches, in addition to the one in use and the one in preparation
_CHECK = 0.1  # seconds between checks for cancellation while waiting
_PATIENCE = 5.0  # seconds that a consumer waits for the producer when it leaves early


def prefetched(items: Iterable[Any], depth: int = DEPTH) -> Generator[Any, None, None]:
    """Yield `items`, produced by a separate thread that is up to `depth` of them ahead.

    Close the generator to stop the thread. If the source blocks then, the thread is abandoned; it
    does not prevent the process from ending.
    """
    ready: queue.Queue = queue.Queue(depth)
    stopped = threading.Event()

    def put(*entry: Any) -> bool:
        while not stopped.is_set():
            with suppress(queue.Full):
                ready.put(entry, timeout=_CHECK)
                return True
        return False

    def produce() -> None:
        error = None
        try:
            for item in items:
                if not put(True, item):
                    return
        except BaseException as raised:  # every exception is raised again in the consumer
            error = raised
        put(False, error)

    thread = threading.Thread(target=produce, name="fastconv-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            try:
                more, item = ready.get(timeout=_CHECK)
            except queue.Empty:  # between two attempts, Python checks for Ctrl-C
                continue
            if more:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        stopped.set()
        with suppress(queue.Empty):
            while True:
                ready.get_nowait()
        thread.join(_PATIENCE)


def in_parallel(
    function: Callable[[Any], Any], arguments: Iterable[Any], workers: int
) -> Iterator[Any]:
    """`map` on `workers` threads, which stay at most `workers` calls ahead."""
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers, thread_name_prefix="fastconv-workers")
    waiting: deque = deque()
    try:
        for argument in arguments:
            waiting.append(pool.submit(function, argument))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
