"""CPython for musl, compiled from Debian's source package: neither Debian nor PyPI has a build."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wheels import libc
from wheels.commands import run, say, tool
from wheels.debian import sources
from wheels.platforms import WORK, Platform

RELEASE, VERSION = "trixie", "3.13"

# Modules of libraries that configure finds, though they are this machine's and not for musl.
LEFT_OUT = (
    "_bz2 _ctypes _curses _curses_panel _dbm _gdbm _hashlib _lzma _sqlite3 _ssl _tkinter _uuid "
    "readline"
)

# configure trusts --print-multiarch, and Debian's musl-gcc names the folders of glibc there.
COMPILER = """#!/bin/sh
[ "$1" = --print-multiarch ] && exit 0
exec {compiler} "$@"
"""


def program(platform: Platform) -> Path:
    """The interpreter, in the folder in which it is compiled: it runs there."""
    folder = WORK / "cpython" / platform.name
    python = folder / "python"
    if (folder / ".compiled").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    compiler = folder / "compiler"
    compiler.write_text(COMPILER.format(compiler=tool(platform.compiler, platform.package)))
    compiler.chmod(0o755)
    (folder / "Modules").mkdir()
    (folder / "Modules/Setup.local").write_text(f"*disabled*\n{LEFT_OUT}\n")
    zlib = _zlib(compiler, folder)
    say(f"compiling CPython {VERSION} for {platform.name}")
    run(
        _unpacked(f"python{VERSION}", folder) / "configure",
        f"--build={platform.machine}-linux-musl", "--without-ensurepip", "--disable-test-modules",
        f"CC={compiler}", f"CFLAGS=-O0 -g0 -I{zlib}", f"LDFLAGS=-L{zlib} -L{libc.musl()}",
        cwd=folder,
    )  # fmt: skip
    run("make", f"-j{os.cpu_count()}", cwd=folder)
    (folder / ".compiled").touch()
    return python


def _zlib(compiler: Path, folder: Path) -> Path:
    """The folder of zlib's headers and static library: files of arrays are compressed with it."""
    tree = _unpacked("zlib", folder)
    environment = {**os.environ, "CC": str(compiler), "CFLAGS": "-O2 -fPIC"}
    run("./configure", "--static", cwd=tree, env=environment)
    run("make", "libz.a", cwd=tree)
    return tree


def _unpacked(package: str, folder: Path) -> Path:
    """The tree of a source package, without Debian's changes."""
    (archive,) = sources(RELEASE, package).glob("*.orig.tar.*z")
    tree = folder / "source" / package
    tree.mkdir(parents=True)
    run("tar", "--extract", "--file", archive, "--directory", tree, "--strip-components=1")
    return tree
