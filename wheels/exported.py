"""A network exported as C by an installed wheel: compiled, run, and compared to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wheels.commands import run, stop, tool
from wheels.platforms import Platform

TARGETS = {"x86_64": "scalar avx2 avx512", "aarch64": "scalar neon"}

MAIN = r"""
#include "net.h"
#include <stdio.h>

static _Alignas(64) char arena[NET_ARENA_BYTES];

int main(void)
{
    static float x[NET_INPUT_SIZE], y[NET_OUTPUT_SIZE];
    FILE *input = fopen("x.bin", "rb"), *output = fopen("y.bin", "wb");
    if (!input || !output || fread(x, sizeof *x, NET_INPUT_SIZE, input) != NET_INPUT_SIZE)
        return 1;
    if (net_init(arena))
        return 2;
    net_run(arena, x, y);
    puts(net_isa(arena));
    return fwrite(y, sizeof *y, NET_OUTPUT_SIZE, output) != NET_OUTPUT_SIZE || fclose(output);
}
"""


def exported(
    command: Sequence[str], env: dict[str, str], platform: Platform, emulator: Sequence[str],
    place: Path,
) -> str:  # fmt: skip
    """The instruction set that the C program chose; ends the program where a bit differs.

    place: the folder in which the demo has left net.keras, x.bin and the prediction, expected.bin
    """
    folder = place / "c"
    words = ("-m", "fastconv", "export", "net.keras", "--to", "c", "--out", "c", "--name", "net")
    run(*command, *words, cwd=place, env=env)
    compiler = tool(platform.compiler, platform.package)
    targets = f"TARGETS={TARGETS[platform.machine]}"
    run("make", "-j2", f"CC={compiler}", targets, "libnet.a", cwd=folder)
    (folder / "main.c").write_text(MAIN)
    run(compiler, "-static", "main.c", "libnet.a", "-lm", "-o", "main", cwd=folder)
    (folder / "x.bin").write_bytes((place / "x.bin").read_bytes())
    isa = run(*emulator, folder / "main", cwd=folder).strip()
    if (folder / "y.bin").read_bytes() != (place / "expected.bin").read_bytes():
        stop(f"the exported network on {isa} differs from `predict`")
    return isa
