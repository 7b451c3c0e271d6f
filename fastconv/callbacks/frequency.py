"""How often to save, for the callbacks that do."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from fastconv.state import Stateful, whole


class BatchFrequency(Stateful):
    """Counts batches, from one epoch to the next, and tells when there have been enough.

    `save_freq` is "epoch", which is never due after a batch, or a number of batches; ValueError for
    anything else.
    """

    stateful = MappingProxyType({"_seen": whole})

    def __init__(self, save_freq: Any):
        whole = isinstance(save_freq, int) and not isinstance(save_freq, bool)
        if save_freq != "epoch" and not (whole and save_freq > 0):
            raise ValueError(
                f"`save_freq` must be 'epoch' or a positive integer, received {save_freq!r}"
            )
        self._every = save_freq
        self._seen = 0

    def due(self) -> bool:
        """Called after each batch: whether it is time to save."""
        if self._every == "epoch":
            return False
        self._seen += 1
        if self._seen < self._every:
            return False
        self._seen = 0
        return True
