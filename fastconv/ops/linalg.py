"""The functions of `fastconv.ops` of linear algebra.

Keras has these functions under `ops.linalg` as well. All of them are in `fastconv.ops`.

>>> from fastconv import ops
>>> ops.linalg.norm is ops.norm
True
"""

from __future__ import annotations

from typing import Any

from fastconv import ops

_NAMES = """
    norm
"""
__all__ = _NAMES.split()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(ops, name)
