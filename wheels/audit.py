"""Static checks of the files in `dist`: tags, symbols, metadata, contents, size."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from wheels.commands import run, say, stop, tool
from wheels.platforms import ABI, LARGEST_WHEEL, WORK, Platform

DF_STATIC_TLS = 0x10  # the linker's mark of a library that needs the static block

# Relocations against the static block of thread-local variables: R_X86_64_TPOFF64 and
# R_AARCH64_TLS_TPREL64.
STATIC = {"EM_X86_64": 18, "EM_AARCH64": 1030}

PYTHON = re.compile(r"_?Py")  # names of the interpreter begin so


def audited(wheel: Path, platform: Platform, abi: ABI) -> None:
    """End the program where a wheel breaks a rule."""
    say(f"auditing {wheel.name}")
    size = wheel.stat().st_size
    if size > LARGEST_WHEEL:
        stop(f"{wheel.name} has {size} bytes, which is more than {LARGEST_WHEEL}")
    shown = run(tool("auditwheel", "auditwheel"), "show", wheel)
    if f'"{platform.policy}"' not in " ".join(shown.split()):
        stop(f"auditwheel does not find {platform.policy}:\n{shown}")
    run(tool("twine", "twine"), "check", "--strict", wheel)
    run(tool("check-wheel-contents", "check-wheel-contents"), wheel)
    if abi.name == "stable":
        run(tool("abi3audit", "abi3audit"), "--strict", wheel)
    check_symbols(wheel, platform)


def check_symbols(wheel: Path, platform: Platform) -> None:
    """Every symbol that a module takes from elsewhere is Python's, libgomp's or the C library's."""
    folder = WORK / "audit" / wheel.stem
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        if not any(name.endswith("COPYING.RUNTIME") for name in archive.namelist()):
            stop(f"{wheel.name} lacks the licence of libgomp")
    (bundled,) = (folder / "fastconv/_libs").glob("libgomp-*.so*")
    offered = symbols(bundled, defined=True)
    needed = symbols(bundled, defined=False)
    modules = sorted((folder / "fastconv/_ext").glob("*.so"))
    if not modules:
        stop(f"{wheel.name} has no modules")
    for path in (bundled, *modules):
        if uses_static_tls(path):
            stop(f"{path.name} of {wheel.name} takes static TLS: a late import of it can fail")
    for module in modules:
        needed |= {name for name in symbols(module, defined=False) if not PYTHON.match(name)}
    if platform.libc == "musl":
        missing = needed - offered - symbols(Path("/lib/ld-musl-x86_64.so.1"), defined=True)
        if missing:
            stop(f"{wheel.name} needs what musl does not have: {', '.join(sorted(missing))}")


def symbols(path: Path, *, defined: bool) -> set[str]:
    """The dynamic symbols that a library defines, or those that it must find elsewhere."""
    with path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".dynsym")
        return {
            symbol.name
            for symbol in table.iter_symbols()
            if symbol.name
            and (symbol["st_shndx"] == "SHN_UNDEF") != defined
            and (defined or symbol["st_info"]["bind"] != "STB_WEAK")
        }


def uses_static_tls(path: Path) -> bool:
    """Whether a library's thread-local variables need room in the block of fixed size."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        dynamic = elf.get_section_by_name(".dynamic")
        if any(tag["d_val"] & DF_STATIC_TLS for tag in dynamic.iter_tags("DT_FLAGS")):
            return True
        kind = STATIC[elf["e_machine"]]
        return any(
            relocation["r_info_type"] == kind
            for section in elf.iter_sections()
            if isinstance(section, RelocationSection)
            for relocation in section.iter_relocations()
        )
