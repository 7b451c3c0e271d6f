"""Adds the licence of the bundled OpenMP library to wheels.

`python -m wheels.licence FOLDER TEXTS NAME EXPRESSION` adds the files in TEXTS to every wheel in
FOLDER, below licenses/NAME, and the SPDX expression; `[tool.cibuildwheel]` calls it so.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

LIBGOMP = "GPL-3.0-or-later WITH GCC-exception-3.1"


def add(wheel: Path, texts: list[Path], name: str, expression: str) -> None:
    """Add licence texts and their SPDX expression to a wheel, in place."""
    if not texts:
        raise SystemExit(f"wheels: no licence texts of {name} for {wheel.name}")
    scratch = wheel.with_name(f"unpacked-{wheel.stem}")
    shutil.rmtree(scratch, ignore_errors=True)
    subprocess.run(
        [sys.executable, "-m", "wheel", "unpack", "--dest", scratch, wheel],
        check=True, capture_output=True,
    )  # fmt: skip
    (tree,) = scratch.iterdir()
    (info,) = tree.glob("*.dist-info")
    folder = info / "licenses" / name
    folder.mkdir()
    for text in texts:
        shutil.copyfile(text, folder / text.name)
    metadata = info / "METADATA"
    names = [f"{name}/{text.name}" for text in texts]
    metadata.write_text(described(metadata.read_text(), names, expression))
    subprocess.run(
        [sys.executable, "-m", "wheel", "pack", "--dest-dir", wheel.parent, tree],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.rmtree(scratch)


def described(metadata: str, names: list[str], expression: str) -> str:
    """A wheel's metadata with the names of more licence files and their expression."""
    lines = []
    for line in metadata.split("\n"):
        if line.startswith("License-Expression: "):
            line += f" AND {expression}"
        lines.append(line)
        if line.startswith("License-File: LICENSE"):
            lines += [f"License-File: {name}" for name in names]
    return "\n".join(lines)


def main(folder: str, texts: str, name: str, expression: str) -> None:
    for wheel in sorted(Path(folder).glob("*.whl")):
        add(
            wheel,
            sorted(path for path in Path(texts).iterdir() if path.is_file()),
            name,
            expression,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
