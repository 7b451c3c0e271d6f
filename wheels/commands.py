"""Runs other programs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def say(text: str) -> None:
    print(f"wheels: {text}", file=sys.stderr, flush=True)


def stop(text: str) -> None:
    """End with one sentence instead of a traceback."""
    raise SystemExit(f"wheels: {text}")


def run(*command, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command and return its output; end with its error output if it fails."""
    words = [str(word) for word in command]
    result = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True)
    if result.returncode != 0:
        tail = "\n".join((result.stdout + result.stderr).splitlines()[-40:])
        stop(f"`{' '.join(words)}` failed with exit code {result.returncode}:\n{tail}")
    return result.stdout


def tool(name: str, package: str) -> str:
    """The path of a program, or the end with the name of the Debian package that has it."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        stop(f"`{name}` was not found: apt install {package}")
    return found
