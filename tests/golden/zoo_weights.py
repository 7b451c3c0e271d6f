"""Weights and pictures that follow from a seed, so that no file has to hold them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def weights(shapes: Iterable[tuple[str, tuple[int, ...]]], gamma: float) -> list[np.ndarray]:
    """One array per (name, shape): kernels with He's spread, variances near 1, scales near `gamma`,
    all that shifts near 0; so that what flows through the network neither dies nor explodes."""
    rng = np.random.default_rng(1512)
    made = []
    for name, shape in shapes:
        w = rng.standard_normal(shape, dtype=np.float32)
        if len(shape) > 1:
            fan_in = np.prod(shape[:2]) if shape[-1] == 1 else np.prod(shape[:-1])  # depthwise
            w *= np.float32((2 / fan_in) ** 0.5)
        elif name in ("gamma", "moving_variance", "variance"):
            w = (gamma if name == "gamma" else 1) * (1 + 0.1 * np.abs(w))
        else:
            w *= np.float32(0.1)
        made.append(w)
    return made


def pictures(shape: tuple[int, int, int]) -> np.ndarray:
    """Three pictures, -1 to 1."""
    return np.random.default_rng(2).uniform(-1, 1, (3, *shape)).astype(np.float32)
