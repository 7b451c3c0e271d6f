"""Builds fastconv with sanitizers and runs random problems through every kernel.

    python -m tests.sanitizers                    everything: `make test-sanitizers`
    python -m tests.sanitizers --kind thread --isa avx2 --rounds 3 --seed 17

`address` is AddressSanitizer and UndefinedBehaviorSanitizer. Every operation then runs in scratch
of exactly the size that its plan asks for, with red zones behind each thread's scratch and behind
each part of it (schedule/red_zones.h). `thread` is ThreadSanitizer, on POSIX threads in place of
GCC's OpenMP (openmp_on_pthreads.c). Both have folders of their own in build/ and leave the ordinary
build alone.

Each instruction set of this machine runs `random_problems.py` with the seeds `seed`, `seed + 1`,
... When a sanitizer stops a run, its report, the problem and the seed are printed, and the exit
status is 1. GCC is needed, with its sanitizers (Debian and Ubuntu: part of gcc).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
BUILD = CHECKOUT / "build"
RUNTIMES = {"address": "libasan.so", "thread": "libtsan.so"}
# More threads than CPUs would wait for each other at every barrier.
THREADS = max(2, min(4, os.cpu_count() or 2))


def runtime_library(kind: str) -> str | None:
    """Where GCC keeps the library of a sanitizer; None without GCC or the library."""
    if shutil.which("gcc") is None:
        return None
    command = ["gcc", f"-print-file-name={RUNTIMES[kind]}"]
    path = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return path if os.path.isabs(path) else None


def built(kind: str) -> Path:
    return BUILD / f"sanitized-{kind}"


def build(kind: str) -> None:
    """Compiles what has changed since the last time."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-lib", str(built(kind))],
        cwd=CHECKOUT,
        env={**os.environ, "CC": "gcc", "FASTCONV_SANITIZE": kind},
        check=True,
    )
    if kind == "thread":
        source, library = HERE / "openmp_on_pthreads.c", built(kind) / "openmp_on_pthreads.so"
        flags = ["-O1", "-g1", "-fPIC", "-shared", "-pthread", "-fsanitize=thread"]
        subprocess.run(["gcc", *flags, str(source), "-o", str(library)], check=True)


def environment(kind: str) -> dict[str, str]:
    """Variables under which a Python process imports the build with the sanitizer."""
    preloaded = [runtime_library(kind)]
    if kind == "thread":
        preloaded.append(str(built(kind) / "openmp_on_pthreads.so"))
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(preloaded),
        "PYTHONPATH": str(built(kind)),
        "PYTHONMALLOC": "malloc",
        "OPENBLAS_NUM_THREADS": "1",
        "ASAN_OPTIONS": "detect_leaks=0",  # Python ends without giving its memory back
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=1:ignore_noninstrumented_modules=1",
    }


def run(kind: str, isa: str, seed: int, *options: str) -> subprocess.CompletedProcess:
    """Random problems from one seed on one instruction set."""
    program = [sys.executable, str(HERE / "random_problems.py")]
    arguments = ["--isa", isa, "--seed", str(seed), "--threads", str(THREADS), *options]
    return subprocess.run(
        [*program, *arguments],
        cwd=BUILD,
        env=environment(kind),
        capture_output=True,
        text=True,
        errors="replace",
    )


def instruction_sets(kind: str) -> list[str]:
    """Those of this machine, asked of the build with the sanitizer."""
    program = "import fastconv; print(fastconv.__file__, *fastconv.runtime.available_isas())"
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=BUILD,
        env=environment(kind),
        capture_output=True,
        text=True,
        check=True,
    )
    path, *names = said.stdout.split()
    assert Path(path).is_relative_to(built(kind)), f"imported {path}"
    return names


def describe(kind: str, isa: str, seed: int, result: subprocess.CompletedProcess) -> str:
    """One line for a run that went well, its end and the report for another."""
    label = f"{kind} {isa} --seed {seed}"
    lines = result.stdout.splitlines() or ["nothing"]
    if result.returncode == 0:
        return f"{label}: " + "; ".join(line for line in lines if ", digest " in line)
    return f"{label}: STOPPED with {result.returncode} after\n{lines[-1]}\n{result.stderr[-8000:]}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sanitizers")
    parser.add_argument("--kind", nargs="+", default=list(RUNTIMES), choices=RUNTIMES)
    parser.add_argument("--isa", nargs="+", help="of those that this machine has (default: all)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    parser.add_argument("--rounds", type=int, default=2, help="seeds for each instruction set")
    options = parser.parse_args()
    stopped = 0
    for kind in options.kind:
        if runtime_library(kind) is None:
            print(f"{kind}: gcc or its {RUNTIMES[kind]} was not found", file=sys.stderr)
            return 2
        build(kind)
        jobs = [
            (kind, isa, seed)
            for isa in options.isa or instruction_sets(kind)
            for seed in range(options.seed, options.seed + options.rounds)
        ]
        with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
            for job, result in zip(jobs, pool.map(lambda job: run(*job), jobs), strict=True):
                print(describe(*job, result), flush=True)
                stopped += result.returncode != 0
    return 1 if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
