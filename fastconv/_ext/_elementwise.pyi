import numpy as np

from fastconv._ext._program import Op

class _Elementwise(Op): ...
class _Activation(_Elementwise): ...

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

class Dropout(_Elementwise):
    rate: float
    def __init__(self, x: np.ndarray, y: np.ndarray, rate: float, seed: int) -> None: ...
    def get_state(self) -> int: ...
    def set_state(self, draws: int) -> None: ...

class DropoutBackward(_Elementwise):
    def __init__(self, forward: Dropout, dy: np.ndarray, dx: np.ndarray) -> None: ...

class _Rows(Op): ...

class SoftmaxForward(_Rows):
    def __init__(self, x: np.ndarray, y: np.ndarray, log: bool = False) -> None: ...

class SoftmaxBackward(_Rows):
    def __init__(
        self, y: np.ndarray, dy: np.ndarray, dx: np.ndarray, log: bool = False
    ) -> None: ...

class _Loss(_Rows): ...

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
