"""The programs of `tests/listings`, and their results as arrays and plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "listings"
NAMES = [
    path.stem
    for path in sorted(FOLDER.glob("*.py"))
    if path.stem not in ("__init__", "material") and not path.stem.endswith("_tape")
]


def run(path: Path, text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Run the program `text` of `path`; return its results: plain data, and numbers as arrays."""
    namespace: dict[str, Any] = {"__name__": "listing"}
    exec(compile(text, str(path), "exec"), namespace)
    plain, arrays = {}, {}
    for key, value in namespace["results"].items():
        array = None if _holds_text(value) else np.asarray(value)
        if array is None:
            plain[key] = value
        else:
            arrays[key] = array.astype(np.int64) if array.dtype.kind in "bui" else array
    return plain, arrays


def _holds_text(value: Any) -> bool:
    """Return whether `value` is a text, or a list of texts or of tuples of different lengths."""
    if isinstance(value, list):
        return any(isinstance(each, (str, tuple, list)) for each in value)
    return isinstance(value, (str, tuple))
