from collections.abc import Sequence

import numpy as np

from fastconv._ext._program import Op, Record

class _Merging(Op): ...

class Merge(_Merging):
    def __init__(
        self,
        kind: str,
        xs: Sequence[np.ndarray],
        y: np.ndarray,
        relu: bool = False,
        activation_gradient: tuple[str, float, np.ndarray] | None = None,
    ) -> None: ...
    def record(self) -> Record: ...

class MergeBackward(_Merging):
    def __init__(
        self,
        kind: str,
        xs: Sequence[np.ndarray],
        y: np.ndarray,
        index: int,
        dy: np.ndarray,
        dx: np.ndarray,
    ) -> None: ...
    def record(self) -> Record: ...

class Scale(Op):
    def __init__(self, x: np.ndarray, y: np.ndarray, factor: float = 1.0) -> None: ...
    def record(self) -> Record: ...

class _Pieces(Op): ...

class Concatenate(_Pieces):
    def __init__(
        self, pieces: Sequence[np.ndarray | int], whole: np.ndarray, axis: int
    ) -> None: ...
    def record(self) -> Record: ...

class Split(_Pieces):
    def __init__(
        self, pieces: Sequence[np.ndarray | int], whole: np.ndarray, axis: int
    ) -> None: ...
    def record(self) -> Record: ...

class _Repeating(Op): ...

class Repeat(_Repeating):
    def __init__(self, x: np.ndarray, y: np.ndarray) -> None: ...
    def record(self) -> Record: ...

class RepeatBackward(_Repeating):
    def __init__(self, x: np.ndarray, y: np.ndarray) -> None: ...
    def record(self) -> Record: ...
