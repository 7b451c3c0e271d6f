import numpy as np

from fastconv._ext._program import Op, Record

class _Activation(Op): ...

class ActivationForward(_Activation):
    def __init__(
        self,
        kind: str,
        x: np.ndarray,
        y: np.ndarray,
        slope: float = 0.0,
        max_value: float = 0.0,
        threshold: float = 0.0,
    ) -> None: ...
    def record(self) -> Record: ...

class ActivationBackward(_Activation):
    def __init__(
        self,
        kind: str,
        saved: np.ndarray,
        dy: np.ndarray,
        dx: np.ndarray,
        slope: float = 0.0,
        max_value: float = 0.0,
        threshold: float = 0.0,
    ) -> None: ...
    def record(self) -> Record: ...

class Dropout(Op):
    def __init__(self, x: np.ndarray, y: np.ndarray, rate: float, seed: int) -> None: ...
    @property
    def rate(self) -> float: ...
    def get_state(self) -> int: ...
    def set_state(self, draws: int, first: int = 0) -> None: ...
    def record(self) -> Record: ...

class DropoutBackward(Op):
    def __init__(self, forward: Dropout, dy: np.ndarray, dx: np.ndarray) -> None: ...
    def record(self) -> Record: ...

class SoftmaxForward(Op):
    def __init__(self, x: np.ndarray, y: np.ndarray, log: bool = False) -> None: ...
    def record(self) -> Record: ...

class SoftmaxBackward(Op):
    def __init__(
        self, y: np.ndarray, dy: np.ndarray, dx: np.ndarray, log: bool = False
    ) -> None: ...
    def record(self) -> Record: ...

class _Loss(Op): ...

class SoftmaxCrossEntropy(_Loss):
    def __init__(
        self,
        logits: np.ndarray,
        targets: np.ndarray,
        dlogits: np.ndarray,
        loss: np.ndarray,
        sample_weight: np.ndarray | None = None,
        probabilities: np.ndarray | None = None,
    ) -> None: ...

class CrossEntropy(_Loss):
    def __init__(
        self,
        probabilities: np.ndarray,
        targets: np.ndarray,
        dprobabilities: np.ndarray,
        loss: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> None: ...

class MeanSquaredError(_Loss):
    def __init__(
        self,
        prediction: np.ndarray,
        targets: np.ndarray,
        dprediction: np.ndarray,
        loss: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> None: ...
