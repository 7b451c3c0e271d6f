from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np

from fastconv._ext._program import FilterOp, Op
from fastconv.shapes import Conv2DGeometry, Pool2DGeometry

MAX_PRODUCTS: int

class QuantizedConvolution(FilterOp):
    renew: Callable[[], None] | None
    def invalidate(self) -> None: ...
    def __init__(
        self,
        geometry: Conv2DGeometry,
        x: np.ndarray,
        w: np.ndarray,
        scale: np.ndarray,
        bias: np.ndarray | None,
        y: np.ndarray,
        zero_point: SupportsIndex = 0,
        low: float = 0.0,
        high: float = 255.0,
        residual: np.ndarray | None = None,
        residual_scale: float = 0.0,
    ) -> None: ...
    def details(self) -> dict[str, Any]: ...

class _Conversion(Op):
    def details(self) -> dict[str, Any]: ...

class Quantize(_Conversion):
    def __init__(
        self, x: np.ndarray, y: np.ndarray, scale: float, zero_point: SupportsIndex
    ) -> None: ...

class Dequantize(_Conversion):
    def __init__(
        self, x: np.ndarray, y: np.ndarray, scale: float, zero_point: SupportsIndex
    ) -> None: ...

class QuantizedMaxPool(Op):
    def __init__(self, geometry: Pool2DGeometry, x: np.ndarray, y: np.ndarray) -> None: ...
