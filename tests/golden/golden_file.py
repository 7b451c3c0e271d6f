"""Reading and writing one file of golden values: a list of cases and the arrays they name.

Needs NumPy alone, so that the tests can read what `make_golden` wrote with Keras. Floats are stored
as float32, integers as int64; nothing is pickled.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent

Arrays = dict[str, np.ndarray]


def save(name: str, cases: list[dict], arrays: Arrays) -> None:
    """Write ``cases`` and ``arrays`` as three arrays: JSON text, all floats, all integers.

    A zip member per array would be three times the size: most arrays here hold a few numbers.
    """
    index, floating, integers = [], [], []
    for key, value in arrays.items():
        value = np.asarray(value)
        pool = floating if value.dtype.kind == "f" else integers
        index.append([key, value.dtype.kind, list(value.shape)])
        pool.append(value.ravel())
    np.savez_compressed(
        HERE / name,
        index=np.array(json.dumps({"cases": cases, "arrays": index})),
        floating=np.concatenate([*floating, []]).astype(np.float32),
        integers=np.concatenate([*integers, []]).astype(np.int64),
    )


def load(name: str) -> tuple[list[dict], Arrays]:
    """The inverse of `save`: ``(cases, arrays)``."""
    with np.load(HERE / name) as stored:
        index = json.loads(str(stored["index"]))
        pools = {"f": stored["floating"], "i": stored["integers"]}
    arrays, used = {}, {"f": 0, "i": 0}
    for key, kind, shape in index["arrays"]:
        kind = "f" if kind == "f" else "i"
        size = int(np.prod(shape))
        arrays[key] = pools[kind][used[kind] : used[kind] + size].reshape(shape)
        used[kind] += size
    return index["cases"], arrays
