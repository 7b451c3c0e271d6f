import numpy as np

from fastconv._ext._program import FilterOp, Op, Record

class ChannelNormForward(Op):
    def __init__(
        self,
        x: np.ndarray,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        y: np.ndarray,
        mean: np.ndarray,
        variance: np.ndarray,
        epsilon: float,
        activation: str = "linear",
        slope: float = 0.0,
    ) -> None: ...
    def record(self) -> Record: ...

class ChannelNormBackward(Op):
    def __init__(
        self,
        x: np.ndarray,
        dy: np.ndarray,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        mean: np.ndarray,
        variance: np.ndarray,
        dx: np.ndarray | None,
        dgamma: np.ndarray | None,
        dbeta: np.ndarray | None,
        epsilon: float,
        activation: str = "linear",
        slope: float = 0.0,
    ) -> None: ...
    def record(self) -> Record: ...

class _Frozen(FilterOp): ...

class FrozenNormForward(_Frozen):
    def __init__(
        self,
        x: np.ndarray,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        mean: np.ndarray,
        variance: np.ndarray,
        y: np.ndarray,
        epsilon: float,
        activation: str = "linear",
        slope: float = 0.0,
    ) -> None: ...
    def record(self) -> Record: ...

class FrozenNormBackward(_Frozen):
    def __init__(
        self,
        dy: np.ndarray,
        gamma: np.ndarray | None,
        mean: np.ndarray,
        variance: np.ndarray,
        dx: np.ndarray,
        epsilon: float,
    ) -> None: ...
    def record(self) -> Record: ...

class FoldNorm(_Frozen):
    def __init__(
        self,
        w: np.ndarray,
        b: np.ndarray | None,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        mean: np.ndarray,
        variance: np.ndarray,
        folded_w: np.ndarray,
        folded_b: np.ndarray | None,
        epsilon: float,
    ) -> None: ...
    def record(self) -> Record: ...

class _RowNorm(Op): ...

class RowNormForward(_RowNorm):
    def __init__(
        self,
        x: np.ndarray,
        gamma: np.ndarray | None,
        beta: np.ndarray | None,
        y: np.ndarray,
        statistics: np.ndarray,
        epsilon: float,
        unit: bool = False,
    ) -> None: ...
    def record(self) -> Record: ...

class RowNormBackward(_RowNorm):
    def __init__(
        self,
        x: np.ndarray,
        dy: np.ndarray,
        gamma: np.ndarray | None,
        statistics: np.ndarray,
        dx: np.ndarray | None,
        dgamma: np.ndarray | None,
        dbeta: np.ndarray | None,
        epsilon: float,
        unit: bool = False,
    ) -> None: ...
    def record(self) -> Record: ...

class _ResponseNorm(Op): ...

class ResponseNormForward(_ResponseNorm):
    def __init__(
        self, x: np.ndarray, y: np.ndarray, radius: int, bias: float, alpha: float, beta: float
    ) -> None: ...
    def record(self) -> Record: ...

class ResponseNormBackward(_ResponseNorm):
    def __init__(
        self,
        x: np.ndarray,
        dy: np.ndarray,
        dx: np.ndarray,
        radius: int,
        bias: float,
        alpha: float,
        beta: float,
    ) -> None: ...
    def record(self) -> Record: ...

class _PReLU(Op): ...

class PReLUForward(_PReLU):
    def __init__(self, x: np.ndarray, alpha: np.ndarray, y: np.ndarray) -> None: ...
    def record(self) -> Record: ...

class PReLUBackward(_PReLU):
    def __init__(
        self,
        x: np.ndarray,
        dy: np.ndarray,
        alpha: np.ndarray,
        dx: np.ndarray | None,
        dalpha: np.ndarray | None,
    ) -> None: ...
    def record(self) -> Record: ...
