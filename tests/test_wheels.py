"""How the wheels of a release are built, as far as the tools of `make build` can show it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from wheels import licence
from wheels.platforms import ABIS, PLATFORMS

CHECKOUT = Path(__file__).resolve().parents[1]
CORE = CHECKOUT / "fastconv/_ext" / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"


def setup(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "setup.py", "-q", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_a_wrong_value_of_the_limited_api_is_refused():
    result = setup("build_ext", FASTCONV_LIMITED_API="3.10")
    assert result.returncode == 1
    expected = "fastconv: FASTCONV_LIMITED_API must be 0 or 1, received '3.10'\n"
    assert result.stderr == expected


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or shutil.which("objdump") is None,
    reason="the versions of symbols are glibc's, and objdump lists them",
)
def test_no_module_needs_a_new_glibc_beyond_the_symbols_that_old_glibc_h_names():
    """A function with a newer version, used for the first time, would raise the wheels' floor."""
    header = (CHECKOUT / "wheels/old_glibc.h").read_text()
    named = set(re.findall(r"\.symver (\w+),", header))
    listed = subprocess.run(
        ["objdump", "--dynamic-syms", CORE], capture_output=True, text=True, check=True
    ).stdout
    needed = re.findall(r"\*UND\*.*GLIBC_2\.(\d+)(?:\.\d+)?\)?\s+(\w+)", listed)
    assert len(needed) > 5
    assert {name for minor, name in needed if int(minor) > 17} <= named


def test_a_licence_is_added_to_the_metadata():
    metadata = "Name: fastconv\nLicense-Expression: BSD-3-Clause\nLicense-File: LICENSE\n\nText\n"
    assert licence.described(metadata, ["libgomp/COPYING3"], licence.LIBGOMP) == (
        "Name: fastconv\n"
        "License-Expression: BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1\n"
        "License-File: LICENSE\n"
        "License-File: libgomp/COPYING3\n\n"
        "Text\n"
    )


def test_every_platform_and_abi_is_in_the_guide():
    guide = (CHECKOUT / "docs/installation.md").read_text()
    stable = "-".join(ABIS["stable"].tags)
    for platform_ in PLATFORMS.values():
        assert f"`{stable}-{platform_.policy}`" in guide
    assert "-".join(ABIS["free-threaded"].tags) in guide
