"""The programs of `tests/listings`, and their results as arrays and plain data."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "listings"
NAMES = [
    path.stem
    for path in sorted(FOLDER.glob("*.py"))
    if path.stem not in ("__init__", "material") and not path.stem.endswith("_tape")
]


def text_for_keras(name: str) -> str:
    """Return the program with Keras in place of fastconv.

    Where `NAME_tape.py` exists, its functions and methods replace those of the same names, which
    compute gradients; its imports come with them.
    """
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    tape = FOLDER / f"{name}_tape.py"
    if tape.exists():
        text = _with_functions(text, tape.read_text(encoding="utf-8"))
    return re.sub(r"\bfastconv\b", "keras", text)


def _with_functions(text: str, other: str) -> str:
    """Return `text` with the functions and methods of `other`, and its imports."""
    lines, source = text.splitlines(), other.splitlines()
    places, replacements = _functions(ast.parse(text)), _functions(ast.parse(other))
    missing = sorted(set(replacements) - set(places))
    if missing:
        raise ValueError(f"a listing must define what its tape replaces, {missing}")
    for name in sorted(replacements, key=lambda name: -places[name].lineno):  # from the end
        old, new = places[name], replacements[name]
        lines[old.lineno - 1 : old.end_lineno] = source[new.lineno - 1 : new.end_lineno]
    imports = [line for line in source if line.startswith(("import ", "from "))]
    return "\n".join([*imports, *lines])


def _functions(tree: ast.Module) -> dict[str, Any]:
    """Return the functions of a module, and the methods of its classes as `Class.method`."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            found |= {f"{node.name}.{each.name}": each for each in methods}
    return found


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
