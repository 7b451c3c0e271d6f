from typing import Any

import numpy as np

from fastconv._ext._optim import Rule
from fastconv._ext._program import Op, Record

class _DenseOp(Op): ...

class DenseForward(_DenseOp):
    def details(self) -> dict[str, Any]: ...
    def __init__(
        self,
        x: np.ndarray,
        w: np.ndarray,
        b: np.ndarray | None,
        y: np.ndarray,
        activation: str = "linear",
        slope: float = 0.0,
    ) -> None: ...
    def record(self) -> Record: ...

class DenseBackwardInput(_DenseOp):
    def __init__(
        self,
        dy: np.ndarray,
        w: np.ndarray,
        dx: np.ndarray,
        activation_gradient: tuple[str, float, np.ndarray] | None = None,
    ) -> None: ...
    def record(self) -> Record: ...

class DenseBackwardKernel(_DenseOp):
    def __init__(
        self, x: np.ndarray, dy: np.ndarray, dw: np.ndarray | None, db: np.ndarray | None
    ) -> None: ...
    def record(self) -> Record: ...

class DenseUpdate(_DenseOp):
    def __init__(
        self, x: np.ndarray, dy: np.ndarray, db: np.ndarray | None, rule: Rule
    ) -> None: ...
    def record(self) -> Record: ...
