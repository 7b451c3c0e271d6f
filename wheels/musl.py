"""Proves a musllinux wheel without a Python for musl, which neither Debian nor PyPI has.

musl's own loader loads every module of the wheel, with all symbols bound, against the library that
the wheel bundles; an empty library stands for Python.  Two programs then run on musl: the wheel's
kernels, compared with the scalar ones, and a parallel region of the bundled library.  The Cython
modules themselves are not run; their C files are those of the manylinux wheel.
"""

from __future__ import annotations

import os
from pathlib import Path

from wheels.audit import PYTHON, symbols
from wheels.commands import run, stop, tool
from wheels.platforms import CHECKOUT, WORK, Platform

LOAD = """
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **names)
{
    for (int i = 1; i < count; i++)
        if (!dlopen(names[i], RTLD_NOW | RTLD_GLOBAL))
            return puts(dlerror()), 1;
    printf("%d", count - 2);
    return 0;
}
"""

REGION = """
#include <omp.h>
#include <stdio.h>
int main(void)
{
    int sum = 0;
#pragma omp parallel num_threads(4) reduction(+ : sum)
    sum += 1 << omp_get_thread_num();
    printf("%d", sum);
    return 0;
}
"""


def loaded(wheel: Path, platform: Platform) -> None:
    """End the program where a module does not load, or a program computes something else."""
    unpacked = WORK / "audit" / wheel.stem
    modules = sorted((unpacked / "fastconv/_ext").glob("*.so"))
    place = WORK / "musl"
    place.mkdir(parents=True, exist_ok=True)
    compiler = tool(platform.compiler, platform.package)

    names = {name for module in modules for name in symbols(module, defined=False)}
    names = sorted(name for name in names if PYTHON.match(name))
    (place / "python.c").write_text("".join(f"void *{name}[64];\n" for name in names))
    run(compiler, "-shared", "-fPIC", "python.c", "-o", "python.so", cwd=place)
    (place / "load.c").write_text(LOAD)
    run(compiler, "load.c", "-o", "load", cwd=place)
    said = run(place / "load", place / "python.so", *modules)
    if int(said) != len(modules):
        stop(f"musl loads {said} of {len(modules)} modules of {wheel.name}")

    (bundled,) = (unpacked / "fastconv/_libs").glob("libgomp-*.so*")
    (place / "region.c").write_text(REGION)
    headers = WORK / "libgomp" / platform.name
    run(
        compiler, "-fopenmp", f"-I{headers}", "-c", "region.c", "-o", "region.o", cwd=place
    )  # fmt: skip
    run(compiler, "region.o", bundled, "-o", "region", cwd=place)
    folder = {**os.environ, "LD_LIBRARY_PATH": str(bundled.parent)}
    if run(place / "region", env=folder) != "15":
        stop("a parallel region of the bundled library has not run on four threads")

    results = [f"{target} {compared(platform, place, compiler, target)}" for target in targets()]
    print(f"{platform.name}: {said} modules loaded; 4 threads; compared: {', '.join(results)}")


def targets() -> list[str]:
    flags = Path("/proc/cpuinfo").read_text().split()
    return [name for name, flag in (("avx2", "avx2"), ("avx512", "avx512vl")) if flag in flags]


def compared(platform: Platform, place: Path, compiler: str, target: str) -> str:
    """How many results of a target's kernels were compared with the scalar ones, on musl."""
    objects = [
        path
        for folder in ("kernels", "schedule")
        for path in sorted((WORK / platform.name / "stable").glob(f"*/build/*/{folder}/*.o"))
    ]
    program = place / "compare_targets"
    run(
        compiler, "-O1", "-std=gnu11", "-ffp-contract=off",
        f"-I{CHECKOUT / 'fastconv/_ext/kernels'}",
        CHECKOUT / "tests/kernels/compare_targets.c", *objects, "-lm", "-o", program,
    )  # fmt: skip
    said = run(program, target)
    numbers = [word for word in said.split() if word.isdecimal()]
    if numbers[1:] != ["0"]:
        stop(f"the kernels of {target} on musl: {said}")
    return numbers[0]
