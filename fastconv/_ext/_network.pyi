from collections.abc import Sequence

import numpy as np

KERNELS: tuple[str, ...]
RECORD_KINDS: tuple[str, ...]
NETWORK_MAGIC: int
NO_ARRAY: int
IN_VALUES: int
IN_WEIGHTS: int
IN_STATE: int
BLOCKS: int
SETTINGS: int
NETWORK_WORDS: int
WORD_COUNT: int

def network_algorithm(kind: str, integers: Sequence[int], isa: str) -> str | None: ...

class Network:
    words: np.ndarray
    weights: np.ndarray
    state: np.ndarray | None
    isa: str
    memory_bytes: int
    def __init__(
        self,
        words: np.ndarray,
        weights: np.ndarray,
        isa: str,
        threads: int = 1,
        measured_only: bool = False,
        state: np.ndarray | None = None,
    ) -> None: ...
    def run(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None: ...
    def invalidate(self) -> None: ...

def network_bytes(
    words: np.ndarray,
    weights: np.ndarray,
    isa: str,
    threads: int,
    state: np.ndarray | None = None,
) -> int: ...
