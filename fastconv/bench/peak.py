"""The multiply-add peak of this machine, measured, which is what throughput is compared with.

`fastconv.runtime.peak_gflops` measures it with the instruction set in use, so the peak of an AVX2
run is AVX2's: in the same run as the kernels, before and between them, because a shared machine
changes its clock. The largest measurement counts, since other work on the machine can only make one
smaller.
"""

from __future__ import annotations

from fastconv import runtime


class Peak:
    """The peak for a number of threads: the largest of all measurements so far.

    Raises ValueError if `num_threads` is less than 1.

    >>> peak = Peak(1)
    >>> peak.measure(1) > 0
    True
    """

    def __init__(self, num_threads: int):
        if num_threads < 1:
            raise ValueError(f"`num_threads` must be at least 1, received {num_threads}")
        self.num_threads = num_threads
        self._measured: list[float] = []

    def measure(self, times: int = 3) -> float:
        """Measure `times` more times; return the largest of everything measured, in GFLOP/s."""
        for _ in range(times):
            self._measured.append(runtime.peak_gflops(self.num_threads))
        return self.gflops

    @property
    def gflops(self) -> float:
        """The largest so far; measured now if there is none."""
        if not self._measured:
            self.measure()
        return max(self._measured)

    def percent(self, gflops: float) -> float:
        """`gflops` as a percentage of the peak."""
        return 100 * gflops / self.gflops
