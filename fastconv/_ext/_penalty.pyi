import numpy as np

from fastconv._ext._program import Op, Record

class Penalty(Op):
    def __init__(
        self,
        x: np.ndarray,
        g: np.ndarray | None,
        value: np.ndarray,
        l1: float,
        l2: float,
        scale: float = 1.0,
    ) -> None: ...
    def record(self) -> Record: ...

class LimitNorms(Op):
    def __init__(
        self, w: np.ndarray, low: float, high: float, rate: float, epsilon: float
    ) -> None: ...
    def record(self) -> Record: ...
