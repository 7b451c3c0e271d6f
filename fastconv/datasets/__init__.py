"""Data sets ready for training, each a module with a `load_data()` that returns Keras's tuple
`((x_train, y_train), (x_test, y_test))`.

- `mnist`: 70,000 handwritten digits of 28x28 pixels, found on disk or downloaded once;
- `fashion_mnist`: 70,000 pictures of clothes in the same form;
- `cifar10`, `cifar100`: 60,000 colour photographs of 32x32 pixels in 10 or 100 classes;
- `digits`: 1,797 handwritten digits of 8x8 pixels, embedded in the package.

What is not on this machine is downloaded once, verified by its SHA-256 sum and kept (`_files`).
Digits and clothes are stored in the IDX format, which `idx` reads; CIFAR in archives of records.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["cifar10", "cifar100", "digits", "fashion_mnist", "idx", "mnist"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"fastconv.datasets.{name}")
    raise AttributeError(f"module 'fastconv.datasets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
