"""Batches made in the background, while the one before is computed with.

    producer     next(items) ... | wait | next(items) ...
    queue                        1 .. depth batches
    consumer     step | step | step ...

A plan runs without the GIL, so a producer in Python really works beside it. What the consumer sees
is the same as without a producer, in the same order; an exception of the producer is raised where
its batch would have been.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

DEPTH = 2  # batches that wait, beside the one that is used and the one that is being made
_CHECK = 0.1  # seconds after which who waits looks whether it still should
_PATIENCE = 5.0  # seconds that a consumer who leaves early waits for the producer


def prefetched(items: Iterable[Any], depth: int = DEPTH) -> Iterator[Any]:
    """`items`, made by a thread of its own that is up to `depth` of them ahead.

    Close the generator to stop the thread. If the source hangs then, the thread is left to itself;
    it does not keep the process from ending.
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
        except BaseException as raised:  # whatever it is, it belongs to the consumer
            error = raised
        put(False, error)

    thread = threading.Thread(target=produce, name="fastconv-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            try:
                more, item = ready.get(timeout=_CHECK)
            except queue.Empty:  # in between, Python looks whether somebody has pressed Ctrl-C
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
