"""What `--data` means: a data set of the package, or a folder that holds one folder per class."""

from __future__ import annotations

import argparse
import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from fastconv.cli.errors import InputError, check_at_least, checked_input, suggestion
from fastconv.cli.pictures import SUFFIXES, fitted, read

ImageShape = tuple[int, int, int]

DATA_SETS = ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")
_DIGITS = tuple("0123456789")
_CLASS_NAMES = {
    "digits": _DIGITS,
    "mnist": _DIGITS,
    "fashion_mnist": (
        "T-shirt/top", "trouser", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
    "cifar10": (
        "airplane", "automobile", "bird", "cat", "deer",
        "dog", "frog", "horse", "ship", "truck",
    ),
    "cifar100": tuple(f"class {index}" for index in range(100)),
}  # fmt: skip


def add_data(parser: argparse.ArgumentParser, default: str | None = "digits") -> None:
    embedded = "embedded; the default" if default == "digits" else "embedded"
    parser.add_argument(
        "--data",
        default=default,
        metavar="DATA",
        help=f"digits ({embedded}), mnist, fashion_mnist, cifar10, cifar100, or a "
        "folder that holds one folder of pictures per class",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="use only the first N pictures of a data set"
    )


class Data(ABC):
    """Labelled pictures.

    Attributes:
        name: as given by the user.
        class_names: one per label.
        shape: (height, width, channels) that the pictures have.
    """

    name: str
    class_names: tuple[str, ...]
    shape: ImageShape

    @abstractmethod
    def training(
        self, shape: ImageShape, batch_size: int, split: float, seed: int
    ) -> dict[str, Any]:
        """Arguments for `fit`: pictures of `shape`, the part `split` of them to validate on."""

    @abstractmethod
    def testing(self, shape: ImageShape, batch_size: int) -> dict[str, Any] | None:
        """Arguments for `evaluate`: pictures that `training` does not use; None without any."""

    @abstractmethod
    def all_or_test(self, shape: ImageShape, batch_size: int) -> dict[str, Any]:
        """Arguments for `evaluate`: what there is to test a finished model with."""

    def arrays(self, shape: ImageShape) -> tuple[Any, Any]:
        """The same as arrays: pictures (count, *shape) and labels (count,)."""
        import numpy as np

        arguments = self.all_or_test(shape, 64)
        if "y" in arguments:
            return arguments["x"], arguments["y"]
        batches = list(arguments["x"])
        x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
        return x, y


def load(options: argparse.Namespace) -> Data:
    """Return the data of `--data` and `--limit`; InputError if they do not exist."""
    check_at_least(options, "limit")
    name = options.data
    if name in DATA_SETS:
        with checked_input(f"--data {name}"):
            return _DataSet(name, options.limit)
    if Path(name).is_file():
        raise InputError(
            f"--data must be a data set or a folder of class folders; {name} is a file"
        )
    if not Path(name).is_dir():
        raise InputError(
            f"--data must be a data set or a folder of class folders, received {name!r}; "
            + suggestion(name, DATA_SETS)
        )
    if options.limit is not None:
        raise InputError("--limit is for data sets, not for folders")
    with checked_input(name):
        _check_class_folders(Path(name))
        return _Folder(name)


def _check_class_folders(folder: Path) -> None:
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    if not any(entry.is_dir() for entry in entries):
        pictures = any(entry.suffix.lower() in SUFFIXES for entry in entries)
        raise InputError(
            f"{folder}: no class folders; "
            + ("move the pictures of each class into" if pictures else "--data must hold")
            + " a folder of that class's name"
        )


class _DataSet(Data):
    """One of `fastconv.datasets`, in memory."""

    def __init__(self, name: str, limit: int | None):
        from importlib import import_module

        import numpy as np

        self.name, self.class_names = name, _CLASS_NAMES[name]
        parts = import_module(f"fastconv.datasets.{name}").load_data()
        # Grey pictures come without an axis for their one channel, and labels with or without one.
        self._train, self._test = (
            (x[:limit].reshape(*x[:limit].shape[:3], -1), np.ravel(y)[:limit]) for x, y in parts
        )
        self._largest = 16 if name == "digits" else 255
        self.shape = self._train[0].shape[1:]

    def _scaled(self, part: Any, shape: ImageShape) -> dict[str, Any]:
        import numpy as np

        images, labels = part
        return {"x": fitted(images, shape) / np.float32(self._largest), "y": labels}

    def training(self, shape, batch_size, split, seed):
        part = self._scaled(self._train, shape)
        count = len(part["x"])
        kept = math.floor(count * (1 - split))
        if kept < 1 or (split and kept == count):
            raise InputError(
                f"`validation_split` {split:g} of {count} pictures leaves {kept} to train on and "
                f"{count - kept} to validate on; both must be positive"
            )
        return part | {"batch_size": batch_size, "validation_split": split}

    def testing(self, shape, batch_size):
        return self._scaled(self._test, shape) | {"batch_size": batch_size}

    all_or_test = testing


class _Folder(Data):
    """Class folders of pictures, decoded while the model computes."""

    def __init__(self, name: str):
        self.name = name
        found = self._index(1)
        self.class_names = tuple(found.class_names)
        self.shape = self._largest_of_each_class(found)

    def _index(self, batch_size: int, **options: Any) -> Any:
        from fastconv.utils import image_dataset_from_directory

        options = {"shuffle": False, **options}
        return image_dataset_from_directory(
            self.name, batch_size=batch_size, verbose=False, **options
        )

    @staticmethod
    def _largest_of_each_class(found: Any) -> ImageShape:
        from PIL import Image

        first = {label: path for path, label in zip(found.file_paths, found.labels, strict=True)}
        sizes, modes = [], set()
        for path in first.values():
            with Image.open(path) as image:
                sizes.append(image.size)
                modes.add(image.mode)
        width, height = (max(side) for side in zip(*sizes, strict=True))
        return height, width, 1 if modes <= {"1", "L", "I;16"} else 3

    def _fitted(self, found: Any, shape: ImageShape, batch_size: int, seed: int | None) -> Any:
        """The same pictures, brought to `shape`; shuffled if there is a seed."""
        from fastconv.utils.image_dataset import ImageDataset

        return ImageDataset(
            found.file_paths,
            found.labels,
            found.class_names,
            label_mode="int",
            batch_size=batch_size,
            shuffle=seed is not None,
            seed=seed or 0,
            decode=lambda path: read(path, shape),
        )

    def training(self, shape, batch_size, split, seed):
        if not split:
            return {"x": self._fitted(self._index(batch_size), shape, batch_size, seed)}
        # Shuffled before it is cut, since the folders' order is that of the classes.
        first, last = self._index(
            batch_size, shuffle=True, seed=seed, validation_split=split, subset="both"
        )
        return {
            "x": self._fitted(first, shape, batch_size, seed),
            "validation_data": self._fitted(last, shape, batch_size, None),
        }

    def testing(self, shape, batch_size):
        return None

    def all_or_test(self, shape, batch_size):
        return {"x": self._fitted(self._index(batch_size), shape, batch_size, None)}
