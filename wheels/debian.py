"""Packages of other Debian releases and architectures, unpacked into folders, not installed.

`apt-get` downloads them from the mirror that this machine uses already and verifies their
signatures; its state is private to the build folder.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from wheels.commands import run, say, stop, tool
from wheels.platforms import WORK

KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def mirror() -> str:
    """The address of the Debian mirror in this machine's own configuration."""
    listed = run(
        tool("apt-get", "apt"), "indextargets", "--format", "$(REPO_URI)",
        "Created-By: Packages", "Origin: Debian",
    )  # fmt: skip
    # Security updates have a mirror of their own, which holds no whole release.
    places = [line for line in listed.splitlines() if "security" not in line]
    if not places or not KEYS.exists():
        stop("no Debian mirror is configured here (apt-get update once, and install its keyring)")
    return places[0]


def options(release: str, architecture: str, kind: str = "deb") -> list[str]:
    """apt's options for one release and architecture; its list of packages is fetched once.

    kind: "deb" for packages, "deb-src" for their sources
    """
    state = WORK / "apt" / f"{release}-{architecture}-{kind}"
    for folder in ("lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"{kind} [signed-by={KEYS}] {mirror()} {release} main\n")
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
    }
    words = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    if not (state / ".updated").exists():
        say(f"fetching the list of packages of {release}, {architecture}")
        run("apt-get", *words, "-q", "update")
        (state / ".updated").touch()
    return words


def sources(release: str, package: str) -> Path:
    """A folder with the original archive of a source package."""
    folder = WORK / "sources" / package
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        say(f"downloading the source of {package} of {release}")
        words = options(release, "amd64", "deb-src")
        run("apt-get", *words, "-q", "source", "--download-only", "--tar-only", package, cwd=folder)
        (folder / ".complete").touch()
    return folder


def unpacked(
    folder: Path, release: str, architecture: str, *packages: str, dependencies: bool = True
) -> Path:
    """`folder` with packages unpacked into it, once; with all they depend on, unless told."""
    mark = folder / ".unpacked"
    if mark.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    lock = (WORK / "apt.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    words = options(release, architecture)
    downloads = folder / "downloads"
    downloads.mkdir(exist_ok=True)
    say(f"downloading {', '.join(packages)} of {release}, {architecture}")
    if dependencies:
        words += ["-o", f"Dir::Cache::archives={downloads}"]
        (downloads / "partial").mkdir(exist_ok=True)
        run("apt-get", *words, "-q", "-y", "--download-only", "install", *packages)
    else:
        run("apt-get", *words, "-q", "download", *packages, cwd=downloads)
    for package in sorted(downloads.glob("*.deb")):
        run("dpkg-deb", "--extract", package, folder)
        package.unlink()
    mark.touch()
    return folder
