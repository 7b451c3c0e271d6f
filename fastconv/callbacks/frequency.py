"""The interval between saves, for callbacks that save."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from fastconv.common.arguments import as_integer
from fastconv.state import Kind, Stateful, whole


class BatchFrequency(Stateful):
    """Counts batches across epochs, and reports when a save is due.

    `save_freq` is "epoch", for which no save is due after a batch, or a number of batches;
    ValueError for any other value.
    """

    stateful: ClassVar[Mapping[str, Kind]] = MappingProxyType({"_seen": whole})

    def __init__(self, save_freq: Any):
        number = as_integer(save_freq)
        if save_freq != "epoch" and (number is None or number < 1):
            raise ValueError(
                f"`save_freq` must be 'epoch' or a positive integer, received {save_freq!r}"
            )
        self._every = number  # None: no save is due after a batch
        self._seen = 0

    def due(self) -> bool:
        """Return whether a save is due; called after each batch."""
        if self._every is None:
            return False
        self._seen += 1
        if self._seen < self._every:
            return False
        self._seen = 0
        return True
