"""The platforms that wheels are built for on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
WORK = CHECKOUT / "build" / "wheels"  # everything that is downloaded or built
DIST = CHECKOUT / "dist"

# Bytes, the bundled library included.  The kernels of 8-bit integers and bfloat16 have 0.3 MB.
LARGEST_WHEEL = 3_000_000


@dataclass(frozen=True)
class Platform:
    """One platform: how to compile for it, and which tag a wheel may carry.

    compiler: the C compiler of Debian, `package` the Debian package that contains it
    machine: the architecture as in wheel tags; `debian` the same in Debian's spelling
    policy: the tag that `auditwheel` writes and verifies
    libc: "glibc" or "musl"
    flags: added to CFLAGS
    """

    name: str
    compiler: str
    package: str
    machine: str
    debian: str
    policy: str
    libc: str
    flags: tuple[str, ...]

    @property
    def untested(self) -> str:
        """The platform tag of a wheel that `auditwheel` has not seen yet."""
        return self.policy if self.libc == "musl" else f"linux_{self.machine}"

    @property
    def triplet(self) -> str:
        """The name of Debian's folders of libraries."""
        return f"{self.machine}-linux-gnu"


# exp, log, pow and others have new symbol versions since glibc 2.27 and 2.29.
OLD_SYMBOLS = ("-include", str(HERE / "old_glibc.h"))

PLATFORMS = {
    platform.name: platform
    for platform in [
        Platform(
            "manylinux_x86_64", "x86_64-linux-gnu-gcc", "gcc",
            "x86_64", "amd64", "manylinux_2_17_x86_64", "glibc", OLD_SYMBOLS,
        ),
        Platform(
            "manylinux_aarch64", "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu",
            "aarch64", "arm64", "manylinux_2_17_aarch64", "glibc", OLD_SYMBOLS,
        ),
        Platform(
            "musllinux_x86_64", "musl-gcc", "musl-tools",
            "x86_64", "amd64", "musllinux_1_2_x86_64", "musl", (),
        ),
    ]
}  # fmt: skip


@dataclass(frozen=True)
class ABI:
    """What a wheel's modules require of the interpreter.

    tags: the Python tag and the ABI tag of the wheel
    pythons: the versions that can install it
    """

    name: str
    tags: tuple[str, str]
    pythons: tuple[str, ...]


ABIS = {
    abi.name: abi
    for abi in [
        ABI("stable", ("cp310", "abi3"), ("3.10", "3.11", "3.12", "3.13", "3.14")),
        ABI("free-threaded", ("cp314", "cp314t"), ("3.14t",)),
    ]
}
