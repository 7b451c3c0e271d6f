"""The C libraries that a wheel, or the OpenMP library in it, is linked with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wheels.commands import run, stop, tool
from wheels.debian import unpacked
from wheels.platforms import WORK, Platform

# Debian 11's glibc is 2.31: its threads have a library of their own, whose symbols are of 2.17 at
# most. glibc 2.34 moved them into the C library, under new versions.
RELEASE = "bullseye"
PACKAGES = ("libc6", "libc6-dev", "linux-libc-dev", "libcrypt-dev")

DEBIAN = Path("/usr/lib/x86_64-linux-musl/libc.so")  # of the package musl-dev
NAME = "libc.musl-x86_64.so.1"


def musl() -> Path:
    """A folder with musl's C library, for the linker and for `auditwheel`.

    Debian's says in itself that its name is libc.so, which a linked module would then ask for.
    """
    folder = WORK / "musl-libc"
    if (folder / NAME).exists():
        return folder
    if not DEBIAN.exists():
        stop("musl was not found: apt install musl-tools")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(DEBIAN, folder / "libc.so")
    run(tool("patchelf", "patchelf"), "--set-soname", NAME, folder / "libc.so")
    shutil.copyfile(folder / "libc.so", folder / NAME)
    return folder


def old_glibc(platform: Platform) -> Path:
    """A root folder with Debian 11's glibc and its headers, for the compiler's `--sysroot`."""
    root = WORK / "sysroots" / f"{RELEASE}-{platform.debian}"
    unpacked(root, RELEASE, platform.debian, *PACKAGES, dependencies=False)
    for link in root.rglob("*"):
        if link.is_symlink() and os.readlink(link).startswith("/"):
            target = root / os.readlink(link).lstrip("/")
            link.unlink()
            link.symlink_to(os.path.relpath(target, link.parent))
    return root
