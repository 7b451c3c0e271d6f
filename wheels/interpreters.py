"""The Pythons that a wheel can be run with on this machine.

An installed Python is used if there is one of the version.  Otherwise it comes from a Debian
release, unpacked: it runs with its own C library, and under QEMU if the architecture is another.
The one for musl is compiled.
"""

from __future__ import annotations

import os
import platform as machine_of
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from wheels import cpython
from wheels.commands import tool
from wheels.debian import unpacked
from wheels.platforms import WORK, Platform

RELEASES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "testing"}
VERSION = """
import sys, sysconfig
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print("%d.%d%s" % (*sys.version_info[:2], "t" * free))
"""


@dataclass(frozen=True)
class Interpreter:
    """How to start a Python: the command and the environment that it needs.

    description: what is printed of it
    is_installed: whether it can make virtual environments here
    """

    version: str
    command: tuple[str, ...]
    description: str
    environment: dict[str, str] = field(default_factory=dict)
    is_installed: bool = False

    @property
    def is_emulated(self) -> bool:
        return self.command[0].endswith("-static")


def found(version: str, platform: Platform) -> Interpreter | None:
    """A Python of this version for a platform; None if there is none."""
    if platform.libc == "musl":
        if version != cpython.VERSION:
            return None
        return Interpreter(version, (str(cpython.program(platform)),), "compiled with musl")
    if platform.machine == machine_of.machine():
        here = _installed(version)
        if here is not None:
            return here
    return _unpacked(version, platform) if version in RELEASES else None


def _installed(version: str) -> Interpreter | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    candidates = [shutil.which(f"python{version}"), *pyenv.glob("versions/*/bin/python3")]
    for path in candidates:
        if path is None:
            continue
        result = subprocess.run([str(path), "-c", VERSION], capture_output=True, text=True)
        if result.returncode == 0 and result.stdout.strip() == version:
            return Interpreter(version, (str(path),), "installed", is_installed=True)
    return None


def _unpacked(version: str, platform: Platform) -> Interpreter:
    release = RELEASES[version]
    root = WORK / "roots" / f"{release}-{platform.debian}"
    unpacked(root, release, platform.debian, f"python{version}", "libstdc++6", "zlib1g")
    for name in ("lib", "lib64"):  # a package of its own has these links
        if not (root / name).exists() and (root / "usr" / name).is_dir():
            (root / name).symlink_to(f"usr/{name}")
    program = root / f"usr/bin/python{version}"
    home = {"PYTHONHOME": str(root / "usr")}
    if platform.machine == machine_of.machine():
        folders = [root / "lib" / platform.triplet, root / "usr/lib" / platform.triplet]
        (loader,) = (root / "lib64").glob("ld-linux*")
        # A script, so that Python finds itself in sys.executable and not the loader.
        script = root / f"python{version}"
        path = ":".join(map(str, folders))
        script.write_text(
            f'#!/bin/sh\nexec {loader} --argv0 "$0" --library-path {path} {program} "$@"\n'
        )
        script.chmod(0o755)
        return Interpreter(version, (str(script),), f"Debian {release}", home)
    emulator = tool(f"qemu-{platform.machine}-static", "qemu-user-static")
    command = (emulator, "-L", str(root), str(program))
    return Interpreter(version, command, f"Debian {release}, emulated", home)
