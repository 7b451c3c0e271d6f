from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv._ext._program import FilterOp, Op
from fastconv.shapes import Conv2DGeometry, Pool2DGeometry

class BFloat16Convolution(FilterOp):
    renew: Callable[[], None] | None
    def __init__(
        self,
        geometry: Conv2DGeometry,
        x: np.ndarray,
        w: np.ndarray,
        bias: np.ndarray | None,
        y: np.ndarray,
        low: float = ...,
        high: float = ...,
        residual: np.ndarray | None = None,
        scale: np.ndarray | None = None,
    ) -> None: ...
    def invalidate(self) -> None: ...
    def details(self) -> dict[str, Any]: ...

class _Conversion(Op):
    def details(self) -> dict[str, Any]: ...

class Narrow(_Conversion):
    def __init__(self, x: np.ndarray, y: np.ndarray) -> None: ...

class Widen(_Conversion):
    def __init__(self, x: np.ndarray, y: np.ndarray) -> None: ...

class BFloat16MaxPool(Op):
    def __init__(self, geometry: Pool2DGeometry, x: np.ndarray, y: np.ndarray) -> None: ...
