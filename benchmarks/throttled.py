"""An mpi4py communicator whose exchanges take as long as on a given link.

Only the exchange of gradients is held back: `Ialltoallv` and `Iallgatherv`, which are complete when
the messages have arrived and the link would have carried their bytes, one exchange after another.
"""

from __future__ import annotations

import time
from typing import Any

from fastconv.inspect import Link


class Throttled:
    """`communicator`, for float32 arrays, with the bandwidth and latency of `link`."""

    def __init__(self, communicator: Any, link: Link):
        self._communicator, self._link, self._free = communicator, link, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._communicator, name)

    def Dup(self) -> Throttled:
        return Throttled(self._communicator.Dup(), self._link)

    def Ialltoallv(self, sent: Any, received: Any) -> Late:
        return self._late(self._communicator.Ialltoallv(sent, received), sent[1])

    def Iallgatherv(self, sent: Any, received: Any) -> Late:
        return self._late(self._communicator.Iallgatherv(sent, received), received[1])

    def _late(self, request: Any, counts: list[int]) -> Late:
        ranks = self._communicator.Get_size()
        seconds = self._link.seconds(4 * sum(counts) * (ranks - 1) / ranks, ranks - 1)
        self._free = max(self._free, time.perf_counter()) + seconds
        return Late(request, self._free)


class Late:
    """A request that is complete at `end` (of `time.perf_counter`) at the earliest."""

    def __init__(self, request: Any, end: float):
        self._request, self._end = request, end

    def Test(self) -> bool:
        return self._request.Test() and time.perf_counter() >= self._end

    def Wait(self) -> None:
        self._request.Wait()
        time.sleep(max(0.0, self._end - time.perf_counter()))
