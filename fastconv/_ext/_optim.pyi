from collections.abc import Sequence

import numpy as np

from fastconv._ext._program import Op, Record

RULES: dict[str, int]

class Rule:
    arrays: tuple[np.ndarray | None, ...]
    w: np.ndarray
    slots: tuple[np.ndarray | None, ...]
    needs_gradient: bool
    def __init__(
        self, rule: str, w: np.ndarray, slots: Sequence[np.ndarray | None], hyper: np.ndarray
    ) -> None: ...
    def check_shape(self, *arrays: np.ndarray | None) -> None: ...

class Update(Op):
    def __init__(
        self,
        rule: str,
        w: np.ndarray,
        g: np.ndarray | None,
        slots: Sequence[np.ndarray | None],
        hyper: np.ndarray,
    ) -> None: ...
    def record(self) -> Record: ...
