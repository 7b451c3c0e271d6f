"""Refuses a public interface whose types editors do not know.

    python -m tests.support.lint_types      1 if pyright knows less than 95 % of the symbols

An attribute without an annotation makes every class and function uncertain that mentions its class,
so one line in a base class can cost 10 %: the report lists such lines, not those that follow.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LEAST = 95.0  # percent of the symbols
CAUSES = re.compile(r"is missing|could be inferred differently|Ambiguous base class override")


def completeness() -> tuple[float, list[str]]:
    """(percentage of public symbols with a known type, the lines that lack an annotation)"""
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable]
        + ["--verifytypes", "fastconv", "--ignoreexternal"],
        cwd=CHECKOUT / "tests",  # beside the package, which pyright takes for an installed one
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    score = re.search(r"Type completeness score: ([\d.]+)%", done.stdout)
    if score is None:
        raise RuntimeError(done.stdout[-2000:] + done.stderr)
    lines = [line.strip().replace(f"{CHECKOUT}/", "") for line in done.stdout.split("\n")]
    return float(score[1]), [line for line in lines if " error: " in line and CAUSES.search(line)]


def main() -> int:
    score, lines = completeness()
    if score >= LEAST:
        return 0
    print(*lines, sep="\n")
    print(f"pyright knows the types of {score} % of the public symbols, {LEAST} % are required")
    return 1


if __name__ == "__main__":
    sys.exit(main())
