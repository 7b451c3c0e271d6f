from collections.abc import Sequence

import numpy as np

from fastconv._ext._program import Op, Record
from fastconv.resampling import AxisMap

class Resample(Op):
    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        maps: Sequence[AxisMap | None],
        axes: Sequence[int] | None = None,
        fill: float = 0.0,
    ) -> None: ...
    def record(self) -> Record: ...

class Transpose(Op):
    def __init__(self, x: np.ndarray, y: np.ndarray) -> None: ...
    def record(self) -> Record: ...

class _Warp(Op): ...

class Warp(_Warp):
    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        transforms: np.ndarray,
        interpolation: str = "bilinear",
        fill_mode: str = "constant",
        fill_value: float = 0.0,
    ) -> None: ...

class WarpBackward(_Warp):
    def __init__(
        self,
        dy: np.ndarray,
        dx: np.ndarray,
        transforms: np.ndarray,
        interpolation: str = "bilinear",
        fill_mode: str = "constant",
    ) -> None: ...
