"""Writes the function tables of three C headers for Cython, from the lists in them:

    schedule/schedule.h           FC_SCHEDULES, the table fc_schedule, in `_tables.pxd`
    kernels/fastconv_kernels.h    FC_KERNELS and FC_DOT_KERNELS, the tables fc_table and
                                  fc_dot_table of every instruction set, too
    operations/operations.h       FC_OPERATIONS, fc_operation_table, in `_operation_table.pxd`

Run it when one of the lists has changed:

    python fastconv/_ext/kernels/make_tables.py

The C compiler expands the same lists to the structs themselves, so a function is named in one
place. A test compares the files with their source.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]
WIDTH = 100  # columns

HEADER = "# Written by make_tables.py from the {}."


def entries(header: str, name: str) -> list[tuple[str, str, str]]:
    """(type, name, arguments) of each `X(...)` in the list `name` of `header`."""
    text = (FOLDER / header).read_text()
    text = text[text.index(f"#define {name}(X)") :].replace("\\\n", " ")
    body = " ".join(re.sub(r"/\*.*?\*/", "", text.partition("\n")[0]).split())
    return re.findall(r"X\((\w+), (\w+), \(([^()]*)\)\)", body)


def struct(name: str, members: list[str], functions: list[tuple[str, str, str]]) -> list[str]:
    """The lines that declare a table."""
    lines = [f"    ctypedef struct {name}:", *(f"        {member}" for member in members)]
    for kind, function, args in functions:
        line = f"        {kind} (*{function})({args}) noexcept nogil"
        if len(line) > WIDTH:
            indent = " " * 12
            lines += [
                f"        {kind} (*{function})(",
                *textwrap.wrap(args, WIDTH, initial_indent=indent, subsequent_indent=indent),
                "        ) noexcept nogil",
            ]
        else:
            lines.append(line)
    return lines


def imported(functions: list[tuple[str, str, str]], *more: str) -> list[str]:
    """The types in the signatures of `functions`, as lines of an import."""
    types = re.findall(r"\bfc_\w+", " ".join(f"{kind} {args}" for kind, _, args in functions))
    return [f"    {name}," for name in sorted({*types, *more})]


def tables() -> str:
    """The content of `_tables.pxd`."""
    schedules = entries("schedule/schedule.h", "FC_SCHEDULES")
    kernels = entries("kernels/fastconv_kernels.h", "FC_KERNELS")
    dots = entries("kernels/fastconv_kernels.h", "FC_DOT_KERNELS")
    return "\n".join(
        [
            HEADER.format("lists in schedule.h and fastconv_kernels.h"),
            "from libc.stdint cimport int32_t, int64_t, uint64_t",
            "",
            "from fastconv._ext._kernels cimport (",
            "    FC_UPDATES,",
            *imported(schedules + kernels + dots, "fc_target", "fc_update_rule"),
            ")",
            "",
            'cdef extern from "../schedule/schedule.h" nogil:',
            *struct("fc_schedule", [], schedules),
            "    const fc_schedule fc_schedules",
            "",
            'cdef extern from "fastconv_kernels.h" nogil:',
            *struct(
                "fc_table",
                ["const char *isa", "fc_target target", "fc_update_rule update[FC_UPDATES]"],
                kernels,
            ),
            *struct("fc_dot_table", ["const char *isa", "fc_target target"], dots),
            "    const fc_table *fc_get_table(int, int)",
            "    const fc_dot_table *fc_get_dot_table(int, int)",
            "",
        ]
    )


def operation_table() -> str:
    """The content of `_operation_table.pxd`."""
    functions = entries("operations/operations.h", "FC_OPERATIONS")
    return "\n".join(
        [
            HEADER.format("list in operations.h"),
            "from libc.stdint cimport int64_t",
            "",
            "from fastconv._ext._kernels cimport fc_geometry",
            "from fastconv._ext._operations cimport (",
            *(line for line in imported(functions) if "fc_geometry" not in line),
            ")",
            "",
            'cdef extern from "../operations/operations.h" nogil:',
            *struct("fc_operation_table", [], functions),
            "    const fc_operation_table fc_operations",
            "",
        ]
    )


FILES = {"_tables.pxd": tables, "_operation_table.pxd": operation_table}


if __name__ == "__main__":
    for name, text in FILES.items():
        (FOLDER / name).write_text(text())
