"""The former name of a part of `fastconv.inspect`; deprecated."""

from typing import Any

from fastconv.common.renamed import renamed

_NAMES = (
    "DenseComparison",
    "Explanation",
    "LayerReport",
    "Memory",
    "Receptive",
    "Timing",
    "Window",
    "compare_with_dense",
    "explain",
)
__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    return renamed(name, _NAMES, old=__name__, new="fastconv.inspect")
