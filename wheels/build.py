"""From the checkout to an sdist, and from the sdist to one wheel per platform and ABI."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from wheels import libc
from wheels.commands import run, say, tool
from wheels.debian import unpacked
from wheels.openmp import library
from wheels.platforms import ABI, CHECKOUT, DIST, WORK, Platform

# The release that has CPython 3.14: the headers with which free-threaded modules are compiled.
HEADERS_RELEASE = "testing"

# Cython's shortcuts into CPython's own structures, which make modules larger. The stable ABI offers
# none of them.
WITHOUT_SHORTCUTS = [
    "-DCYTHON_USE_PYLONG_INTERNALS=0", "-DCYTHON_USE_TYPE_SLOTS=0", "-DCYTHON_UNPACK_METHODS=0",
]  # fmt: skip


def sdist() -> Path:
    """The source archive in `dist`."""
    shutil.rmtree(CHECKOUT / "fastconv.egg-info", ignore_errors=True)
    run(sys.executable, "setup.py", "-q", "sdist", "--dist-dir", DIST, cwd=CHECKOUT)
    return max(DIST.glob("fastconv-*.tar.gz"), key=lambda path: path.stat().st_mtime)


def wheel(archive: Path, platform: Platform, abi: ABI) -> Path:
    """The wheel, as setuptools writes it, from an unpacked sdist: no git, no other file."""
    folder = WORK / platform.name / abi.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.unpack_archive(archive, folder)
    tree = next(path for path in folder.iterdir() if path.is_dir())
    say(f"building for {platform.name}, {abi.name} ABI")
    run(
        sys.executable, "setup.py", "-q", "bdist_wheel", "--dist-dir", folder / "dist",
        "--plat-name", platform.untested, cwd=tree, env=environment(platform, abi),
    )  # fmt: skip
    made = next((folder / "dist").glob("*.whl"))
    if abi.name == "stable":
        return made
    python, tag = abi.tags
    run(
        sys.executable, "-m", "wheel", "tags", "--remove",
        "--python-tag", python, "--abi-tag", tag, made,
    )  # fmt: skip
    return next((folder / "dist").glob("*.whl"))


def environment(platform: Platform, abi: ABI) -> dict[str, str]:
    """The environment in which `setup.py` compiles for a platform and an ABI."""
    compiler = tool(platform.compiler, platform.package)
    flags = list(platform.flags)
    result = {**os.environ, "_PYTHON_HOST_PLATFORM": f"linux-{platform.machine}"}
    if abi.name == "stable":
        result["FASTCONV_LIMITED_API"] = "1"
    else:
        root = headers(platform) / "usr/include"
        # The headers are those of the other build of CPython; this macro is all that differs.
        flags += ["-DPy_GIL_DISABLED=1", f"-I{root}/python3.14", f"-I{root}", *WITHOUT_SHORTCUTS]
        libc = "musl" if platform.libc == "musl" else "gnu"
        suffix = f".cpython-314t-{platform.machine}-linux-{libc}.so"
        result |= {"FASTCONV_LIMITED_API": "0", "SETUPTOOLS_EXT_SUFFIX": suffix}
    return result | {
        "CC": compiler,
        "LDSHARED": f"{compiler} -shared",
        "CFLAGS": " ".join(flags),
        "LDFLAGS": " ".join(f"-L{folder}" for folder in libraries(platform)),
    }


def libraries(platform: Platform) -> list[Path]:
    """The folders of the libraries that modules are linked with."""
    return [library(platform), *([libc.musl()] if platform.libc == "musl" else [])]


def headers(platform: Platform) -> Path:
    folder = WORK / "headers" / platform.debian
    return unpacked(
        folder, HEADERS_RELEASE, platform.debian, "libpython3.14-dev", dependencies=False
    )
