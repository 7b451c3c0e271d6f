"""Data sets ready for training, each a module with a `load_data()` that returns Keras's tuple
`((x_train, y_train), (x_test, y_test))`.

- `mnist`: 70,000 handwritten digits of 28x28 pixels, found on disk or downloaded once;
- `digits`: 1,797 handwritten digits of 8x8 pixels, embedded in the package.

Both are stored in the IDX format, which `idx` reads.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["digits", "idx", "mnist"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"fastconv.datasets.{name}")
    raise AttributeError(f"module 'fastconv.datasets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
