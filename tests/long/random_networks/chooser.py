"""Random choices from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np


class Chooser:
    """Random choices; two of the same seed choose alike."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)

    def number(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return int(self.random.integers(low, high + 1))

    def one(self, options: Any) -> Any:
        return options[self.number(0, len(options) - 1)]

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def pair(self, low: int, high: int) -> Any:
        return self.number(low, high) if self.chance(0.6) else tuple(
            self.number(low, high) for _ in range(2)
        )  # fmt: skip
