from typing import Any

import numpy as np

from fastconv._ext._program import FilterOp, Record

class _Recurrent(FilterOp):
    def details(self) -> dict[str, Any]: ...

class RecurrentForward(_Recurrent):
    def __init__(
        self,
        gates: np.ndarray,
        r: np.ndarray,
        h: np.ndarray | None,
        c: np.ndarray | None,
        bias: np.ndarray | None,
        y: np.ndarray,
        cells: np.ndarray | None = None,
        before: np.ndarray | None = None,
        part: np.ndarray | None = None,
        reverse: bool = False,
    ) -> None: ...
    def record(self) -> Record: ...

class RecurrentBackward(_Recurrent):
    def __init__(
        self,
        gates: np.ndarray,
        r: np.ndarray,
        h: np.ndarray | None,
        c: np.ndarray | None,
        dy: np.ndarray,
        dc_last: np.ndarray | None,
        cells: np.ndarray | None,
        before: np.ndarray | None,
        part: np.ndarray | None,
        inner: np.ndarray | None = None,
        dh: np.ndarray | None = None,
        dc: np.ndarray | None = None,
        reverse: bool = False,
    ) -> None: ...
    def record(self) -> Record: ...
