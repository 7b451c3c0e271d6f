"""How training scales with the number of ranks: a model of the step, from one that is measured.

Every rank computes `batch_size` samples, so all n ranks together n times as many (weak scaling).
A bucket of M bytes of gradients is exchanged once the backward pass has completed it, one after the
other, in messages of latency a over links of b bytes per second:

    Alltoallv    (n - 1) a + (n - 1) / n M / b      pairwise exchange
    sum          (n + 1) / n M / s                  s bytes per second are added
    Allgatherv   (n - 1) a + (n - 1) / n M / b      ring
    Allreduce    2 log2(n) a + 2 (n - 1) / n M / b + M / s      Rabenseifner, for "fast"

    end of bucket i  = max(end of bucket i - 1, completion of bucket i) + its exchange
    step             = max(end of the last bucket, end of the computation) + update
    efficiency       = (computation + update) / step

Formulas: Thakur, Rabenseifner & Gropp, "Optimization of Collective Communication Operations in
MPICH", IJHPCA 19(1), 2005. Left out: ranks that share a link, and ranks that are late.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastconv.common.arguments import normalize_int, number
from fastconv.common.figures import new_figure, styled

RANKS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
GIGABITS = (10.0, 25.0, 100.0)


@dataclass(frozen=True)
class Link:
    """The network between ranks.

    Args:
        gigabits: bandwidth of a rank, in Gbit/s.
        latency: of a message, in seconds; 20 us are usual for TCP, 2 us for InfiniBand.

    >>> Link(10).seconds(1_250_000, messages=1)
    0.00102
    """

    gigabits: float
    latency: float = 2e-5

    def seconds(self, nbytes: float, messages: float) -> float:
        """Return the time to send so many bytes in so many messages, one after the other."""
        return messages * self.latency + 8 * nbytes / (self.gigabits * 1e9)


@dataclass(frozen=True)
class StepTimes:
    """A training step of one rank, in seconds: `computation` of the gradients, when each bucket is
    complete, its size in bytes, the `update`, and how many bytes per second are added."""

    computation: float
    completed: tuple[float, ...]
    sizes: tuple[int, ...]
    update: float
    added_per_second: float


@dataclass(frozen=True)
class Scaling:
    """Predicted times of training on several ranks; print it, or take `figure()` or `to_dict()`."""

    model_name: str
    batch_size: int  # per rank
    step: StepTimes
    ranks: tuple[int, ...]
    links: tuple[Link, ...]

    def exchange(self, nbytes: int, ranks: int, link: Link, reduction: str = "ordered") -> float:
        """Return the time to sum a bucket over the ranks, in seconds."""
        share, added = nbytes * (ranks - 1) / ranks, self.step.added_per_second
        if reduction == "fast":
            return link.seconds(2 * share, 2 * math.log2(ranks)) + nbytes / added
        return 2 * link.seconds(share, ranks - 1) + nbytes * (ranks + 1) / ranks / added

    def seconds(self, ranks: int, link: Link, reduction: str = "ordered") -> float:
        """Return the time of a step, in seconds."""
        step, end = self.step, 0.0
        if ranks > 1:
            for completed, nbytes in zip(step.completed, step.sizes, strict=True):
                end = max(end, completed) + self.exchange(nbytes, ranks, link, reduction)
        return max(end, step.computation) + step.update

    def efficiency(self, ranks: int, link: Link, reduction: str = "ordered") -> float:
        """Return the throughput of a rank, relative to that of one rank alone."""
        return (self.step.computation + self.step.update) / self.seconds(ranks, link, reduction)

    def hidden(self, ranks: int, link: Link) -> float:
        """Return the share of the exchange that takes place during the computation."""
        whole = sum(self.exchange(nbytes, ranks, link) for nbytes in self.step.sizes)
        waited = self.seconds(ranks, link) - self.step.computation - self.step.update
        return 1 - waited / whole

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data; times in seconds."""
        return {
            "batch_size": self.batch_size,
            "step": asdict(self.step),
            "efficiencies": [
                {
                    **asdict(link),
                    "ranks": ranks,
                    "seconds": self.seconds(ranks, link),
                    "ordered": self.efficiency(ranks, link),
                    "fast": self.efficiency(ranks, link, "fast"),
                    "hidden": self.hidden(ranks, link),
                }
                for link in self.links
                for ranks in self.ranks
            ],
        }

    def __str__(self) -> str:
        step = self.step
        heads = "".join(f"{link.gigabits:>14g} Gbit/s" for link in self.links)
        lines = [
            f"{self.model_name} on several ranks, {self.batch_size} samples each",
            f"one rank: {1e3 * step.computation:.2f} ms of gradients and "
            f"{1e3 * step.update:.2f} ms of update; {sum(step.sizes) / 1e6:.1f} MB of gradients",
            "efficiency in %, in the fixed order and (fast)",
            f"{'ranks':>6}{heads}",
        ]
        for ranks in self.ranks:
            cells = [
                f"{100 * self.efficiency(ranks, link):.0f} "
                f"({100 * self.efficiency(ranks, link, 'fast'):.0f})"
                for link in self.links
            ]
            lines.append(f"{ranks:>6}" + "".join(f"{cell:>21}" for cell in cells))
        return "\n".join(lines)

    @styled
    def figure(self) -> Any:
        """Efficiency by the number of ranks, a line per link, dashed for "fast".

        Returns a `matplotlib.figure.Figure`. Raises ImportError without matplotlib.
        """
        figure = new_figure(4.0)
        axes = figure.subplots()
        for link in self.links:
            for reduction, dashes in (("ordered", "-"), ("fast", "--")):
                values = [100 * self.efficiency(n, link, reduction) for n in self.ranks]
                label = f"{link.gigabits:g} Gbit/s, {reduction}"
                axes.plot(self.ranks, values, dashes, marker=".", label=label)
        axes.set_xscale("log", base=2)
        axes.set_xlabel("ranks")
        axes.set_ylabel("efficiency in %")
        axes.set_ylim(0, 105)
        axes.set_title(f"{self.model_name}, {self.batch_size} samples per rank")
        axes.legend()
        return figure


def checked_ranks(ranks: Any) -> tuple[int, ...]:
    """Return `ranks` as numbers of at least 1; errors as those of `explain`."""
    several = ranks if isinstance(ranks, (list, tuple, range)) else [ranks]
    return tuple(normalize_int(each, "ranks") for each in several)


def checked_links(network: Any) -> tuple[Link, ...]:
    """Return `network`, None or one or several numbers of Gbit/s or links, as links; errors as
    those of `explain`."""
    given: Sequence[Any] = GIGABITS if network is None else [network]
    if isinstance(network, (list, tuple)):
        given = network
    return tuple(
        each if isinstance(each, Link) else Link(number(each, "network", 0, above=True))
        for each in given
    )
