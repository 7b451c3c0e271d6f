"""GCC's OpenMP library, in the build that a wheel bundles.

Debian 11's libgomp needs symbols of glibc 2.17 at most; a current one needs 2.34, which moved the
threads into the C library.  Its source, which a Debian package carries, gives the library for musl,
and the licence texts.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wheels import libc
from wheels.commands import run, say, tool
from wheels.debian import unpacked
from wheels.platforms import WORK, Platform

RELEASE, SOURCE = "bullseye", "gcc-10-source"
NEEDED = ("libgomp", "config", "include", "contrib")
LICENCES = ("COPYING3", "COPYING.RUNTIME")


def library(platform: Platform) -> Path:
    """The folder that holds libgomp.so.1 for a platform."""
    if platform.libc == "musl":
        return _compiled(platform)
    folder = WORK / "libgomp" / platform.name
    unpacked(folder, RELEASE, platform.debian, "libgomp1", dependencies=False)
    return folder / "usr/lib" / platform.triplet


def source() -> Path:
    """GCC's source: libgomp, what its build needs, and the licence texts."""
    folder = WORK / "libgomp" / "source"
    if (folder / "COPYING.RUNTIME").exists():
        return folder
    packed = unpacked(WORK / "libgomp/packed", RELEASE, "amd64", SOURCE, dependencies=False)
    archive = next((packed / "usr/src").glob("*/gcc-*-dfsg.tar.xz"))
    folder.mkdir(parents=True, exist_ok=True)
    say(f"unpacking {archive.name}")
    scratch = folder.with_name("unpacking")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    run("tar", "--extract", "--file", archive, "--directory", scratch, "--strip-components=1")
    for path in scratch.iterdir():
        if path.is_file() or path.name in NEEDED:
            shutil.move(path, folder / path.name)
    (folder / "gcc").mkdir(exist_ok=True)
    for name in ("BASE-VER", "DATESTAMP", "DEV-PHASE"):
        shutil.move(scratch / "gcc" / name, folder / "gcc" / name)
    shutil.rmtree(scratch)
    return folder


def _compiled(platform: Platform) -> Path:
    folder = WORK / "libgomp" / platform.name
    built = folder / ".libs"
    if (built / "libgomp.so.1").exists():
        return built
    configure = source() / "libgomp/configure"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say("compiling libgomp for musl")
    compiler = tool(platform.compiler, platform.package)
    run(
        configure, f"--host={platform.machine}-linux-musl", "--disable-multilib", "FC=no",
        f"CC={compiler}", "CFLAGS=-O2 -g0 -Wno-error", f"LDFLAGS=-Wl,-s -L{libc.musl()}",
        cwd=folder,
    )  # fmt: skip
    run("make", f"-j{os.cpu_count()}", "libgomp.la", cwd=folder)
    return built
