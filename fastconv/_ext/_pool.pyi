import numpy as np

from fastconv._ext._program import Op, Record
from fastconv.shapes import Pool2DGeometry

class _PoolOp(Op): ...

class MaxPoolForward(_PoolOp):
    def __init__(
        self, geometry: Pool2DGeometry, x: np.ndarray, y: np.ndarray, argmax: np.ndarray | None
    ) -> None: ...
    def record(self) -> Record: ...

class MaxPoolBackward(_PoolOp):
    def __init__(
        self,
        geometry: Pool2DGeometry,
        dy: np.ndarray,
        argmax: np.ndarray,
        dx: np.ndarray,
        activation_gradient: tuple[str, float, np.ndarray] | None = None,
    ) -> None: ...
    def record(self) -> Record: ...

class AveragePoolForward(_PoolOp):
    def __init__(self, geometry: Pool2DGeometry, x: np.ndarray, y: np.ndarray) -> None: ...
    def record(self) -> Record: ...

class AveragePoolBackward(_PoolOp):
    def __init__(
        self,
        geometry: Pool2DGeometry,
        dy: np.ndarray,
        dx: np.ndarray,
        activation_gradient: tuple[str, float, np.ndarray] | None = None,
    ) -> None: ...
    def record(self) -> Record: ...
