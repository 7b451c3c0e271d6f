import numpy as np

from fastconv._ext._program import Op

class ScaleShift(Op):
    def __init__(
        self, x: np.ndarray, scale: np.ndarray | None, shift: np.ndarray | None, y: np.ndarray
    ) -> None: ...

class Masked(Op):
    def __init__(self, x: np.ndarray, mask: np.ndarray, y: np.ndarray) -> None: ...

class ColumnSums(Op):
    def __init__(self, x: np.ndarray, y: np.ndarray, scale: float = 1.0) -> None: ...

class ColumnMax(Op):
    def __init__(self, x: np.ndarray, y: np.ndarray, argmax: np.ndarray | None) -> None: ...

class ColumnMaxBackward(Op):
    def __init__(self, dy: np.ndarray, argmax: np.ndarray | None, dx: np.ndarray) -> None: ...

class Gaussian(Op):
    def __init__(
        self, x: np.ndarray, y: np.ndarray, stddev: float, seed: int, multiply: bool = False
    ) -> None: ...
    @property
    def stddev(self) -> float: ...
    @property
    def multiply(self) -> bool: ...
    def set_state(self, draws: int) -> None: ...
