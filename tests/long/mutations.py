"""Mutations of what files are made of: JSON trees, HDF5 files, archives and bytes.

Each function takes a `random.Random` and returns something new; what it was given stays as it is.
"""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
import zlib
from typing import Any

import h5py
import numpy as np

# ------------------------------------------------------------------------------------------- JSON

NUMBERS = (
    0, 1, 2, 3, 7, -1, -2, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63),
    10**18, 10**40, 10**400, -(10**400), 0.0, -0.0, 0.5, 1.5, -0.5, 1e-320, 1e-45, 1e38, 1e300,
    1.7976931348623157e308, -1e300, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
TEXTS = (
    "", "x", "relu", "same", "float16", "float64", "channels_first", "../../etc/passwd", "a/b",
    "\0", "\ud800", "é" * 50, "x" * 5000, "9" * 5000, "3.0", "NaN", "__keras_tensor__",
    "__lambda__", "Lambda", "Dense", "Conv2D", "Functional", "Sequential", "os.system",
)  # fmt: skip
OTHERS = (
    None, True, False, [], {}, [None], [[]], [0] * 40, {"": None}, [1, 2, 3], [2, 2], [0, 0],
    [[1, 1], [1, 1]], {"class_name": "Dense"}, {"class_name": ["Dense"], "config": {}},
    {"class_name": "function", "config": "f"}, {"class_name": "__lambda__", "config": {"value": 1}},
    {"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": None},
)  # fmt: skip
DEEP = "__deep__"  # stands for lists in lists, many more than Python's stack is deep


def any_value(rng: random.Random) -> Any:
    kind = rng.random()
    if kind < 0.02:
        return DEEP
    return copy.deepcopy(rng.choice(NUMBERS if kind < 0.5 else TEXTS if kind < 0.7 else OTHERS))


def dumped(tree: Any) -> str:
    """The tree as JSON text."""
    return json.dumps(tree).replace(f'"{DEEP}"', "[" * 3000 + "]" * 3000)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in the tree."""
    found, waiting = [], [tree]
    while waiting:
        container = waiting.pop()
        keys = container if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], (dict, list)):
                waiting.append(container[key])
    return found


def mutated_tree(rng: random.Random, tree: Any) -> Any:
    """The tree with one to three changes."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = _places(tree) if isinstance(tree, (dict, list)) else []
        if not places:
            return any_value(rng)
        container, key = rng.choice(places)
        change = rng.random()
        if change < 0.5:
            container[key] = any_value(rng)
        elif change < 0.6:
            del container[key]
        elif change < 0.75:  # something from elsewhere
            other, other_key = rng.choice(places)
            container[key] = copy.deepcopy(other[other_key])
        elif change < 0.82:
            other, other_key = rng.choice(places)
            if not _within(container[key], other) and not _within(other[other_key], container):
                container[key], other[other_key] = other[other_key], container[key]
        elif change < 0.9 and isinstance(container, list):
            container.insert(rng.randrange(len(container) + 1), copy.deepcopy(container[key]))
        elif change < 0.95 and isinstance(container, dict):
            container[rng.choice(TEXTS)] = any_value(rng)
        else:
            container[key] = rng.choice(([container[key]], {"config": container[key]}))
    return any_value(rng) if rng.random() < 0.005 else tree


def _within(tree: Any, thing: Any) -> bool:
    """Whether `thing` is `tree` or a part of it, so that an exchange would make a ring."""
    if tree is thing:
        return True
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return any(_within(part, thing) for part in parts)


# ------------------------------------------------------------------------------------------ bytes


def mutated_bytes(rng: random.Random, data: bytes) -> bytes:
    """Truncated, with bits flipped, or with a piece replaced, doubled or left out."""
    kind, out = rng.random(), bytearray(data)
    if not data or kind < 0.12:
        return data[: rng.randrange(len(data) + 1)]
    near = min(len(data), 1 << rng.randrange(4, 17))  # damage near the beginning is met more often
    at = rng.randrange(near)
    if kind < 0.6:
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            out[rng.randrange(near)] ^= 1 << rng.randrange(8)
    elif kind < 0.85:
        width = rng.choice((1, 2, 4, 8))
        value = rng.choice((0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), rng.getrandbits(32)))
        out[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
    elif kind < 0.93:
        out[at:at] = out[at : at + rng.randrange(64)]
    else:
        del out[at : at + rng.randrange(1, 64)]
    return bytes(out)


# ------------------------------------------------------------------------------------------- HDF5


def mutated_hdf5(rng: random.Random, data: bytes, texts: tuple[str, ...] = ()) -> bytes:
    """An HDF5 file with one to three changes of its datasets, groups and attributes.

    Attributes of the root in `texts` hold JSON, whose trees are changed.
    """
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as h5:
        for _ in range(rng.choice((1, 1, 2, 3))):
            present = [name for name in texts if name in h5.attrs]
            if present and rng.random() < 0.6:
                name = rng.choice(present)
                text = h5.attrs[name]
                try:
                    tree = json.loads(text)
                except (ValueError, TypeError, RecursionError):
                    continue
                h5.attrs[name] = np.bytes_(dumped(mutated_tree(rng, tree)).encode())
            else:
                _change(rng, h5)
    return buffer.getvalue()


def _change(rng: random.Random, h5: h5py.File) -> None:
    names: list[str] = []
    h5.visit(names.append)
    name = rng.choice([*names, "/"])
    thing = h5.get(name)
    if thing is None:
        return
    if rng.random() < 0.4 and len(thing.attrs):
        _change_attribute(rng, thing, rng.choice(list(thing.attrs)))
    elif name == "/" or (isinstance(thing, h5py.Group) and rng.random() < 0.1):
        if "new" not in thing:
            thing.create_dataset("new", data=np.zeros(3))
    elif isinstance(thing, h5py.Dataset):
        _change_dataset(rng, h5, name, thing)
    else:
        _replace(rng, h5, name)


def _change_attribute(rng: random.Random, thing: Any, name: str) -> None:
    old = thing.attrs[name]
    del thing.attrs[name]
    kind = rng.randrange(12)
    if kind == 0:
        return
    if kind == 1 and isinstance(old, np.ndarray) and len(old):
        old = list(old)
        rng.shuffle(old)
        thing.attrs[name] = old
    elif kind == 2 and isinstance(old, np.ndarray) and len(old):
        thing.attrs[name] = old[:-1]
    elif kind == 3 and isinstance(old, np.ndarray) and len(old):
        thing.attrs[name] = np.concatenate([old, old[:1]])
    else:
        thing.attrs[name] = (
            5, -1.5, np.float32(np.nan), b"x", "x" * 3000, [b"a", b"../b", b"/c"], np.zeros((2, 2)),
            h5py.Empty("f4"), [b""] * 1000, np.array([1 + 2j]), np.bytes_(b"\xff\xfe"),
            thing.file.ref,
        )[kind]  # fmt: skip


def _change_dataset(rng: random.Random, h5: h5py.File, name: str, dataset: h5py.Dataset) -> None:
    readable = dataset.shape is not None and dataset.size < 10**6
    values = np.asarray(dataset[()]) if readable else np.zeros(1)
    kind = rng.randrange(14)
    if kind == 0 or values.dtype.kind not in "iuf":
        _replace(rng, h5, name)
        return
    options: dict[str, Any] = {}
    if kind < 4:  # other values, up to NaN and what no integer holds
        extreme = rng.choice((0, -1, 1, 2**31, 2**62, 1e30, 1e300, np.nan, np.inf, -np.inf))
        with np.errstate(all="ignore"):
            values = np.full_like(values, extreme, rng.choice((values.dtype, np.float64)))
    elif kind == 4:
        values = values.astype(rng.choice(("f2", "f8", "i1", "u8", "c8", "S4", "?")))
    elif kind == 5:
        values = values.astype(">f4" if values.dtype.kind == "f" else ">i4")
    elif kind == 6:
        values = values.reshape(-1)
    elif kind == 7:
        values = np.zeros(values.shape + (2,), np.float32)
    elif kind == 8:
        values = values.T.copy()
    elif kind == 9 and values.ndim:
        options = {"chunks": values.shape, "compression": "gzip"}
    elif kind == 10 and values.ndim:
        options = {"chunks": tuple(max(1, n // 2) for n in values.shape)}
    elif kind == 11:
        del h5[name]
        h5.create_dataset(name, (10**9, 10**6), dtype="f4", chunks=(1, 10))
        return
    elif kind == 12:
        del h5[name]
        h5.create_dataset(name, data=h5py.Empty("f4"))
        return
    else:
        values = np.zeros(values.shape, np.dtype([("a", "f4")]))
    del h5[name]
    new = h5.create_dataset(name, data=values, **options)
    if values.dtype.kind in "iuf" and not options:  # as a program that writes such a file does
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        new.attrs["crc32"] = np.uint32(zlib.crc32(little.reshape(-1)))


def _replace(rng: random.Random, h5: h5py.File, name: str) -> None:
    """Something else in the place of a group or dataset, or nothing."""
    kind = rng.randrange(8)
    if kind == 0:
        h5.move(name, f"{name}_moved")
        return
    del h5[name]
    if kind == 1:
        h5.create_group(name)
    elif kind == 2:
        h5.create_dataset(name, data=np.zeros(3, np.float32))
    elif kind == 3:
        h5[name] = h5py.SoftLink("/")
    elif kind == 4:
        h5[name] = h5py.ExternalLink("/dev/zero", "/")
    elif kind == 5:
        h5[name] = h5["/"]  # a ring
    elif kind == 6:
        h5[name] = np.dtype("f4")


# ----------------------------------------------------------------------------------------- archives


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def unzipped(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def mutated_members(
    rng: random.Random, members: list[tuple[str, bytes]]
) -> list[tuple[str, bytes]]:
    """A list of members with one renamed, left out, twice there, empty or exchanged."""
    members = list(members)
    index = rng.randrange(len(members))
    name, data = members[index]
    kind = rng.randrange(6)
    if kind == 0:
        del members[index]
    elif kind == 1:
        members[index] = (rng.choice(("../x", "/x", "X", name.upper(), f"{name}/")), data)
    elif kind == 2:
        members.append((name, data))
    elif kind == 3:
        members[index] = (name, b"")
    elif kind == 4:
        members[index] = (name, rng.choice(members)[1])
    else:
        members.insert(0, ("extra", data[:100]))
    return members
