"""Loads the modules of a musllinux wheel without Python, for the ABIs that no Python here has.

musl's own loader loads every module of the wheel, with all symbols bound, against the library that
the wheel bundles; an empty library stands for Python.  A program then runs a parallel region of
the bundled library.
"""

from __future__ import annotations

import os
from pathlib import Path

from wheels.audit import PYTHON, symbols
from wheels.commands import run, stop, tool
from wheels.platforms import WORK, Platform

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

    print(f"{platform.name}: {said} modules loaded; a parallel region of 4 threads")
