from typing import Any

import numpy as np

from fastconv._ext._algorithm import ConvPass
from fastconv._ext._program import FilterOp, Op, Record
from fastconv.shapes import Conv2DGeometry

def conv2d_forward(
    geometry: Conv2DGeometry,
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    y: np.ndarray,
    activation: str = "linear",
    slope: float = 0.0,
    algorithm: str = "auto",
    pool: str | None = None,
    frozen: bool = False,
    residual: np.ndarray | None = None,
) -> DirectForward | WinogradForward: ...
def conv2d_backward_input(
    geometry: Conv2DGeometry, dy: np.ndarray, w: np.ndarray, dx: np.ndarray, algorithm: str = "auto"
) -> DirectBackwardInput | ScatterBackwardInput | WinogradBackwardInput: ...
def conv2d_backward_kernel(
    geometry: Conv2DGeometry,
    x: np.ndarray,
    dy: np.ndarray,
    dw: np.ndarray | None,
    db: np.ndarray | None,
    algorithm: str = "auto",
) -> DirectBackwardKernel | WinogradBackwardKernel: ...

class _Problems(FilterOp):
    algorithm: str
    def details(self) -> dict[str, Any]: ...

class DirectForward(_Problems):
    pool: str | None
    def __init__(
        self,
        chosen: ConvPass,
        x: np.ndarray,
        w: np.ndarray,
        b: np.ndarray | None,
        y: np.ndarray,
        activation: str,
        slope: float,
        pool: str | None,
        residual: np.ndarray | None,
    ) -> None: ...
    def record(self) -> Record: ...

def residues(
    size: int, kernel: int, stride: int, dilation: int, pad: int
) -> list[tuple[int, int, int]]: ...

class DirectBackwardInput(_Problems):
    def __init__(self, chosen: ConvPass, dy: np.ndarray, w: np.ndarray, dx: np.ndarray) -> None: ...
    def record(self) -> Record: ...

class ScatterBackwardInput(FilterOp):
    algorithm: str
    def __init__(self, chosen: ConvPass, dy: np.ndarray, w: np.ndarray, dx: np.ndarray) -> None: ...
    def details(self) -> dict[str, Any]: ...
    def record(self) -> Record: ...

class _BackwardKernel(Op):
    algorithm: str
    def record(self) -> Record: ...

class DirectBackwardKernel(_BackwardKernel):
    def __init__(
        self,
        chosen: ConvPass,
        x: np.ndarray,
        dy: np.ndarray,
        dw: np.ndarray | None,
        db: np.ndarray | None,
    ) -> None: ...
    def details(self) -> dict[str, Any]: ...

class _Winograd(FilterOp):
    algorithm: str
    def details(self) -> dict[str, Any]: ...

class WinogradForward(_Winograd):
    pool: str | None
    def __init__(
        self,
        chosen: ConvPass,
        x: np.ndarray,
        w: np.ndarray,
        b: np.ndarray | None,
        y: np.ndarray,
        activation: str,
        slope: float,
        pool: str | None,
        residual: np.ndarray | None,
    ) -> None: ...
    def record(self) -> Record: ...

class WinogradBackwardInput(_Winograd):
    def __init__(self, chosen: ConvPass, dy: np.ndarray, w: np.ndarray, dx: np.ndarray) -> None: ...
    def record(self) -> Record: ...

class WinogradBackwardKernel(_BackwardKernel):
    def __init__(
        self,
        chosen: ConvPass,
        x: np.ndarray,
        dy: np.ndarray,
        dw: np.ndarray | None,
        db: np.ndarray | None,
    ) -> None: ...
    def details(self) -> dict[str, Any]: ...
