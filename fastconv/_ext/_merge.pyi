from collections.abc import Sequence

import numpy as np

from fastconv._ext._program import Op

class _Stretches(Op): ...
class _Merging(_Stretches): ...

class Merge(_Merging):
    def __init__(
        self,
        kind: str,
        xs: Sequence[np.ndarray],
        y: np.ndarray,
        relu: bool = False,
        activation_gradient: tuple[str, float, np.ndarray] | None = None,
    ) -> None: ...

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

class Scale(_Stretches):
    def __init__(self, x: np.ndarray, y: np.ndarray, factor: float = 1.0) -> None: ...

class _Pieces(Op):
    def __init__(
        self, pieces: Sequence[np.ndarray | int], whole: np.ndarray, axis: int
    ) -> None: ...

class Concatenate(_Pieces): ...
class Split(_Pieces): ...

class _Repeating(Op):
    def __init__(self, x: np.ndarray, y: np.ndarray) -> None: ...

class Repeat(_Repeating): ...
class RepeatBackward(_Repeating): ...
