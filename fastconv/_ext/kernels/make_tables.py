"""Writes `_tables.pxd`, the function tables of two C headers for Cython, from the lists in them:

    schedule/schedule.h           FC_SCHEDULES, the table fc_schedule
    kernels/fastconv_kernels.h    FC_KERNELS, the table fc_table of every instruction set

Run it when one of the lists has changed:

    python fastconv/_ext/kernels/make_tables.py

The C compiler expands the same lists to the structs themselves, so a function is named in one
place. A test compares the file with its source.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]
TARGET = FOLDER / "_tables.pxd"
WIDTH = 100  # columns

HEADER = "# Written by make_tables.py from the lists in schedule.h and fastconv_kernels.h."


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


def text() -> str:
    """What `_tables.pxd` must hold."""
    schedules = entries("schedule/schedule.h", "FC_SCHEDULES")
    kernels = entries("kernels/fastconv_kernels.h", "FC_KERNELS")
    types = re.findall(
        r"\bfc_\w+", " ".join(f"{kind} {args}" for kind, _, args in schedules + kernels)
    )
    return "\n".join(
        [
            HEADER,
            "from libc.stdint cimport int32_t, int64_t, uint64_t",
            "",
            "from fastconv._ext._kernels cimport (",
            *(
                f"    {name},"
                for name in ["FC_UPDATES", *sorted({*types, "fc_target", "fc_update_rule"})]
            ),
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
            "    const fc_table *fc_get_table(int, int)",
            "",
        ]
    )


if __name__ == "__main__":
    TARGET.write_text(text())
