"""fastconv.h for ctypes: its structs and numbers, read from the header, and its functions."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np

import fastconv

HEADER = Path(fastconv.get_include()) / "fastconv.h"
TEXT = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
TYPES = {
    "size_t": ctypes.c_size_t,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "double": ctypes.c_double,
    "fastconv_parallel_for": ctypes.c_void_p,
}


def members(body: str) -> list[tuple[str, type]]:
    found: list[tuple[str, type]] = []
    for statement in filter(None, (part.strip() for part in body.split(";"))):
        if "(*" in statement:
            found.append((re.search(r"\(\*(\w+)\)", statement)[1], ctypes.c_void_p))
            continue
        kind, names = re.match(r"(?:const )?(\w+) (.*)", statement, re.S).groups()
        for name in names.split(","):
            pointer, name, count = re.match(r"\s*(\*?)(\w+)(?:\[(\d+)\])?", name).groups()
            ctype = ctypes.c_void_p if pointer else TYPES[kind]
            found.append((name, ctype * int(count) if count else ctype))
    return found


STRUCTS = {
    name: type(name, (ctypes.Structure,), {"_fields_": members(body)})
    for body, name in re.findall(r"typedef struct \{(.*?)\} fastconv_(\w+);", TEXT, re.S)
}
NUMBERS = {
    name: number
    for body in re.findall(r"enum \{(.*?)\}", TEXT, re.S)
    for number, name in enumerate(re.findall(r"FASTCONV_(\w+)", body))
}
PASSES = ("forward", "backward_input", "backward_kernel")


def api():
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return STRUCTS["api"].from_address(get(fastconv._C_API, b"fastconv._C_API"))


def function(name: str, *types):
    return ctypes.CFUNCTYPE(ctypes.c_int, *types)(getattr(api(), name))


P = ctypes.c_void_p


def message(status: int) -> str:
    return ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_int)(api().message)(status).decode()


def create(kind: str, /, **sizes):
    """(status, op)"""
    struct = STRUCTS[kind](size=ctypes.sizeof(STRUCTS[kind]))
    for name, value in sizes.items():
        assert hasattr(struct, name)
        setattr(struct, name, value)
    op = P()
    return function(f"create_{kind}", P, P)(ctypes.byref(struct), ctypes.byref(op)), op


def aligned(bytes_: int) -> np.ndarray:
    block = np.full(bytes_ + 128, 0xA5, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + bytes_]


TASK = ctypes.CFUNCTYPE(None, ctypes.c_int64, P)
PARALLEL_FOR = ctypes.CFUNCTYPE(None, P, ctypes.c_int64, P, P)


@PARALLEL_FOR
def backwards(task, count, task_context, context):
    """Runs the last task first: no task may wait for another one."""
    for i in reversed(range(count)):
        TASK(task)(i, task_context)


def apply(kind: str, arrays: dict, /, *, threads=1, runner=None, pack=False, **sizes) -> None:
    """Run an operation once: on threads of OpenMP, or by `runner`; with filters packed before it,
    if `pack` and the operation packs any."""
    status, op = create(kind, **sizes)
    assert status == 0, message(status)
    info = STRUCTS["info"](size=ctypes.sizeof(STRUCTS["info"]))
    assert function("query", P, ctypes.c_int32, P)(op, threads, ctypes.byref(info)) == 0
    struct = STRUCTS["arrays"](size=ctypes.sizeof(STRUCTS["arrays"]))
    for name, value in arrays.items():
        if name == "slots":
            struct.slots = (P * 3)(*[slot.ctypes.data for slot in value])
        elif name == "hyper":
            struct.hyper = (ctypes.c_double * 6)(*value)
        elif value is not None:
            setattr(struct, name, value.ctypes.data)
    packed = aligned(info.packed_bytes)
    if pack and info.packed_bytes:
        pack_filters = function("pack", P, P, P)
        assert pack_filters(op, struct.w, packed.ctypes.data) == 0
        struct.packed, struct.w = packed.ctypes.data, None
    workspace = aligned(info.workspace_bytes)
    common = (op, ctypes.byref(struct), workspace.ctypes.data, info.workspace_bytes, threads)
    if runner:
        run = function("run_with", P, P, P, ctypes.c_int64, ctypes.c_int32, PARALLEL_FOR, P)
        status = run(*common, runner, None)
    else:
        status = function("run", P, P, P, ctypes.c_int64, ctypes.c_int32)(*common)
    ctypes.CFUNCTYPE(None, P)(api().destroy)(op)
    assert status == 0, message(status)
