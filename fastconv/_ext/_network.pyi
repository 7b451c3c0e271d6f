from collections.abc import Sequence

import numpy as np

KERNELS: tuple[str, ...]
RECORD_KINDS: tuple[str, ...]
NETWORK_MAGIC: int
NO_ARRAY: int
NETWORK_WORDS: int
WORD_COUNT: int

def network_algorithm(integers: Sequence[int], isa: str) -> str | None: ...

class Network:
    words: np.ndarray
    weights: np.ndarray
    isa: str
    memory_bytes: int
    def __init__(
        self,
        words: np.ndarray,
        weights: np.ndarray,
        isa: str,
        threads: int = 1,
        measured_only: bool = False,
    ) -> None: ...
    def run(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None: ...

def network_bytes(words: np.ndarray, weights: np.ndarray, isa: str, threads: int) -> int: ...
