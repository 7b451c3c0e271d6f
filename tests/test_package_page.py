"""The package page: its links, its licence, and the files that name the version."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

import fastconv

CHECKOUT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://example.org/owner/fastconv"
LINK = re.compile(r"\]\(([^\s()]+)")


def metadata(folder: Path, **settings: str) -> Message:
    """The metadata of a package that is built with these settings."""
    outside = {name: v for name, v in os.environ.items() if not name.startswith("FASTCONV_")}
    subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", folder],
        cwd=CHECKOUT, env=outside | settings, check=True, timeout=100,
    )  # fmt: skip
    return message_from_string((folder / "fastconv.egg-info/PKG-INFO").read_text())


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Message:
    return metadata(
        tmp_path_factory.mktemp("release"),
        FASTCONV_REPOSITORY=REPOSITORY + "/",
        FASTCONV_CONTACT="maintainers@example.org",
    )


def test_all_links_of_a_release_are_addresses_of_files_that_exist(release):
    targets = LINK.findall(release.get_payload())
    assert len(targets) > 5
    for target in targets:
        address, _, path = target.partition("/main/")
        assert address in (f"{REPOSITORY}/blob", f"{REPOSITORY}/raw")
        assert (CHECKOUT / path).exists()
        assert address.endswith("/raw") == path.endswith((".svg", ".png"))


def test_a_release_names_its_repository_and_its_maintainers(release):
    urls = dict(value.split(", ") for value in release.get_all("Project-URL"))
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} == urls.keys()
    assert all(url.startswith(REPOSITORY) and not url.endswith("/") for url in urls.values())
    assert release["Author-email"] == "maintainers@example.org"


def test_without_a_repository_links_are_those_of_the_checkout(tmp_path):
    plain = metadata(tmp_path)
    assert plain.get_all("Project-URL") is None
    assert plain["Author"] == "The fastconv developers"
    assert plain.get_payload().strip() == (CHECKOUT / "README.md").read_text().strip()


def test_the_licence_covers_code_and_digits(release):
    assert release["License-Expression"] == "BSD-3-Clause AND CC-BY-4.0"
    files = release.get_all("License-File")
    assert "CC BY 4.0" in "".join((CHECKOUT / name).read_text() for name in files)


def test_the_citation_is_of_this_version():
    lines = (CHECKOUT / "CITATION.cff").read_text().splitlines()
    assert f"version: {fastconv.__version__}" in lines


def test_every_extra_that_a_user_may_want_is_in_all_but_those_that_need_more(release):
    named = next(v for v in release.get_all("Requires-Dist") if v.endswith('extra == "all"'))
    extras = set(re.search(r"\[(.*)\]", named)[1].split(","))
    assert set(release.get_all("Provides-Extra")) - extras == {"all", "docs", "lint", "mpi", "test"}
