from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv._ext._program import Op, Record

INSTRUCTIONS: dict[str, Any]
MOST_SLOTS: int
MOST_AXES: int

class Chain(Op):
    def __init__(
        self,
        instructions: Sequence[Any],
        inputs: Sequence[Any],
        outputs: Sequence[np.ndarray],
        registers: int,
        dtype: Any = None,
    ) -> None: ...
    def record(self) -> Record: ...
