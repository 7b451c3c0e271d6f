"""GCC's OpenMP library, in the build that a wheel bundles.

Debian's build of libgomp does not serve.  That of a current release needs glibc 2.34, and every one
keeps its thread-local variables in the static block of a thread, of which a process has a fixed
surplus: on aarch64, where other libraries use it up quickly, a late import then fails with "cannot
allocate memory in static TLS block".  The library is therefore compiled from GCC's source, which a
Debian package carries, against an old glibc and with the dynamic model of thread-local variables.

Only the modules of one wheel use the library: `auditwheel` gives it a name of its own.  It exports
EXPORTED alone, and the linker drops what these functions do not reach, such as OpenACC.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from wheels import libc
from wheels.commands import run, say, tool
from wheels.debian import unpacked
from wheels.platforms import WORK, Platform

RELEASE, SOURCE = "bullseye", "gcc-10-source"
DYNAMIC = "-ftls-model=global-dynamic -UUSING_INITIAL_EXEC_TLS"
SMALL = "-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables"
NEEDED = ("libgomp", "config", "include", "contrib")
LICENCES = ("COPYING3", "COPYING.RUNTIME")

# Called by the modules; and omp_set_num_threads by threadpoolctl.
EXPORTED = {
    "GOMP_barrier", "GOMP_parallel", "omp_get_max_threads", "omp_get_num_threads",
    "omp_get_thread_limit", "omp_get_thread_num", "omp_pause_resource_all", "omp_set_num_threads",
}  # fmt: skip


def library(platform: Platform) -> Path:
    """The folder that holds libgomp.so.1 for a platform; compiles it at the first call."""
    folder = WORK / "libgomp" / platform.name
    built = folder / ".libs"
    if (built / "libgomp.so.1").exists():
        return built
    configure = source() / "libgomp/configure"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"compiling libgomp for {platform.name}")
    compiler = tool(platform.compiler, platform.package)
    if platform.libc == "musl":
        host = f"{platform.machine}-linux-musl"
        folders = [libc.musl()]
    else:
        host = platform.triplet
        root = libc.old_glibc(platform)
        compiler = f"{compiler} --sysroot={root}"
        folders = [root / "usr/lib" / platform.triplet, root / "lib" / platform.triplet]
    paths = " ".join(f"-L{path}" for path in folders)
    run(
        configure, f"--host={host}", "--disable-multilib", "FC=no", f"CC={compiler}",
        f"CFLAGS=-O2 -g0 -Wno-error {SMALL} {DYNAMIC}", f"LDFLAGS=-Wl,-s,--gc-sections {paths}",
        cwd=folder,
    )  # fmt: skip
    run("make", "libgomp.ver", cwd=folder)
    script = folder / "exported.ver"
    script.write_text(reduced((folder / "libgomp.ver").read_text()))
    run(
        "make", f"-j{os.cpu_count()}", "libgomp.la",
        f"libgomp_version_script=-Wl,--version-script,{script}", cwd=folder,
    )  # fmt: skip
    return built


def reduced(script: str) -> str:
    """A version script of the linker with all of its versions and, of its names, EXPORTED."""
    text = re.sub(
        r"^[ \t]*(\w+);$",
        lambda line: line[0] if line[1] in EXPORTED else "",
        script,
        flags=re.MULTILINE,
    )
    return re.sub(r"global:(?=\s*(local:|}))", "", text)  # a list without names is an error


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
