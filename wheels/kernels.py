"""Compares the kernels of a wheel, target by target, with the scalar ones: in C, without Python.

For the platforms on which the tests in Python run little or not at all: NEON under an emulator, and
musl.  The objects are those from which the wheel of the stable ABI was linked.
"""

from __future__ import annotations

from pathlib import Path

from wheels.commands import run, stop, tool
from wheels.platforms import CHECKOUT, WORK, Platform

FEATURES = {"avx2": "avx2", "avx512": "avx512vl"}  # target: what the processor must list

LIBRARY = ("kernels", "schedule", "operations", "network", "interface")  # folders of objects

LIBC = Path("/usr/aarch64-linux-gnu")  # what Debian's cross compiler links with


def compared(platform: Platform) -> str:
    """How many results of each target were compared; ends the program where one differs."""
    objects = [
        path
        for folder in LIBRARY
        for path in sorted((WORK / platform.name / "stable").glob(f"*/build/*/{folder}/*.o"))
    ]
    if not objects:
        stop(f"the objects of {platform.name} are gone: run `make wheels` again")
    place = WORK / "kernels" / platform.name
    place.mkdir(parents=True, exist_ok=True)
    program = place / "compare_targets"
    run(
        tool(platform.compiler, platform.package), "-O1", "-std=gnu11", "-ffp-contract=off",
        f"-I{CHECKOUT / 'fastconv/_ext/kernels'}",
        CHECKOUT / "tests/kernels/compare_targets.c", *objects, "-lm", "-o", program,
    )  # fmt: skip
    emulator = []
    if platform.machine == "aarch64":
        emulator = [tool("qemu-aarch64-static", "qemu-user-static"), "-L", LIBC]
    results = []
    for target in targets(platform):
        said = run(*emulator, program, target)
        numbers = [word for word in said.split() if word.isdecimal()]
        if len(numbers) != 2 or numbers[1] != "0":
            stop(f"the kernels of {target} on {platform.name}: {said}")
        results.append(f"{target} {numbers[0]}")
    return f"results of kernels compared with the scalar ones: {', '.join(results)}"


def targets(platform: Platform) -> list[str]:
    if platform.machine == "aarch64":
        return ["neon"]
    flags = Path("/proc/cpuinfo").read_text().split()
    return [name for name, flag in FEATURES.items() if flag in flags]
