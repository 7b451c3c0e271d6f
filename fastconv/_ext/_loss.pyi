import numpy as np

from fastconv._ext._program import Op, Record

class RowLoss(Op):
    kind: str
    def __init__(
        self,
        kind: str,
        prediction: np.ndarray,
        targets: np.ndarray,
        gradient: np.ndarray | None,
        loss: np.ndarray,
        sample_weight: np.ndarray | None = None,
        probabilities: np.ndarray | None = None,
        *,
        a: float = 0.0,
        b: float = 0.0,
        summed: bool = False,
        ignore: int | None = None,
    ) -> None: ...
    def record(self) -> Record: ...
