"""The name of the processor: for results, for their files and for `fastconv doctor`.

The name that a server reports is often that of several generations ("AMD EPYC"), so the
microarchitecture is added, by the numbers of family and model.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

# (vendor, family): ((first model, microarchitecture), ...), models ascending.
_GENERATIONS = {
    ("AuthenticAMD", 23): ((0x00, "Zen"), (0x30, "Zen 2")),
    ("AuthenticAMD", 25): (
        (0x00, "Zen 3"), (0x10, "Zen 4"), (0x20, "Zen 3"), (0x60, "Zen 4"), (0x80, "Zen 3"),
        (0xA0, "Zen 4"),
    ),
    ("AuthenticAMD", 26): ((0x00, "Zen 5"),),
    ("GenuineIntel", 6): (
        (0x3C, "Haswell"), (0x3D, "Broadwell"), (0x4E, "Skylake"), (0x6A, "Ice Lake"),
        (0x8F, "Sapphire Rapids"), (0xAD, "Granite Rapids"), (0xCF, "Emerald Rapids"),
    ),
}  # fmt: skip


def processor(cpuinfo: str | None = None) -> str:
    """Return the name of the processor and its microarchitecture, for people to read.

    Args:
        cpuinfo: the text of ``/proc/cpuinfo``; None reads it.

    >>> processor("vendor_id : AuthenticAMD\\ncpu family : 25\\nmodel : 17\\nmodel name : AMD EPYC")
    'AMD EPYC (Zen 4)'
    """
    name, microarchitecture = _name(_fields(cpuinfo))
    return f"{name} ({microarchitecture})" if microarchitecture else name


def file_name(cpuinfo: str | None = None) -> str:
    """Return the name of the processor for a file or a folder, without a suffix.

    Args:
        cpuinfo: the text of ``/proc/cpuinfo``; None reads it.

    >>> file_name("vendor_id : AuthenticAMD\\ncpu family : 25\\nmodel : 17\\nmodel name : AMD EPYC")
    'amd-epyc-zen4'
    """
    name, microarchitecture = _name(_fields(cpuinfo))
    brand = re.sub(r"\((R|TM|C)\)|@.*|\bCPU\b|\bProcessor\b", " ", name)
    words = f"{brand} {microarchitecture.replace('Zen ', 'zen')}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _fields(cpuinfo: str | None) -> dict[str, str]:
    """The fields of the first processor."""
    path = Path("/proc/cpuinfo")
    if cpuinfo is None:
        cpuinfo = path.read_text(encoding="utf-8") if path.exists() else ""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        field, _, value = line.partition(":")
        fields.setdefault(field.strip(), value.strip())
    return fields


def _name(fields: dict[str, str]) -> tuple[str, str]:
    """The reported name, or the architecture, and the microarchitecture, or "" if none is known."""
    name = fields.get("model name") or platform.processor() or platform.machine()
    if "cpu family" not in fields:
        return name, ""
    family, model = int(fields["cpu family"]), int(fields.get("model", 0))
    known = _GENERATIONS.get((fields.get("vendor_id", ""), family), ())
    names = [generation for first, generation in known if model >= first]
    return name, names[-1] if names else f"family {family} model {model}"
