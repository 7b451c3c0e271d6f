"""`python -m wheels build` and `python -m wheels check`; see the package's description."""

from __future__ import annotations

import argparse
from pathlib import Path

from wheels import audit, build, interpreters, kernels, musl, prove, repair
from wheels.commands import run, stop, tool
from wheels.platforms import ABI, ABIS, DIST, PLATFORMS, Platform


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m wheels", description=__doc__)
    parser.add_argument("action", choices=["build", "check"])
    parser.add_argument("--platform", action="append", choices=PLATFORMS, help="default: all")
    parser.add_argument("--abi", action="append", choices=ABIS, help="default: all")
    parser.add_argument("--python", action="append", help="of `check`, as 3.14t; default: all")
    arguments = parser.parse_args()
    chosen = [
        (PLATFORMS[platform], ABIS[abi])
        for platform in arguments.platform or PLATFORMS
        for abi in arguments.abi or ABIS
    ]
    if arguments.action == "build":
        make(chosen)
    else:
        check(chosen, arguments.python)


def make(chosen: list[tuple[Platform, ABI]]) -> None:
    """Write the sdist and the wheels into `dist`."""
    archive = build.sdist()
    for platform, abi in chosen:
        made = repair.repaired(build.wheel(archive, platform, abi), platform)
        print(f"{made.stat().st_size:>9,}  {made.relative_to(DIST.parent)}", flush=True)


def check(chosen: list[tuple[Platform, ABI]], versions: list[str] | None) -> None:
    """Audit the files in `dist`, and run each wheel with every Python, or those of `versions`."""
    run(tool("twine", "twine"), "check", "--strict", newest("fastconv-*.tar.gz"))
    unproved = []
    for platform, abi in chosen:
        wheel = newest(f"fastconv-*-{'-'.join(abi.tags)}-*{platform.policy}.whl")
        audit.audited(wheel, platform, abi)
        if platform.libc == "musl":
            musl.loaded(wheel, platform)
        if abi.name == "stable" and platform.name != "manylinux_x86_64":
            print(f"{platform.name}: {kernels.compared(platform)}", flush=True)
        thorough = True  # for the first Python that is here
        for version in abi.pythons:
            wanted = versions is None or version in versions
            python = interpreters.found(version, platform) if wanted or thorough else None
            if python is not None and wanted:
                prove.proved(wheel, platform, python, thorough=thorough)
            elif wanted:
                unproved.append(f"{platform.name} on CPython {version}")
            thorough = thorough and python is None
    for case in unproved:
        print(f"NOT RUN, because this Python is not to be had here: {case}")


def newest(pattern: str) -> Path:
    files = sorted(DIST.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not files:
        stop(f"dist has no {pattern}: run `make wheels` first")
    return files[-1]


if __name__ == "__main__":
    main()
