"""Finds the files of trained networks on this machine. Nothing is ever downloaded.

The files are those that Keras distributes, under their original names. They are searched in

    $FASTCONV_DATA/models      a folder of the user's choice
    ~/.cache/fastconv/models   (below $XDG_CACHE_HOME if that is set)
    ~/.keras/models            the cache of Keras (below $KERAS_HOME if that is set)

so a network that Keras has downloaded once is found here as well.
"""

from __future__ import annotations

import os
from pathlib import Path

CLASS_INDEX = "imagenet_class_index.json"


def folders() -> list[Path]:
    """Return the folders that are searched, in this order."""
    from fastconv.datasets._files import cache_folder

    chosen = os.environ.get("FASTCONV_DATA")
    keras = os.environ.get("KERAS_HOME")
    return [
        *([Path(chosen) / "models"] if chosen else []),
        cache_folder() / "models",
        (Path(keras) if keras else Path.home() / ".keras") / "models",
    ]


def find(name: str, purpose: str, otherwise: str) -> Path:
    """Return the path of the file `name`.

    Raises FileNotFoundError if no folder has it; the message contains `purpose`, the folders, and
    `otherwise`, the alternative to such a file.
    """
    places = folders()
    for folder in places:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{purpose} needs the file {name!r}, as Keras distributes it, in one of the folders "
        f"{', '.join(map(str, places))}; fastconv never downloads it without being asked. Put it "
        f"there, or {otherwise}"
    )
