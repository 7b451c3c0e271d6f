"""The return value of `predict`, assembled from batches."""

from __future__ import annotations

import numpy as np

from fastconv.common.arrays import read_only


class Outputs:
    """Collects one output of a model: in one array if `count` is given, else in a list."""

    def __init__(self, count: int | None, output_shape: tuple[int | None, ...]):
        self._shape = output_shape[1:]
        self._whole = None if count is None else np.empty((count, *self._shape), np.float32)
        self._filled = 0
        self._parts: list[np.ndarray] = []

    def add(self, output: np.ndarray) -> np.ndarray:
        """Copy a batch of outputs, because its plan overwrites it; return a read-only view."""
        if self._whole is None:
            self._parts.append(output.copy())
            return read_only(self._parts[-1])
        part = self._whole[self._filled : self._filled + len(output)]
        part[...] = output
        self._filled += len(output)
        return read_only(part)

    def result(self) -> np.ndarray:
        if self._whole is not None:
            return self._whole[: self._filled]  # fewer than `count` if a callback ended the run
        return np.concatenate([np.empty((0, *self._shape), np.float32), *self._parts])
