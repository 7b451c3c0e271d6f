"""Batches of an `ImageDataGenerator`: by number for `fit`, or endlessly by `next`.

Pass p has the order of the generator seeded with seed + p * batches, as in Keras; batch i of it
draws its random numbers from seed + p * batches + i. So a batch depends on its numbers alone.
"""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv.common import randomness
from fastconv.common.arguments import normalize_int
from fastconv.training.dataset import NumberedPasses, PyDataset
from fastconv.training.prefetch import in_parallel
from fastconv.utils.images import (
    COLOR_MODES,
    INTERPOLATIONS,
    check_option,
    checked_size,
    img_to_array,
    load_img,
    save_img,
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff")


class _Flow(PyDataset, NumberedPasses):
    """Base class; `generator` changes the images."""

    batch_size: int
    shuffle: bool
    passes: int
    image_data_generator: Any
    n: int
    samples: int
    save_to_dir: Any

    def __init__(
        self,
        generator: Any,
        count: int,
        batch_size: int,
        shuffle: bool,
        seed: int | None,
        saving: tuple[Any, str, str],
    ):
        super().__init__()
        self.image_data_generator, self.n, self.samples = generator, count, count
        self.batch_size, self.shuffle = normalize_int(batch_size, "batch_size"), bool(shuffle)
        self._seeded = seed is not None
        self.seed: int = randomness.draw_seed() % 2**32 if seed is None else seed
        normalize_int(self.seed, "seed", minimum=0)
        self.save_to_dir, self._prefix, self._format = saving
        self.batch_index = 0

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"the batch must be below {len(self)}, received {index}")
        return self._batch(self.passes, index)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Return the next batch; after the last, the first of the next pass."""
        if not self.n:
            raise StopIteration
        batch = self._batch(self.passes, self.batch_index)
        self.batch_index += 1
        if self.batch_index == len(self):
            self.passes, self.batch_index = self.passes + 1, 0
        return batch

    def reset(self) -> None:
        """Let `next` return the first batch of this pass."""
        self.batch_index: int = 0

    def elements(self, key: tuple[int, ...]) -> Iterator[Any]:
        for index in range(len(self)):
            yield self._batch(key[0], index)

    def streams(self) -> list[Any]:
        return [] if self._seeded else [self]

    def _batch(self, number: int, index: int) -> Any:
        first = self._random(number, 0)
        order = first.permutation(self.n) if self.shuffle else np.arange(self.n)
        random = first if index == 0 else self._random(number, index)
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        draw, shape = self.image_data_generator.get_random_transform, self.image_shape
        drawn = [draw(shape, random) for _ in rows]
        x = np.stack(self._changed(zip(rows.tolist(), drawn, strict=True)))
        x = x.astype(self.image_data_generator.dtype, copy=False)
        if self.save_to_dir is not None:
            for row, image in zip(rows.tolist(), x, strict=True):
                path = Path(self.save_to_dir, f"{self._prefix}_{row}_{number}.{self._format}")
                save_img(path, image, self.image_data_generator.data_format)
        return self._with_labels(x, rows)

    def _random(self, number: int, index: int) -> np.random.RandomState:
        return np.random.RandomState((self.seed + number * len(self) + index) % 2**32)

    def _changed(self, numbered: Any) -> list[np.ndarray]:
        """Return the changed images of the pairs of row and random numbers."""
        return [self._one(each) for each in numbered]

    def _one(self, numbered: tuple[int, dict[str, Any]]) -> np.ndarray:
        row, drawn = numbered
        generator = self.image_data_generator
        return generator.standardize(generator.apply_transform(self._image(row), drawn))

    image_shape: tuple[int, ...]

    @abstractmethod
    def _image(self, row: int) -> np.ndarray:
        """Return the unchanged image `row`."""

    @abstractmethod
    def _with_labels(self, x: np.ndarray, rows: np.ndarray) -> Any:
        """Return the batch of the changed images `x`."""


class ArrayFlow(_Flow):
    """Batches of arrays; see `ImageDataGenerator.flow`."""

    x: np.ndarray

    def __init__(
        self, generator: Any, x: Any, y: Any, sample_weight: Any, split: Any,
        ignore_class_split: bool, *, batch_size: int, shuffle: bool, seed: int | None,
        saving: tuple[Any, str, str],
    ):  # fmt: skip
        others: list[Any] = []
        if isinstance(x, (tuple, list)):
            x, others = x[0], list(x[1]) if isinstance(x[1], list) else [x[1]]
        images, others = np.asarray(x), [np.asarray(other) for other in others]
        y = None if y is None else np.asarray(y)
        weights = None if sample_weight is None else np.asarray(sample_weight)
        if images.ndim != 4:
            raise ValueError(f"`x` must have 4 dimensions, received shape {images.shape}")
        parts = [*others, *(part for part in (y, weights) if part is not None)]
        if any(len(part) != len(images) for part in parts):
            raise ValueError(
                "`x`, `y` and `sample_weight` must have one length, received "
                f"{[len(part) for part in (images, *parts)]}"
            )
        begin, end = (int(len(images) * part) for part in split)
        rows = slice(begin, end)
        if y is not None and split != (0, 1) and not ignore_class_split:
            rest = np.concatenate([y[:begin], y[end:]])
            if not np.array_equal(np.unique(y[rows]), np.unique(rest)):
                raise ValueError(
                    "`y` must have the same classes in both parts of `validation_split`; shuffle "
                    "the data, or give `ignore_class_split=True`"
                )
        self.x, self._others = images[rows], [other[rows] for other in others]
        self.y: np.ndarray | None = None if y is None else y[rows]
        self.sample_weight: np.ndarray | None = None if weights is None else weights[rows]
        self.image_shape = self.x.shape[1:]
        super().__init__(generator, len(self.x), batch_size, shuffle, seed, saving)

    def _image(self, row):
        return self.x[row].astype(self.image_data_generator.dtype)

    def _with_labels(self, x, rows):
        batch: Any = [x, *(other[rows] for other in self._others)] if self._others else x
        parts = [part[rows] for part in (self.y, self.sample_weight) if part is not None]
        return (batch, *parts) if self.y is not None else batch


@dataclass
class Files:
    """Pictures with their labels: numbers of classes, lists of them, or any values."""

    directory: str
    filenames: list[str]
    class_mode: str | None
    class_indices: dict[str, int]
    labels: Any
    sample_weight: np.ndarray | None = None


class FileFlow(_Flow):
    """Batches of pictures; see `ImageDataGenerator.flow_from_directory`."""

    num_classes: int
    class_indices: Any
    classes: Any
    filenames: Any
    class_mode: Any
    labels: Any

    def __init__(
        self, generator: Any, files: Any, target_size: Any, color_mode: str,
        interpolation: str, keep_aspect_ratio: bool, *, batch_size: int, shuffle: bool,
        seed: int | None, saving: tuple[Any, str, str],
    ):  # fmt: skip
        check_option(color_mode, "color_mode", COLOR_MODES)
        check_option(interpolation, "interpolation", INTERPOLATIONS)
        self.target_size: tuple[int, int] = checked_size(target_size, "target_size")
        self._options = {
            "color_mode": color_mode,
            "target_size": self.target_size,
            "interpolation": interpolation,
            "keep_aspect_ratio": bool(keep_aspect_ratio),
        }
        channels = COLOR_MODES[color_mode][1]
        first = generator.channels_first
        self.image_shape: Any = (
            (channels, *self.target_size) if first else (*self.target_size, channels)
        )
        self.filenames, self.class_mode = files.filenames, files.class_mode
        self.filepaths: list[Any] = [
            os.path.join(files.directory, name) for name in files.filenames
        ]
        self.class_indices, self.labels = files.class_indices, files.labels
        self.classes, self.num_classes = files.labels, len(files.class_indices)
        self.sample_weight: Any = files.sample_weight
        super().__init__(generator, len(self.filenames), batch_size, shuffle, seed, saving)

    def _changed(self, numbered):
        return list(in_parallel(self._one, numbered, runtime.get_num_threads()))

    def _image(self, row):
        picture = load_img(self.filepaths[row], **self._options)
        return img_to_array(
            picture, self.image_data_generator.data_format, self.image_data_generator.dtype
        )

    def _with_labels(self, x, rows):
        if self.class_mode is None:
            return x
        y: Any = x
        if self.class_mode == "multi_output":
            y = [column[rows] for column in self.labels]
        elif self.class_mode == "categorical":
            y = np.zeros((len(rows), self.num_classes), x.dtype)
            for place, row in enumerate(rows):
                y[place, self.labels[row]] = 1
        elif self.class_mode != "input":
            y = np.asarray(self.labels)[rows]
            y = y if self.class_mode == "raw" else y.astype(x.dtype)
        return (x, y) if self.sample_weight is None else (x, y, self.sample_weight[rows])


def files_of_folders(
    directory: str | os.PathLike[str],
    classes: list[str] | None,
    class_mode: str | None,
    split: tuple[float, float],
    follow_links: bool,
) -> Files:
    """Return the pictures of the folders `classes` of `directory`; prints their number."""
    directory = os.fspath(directory)
    if not classes:
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    names: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = _pictures(os.path.join(directory, name), follow_links)
        begin, end = (int(part * len(found)) for part in split)
        names += [os.path.join(name, path) for path in found[begin:end]]
        labels += [label] * (end - begin)
    print(f"Found {len(names)} images belonging to {len(classes)} classes.")
    indices = {name: index for index, name in enumerate(classes)}
    return Files(directory, names, class_mode, indices, np.array(labels, np.int32))


def _pictures(folder: str, follow_links: bool) -> list[str]:
    """Return the pictures below `folder`, as paths relative to it, sorted folder by folder."""
    return [
        os.path.relpath(os.path.join(root, name), folder)
        for root, _, names in sorted(os.walk(folder, followlinks=follow_links))
        for name in sorted(names)
        if name.lower().endswith(SUFFIXES)
    ]


def files_of_columns(
    table: Any,
    directory: str | os.PathLike[str] | None,
    x_col: str,
    y_col: Any,
    weight_col: str | None,
    classes: list[str] | None,
    class_mode: str | None,
    split: tuple[float, float],
    validate: bool,
) -> Files:
    """Return the pictures that columns of `table` describe; prints their number."""
    directory = "" if directory is None else os.fspath(directory)
    names = list(table[x_col])
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"the values of column {x_col!r} must be strings")
    rows = list(range(len(names)))
    if validate:
        rows = [row for row in rows if _is_picture(os.path.join(directory, names[row]))]
        if len(rows) < len(names):
            warnings.warn(
                f"{len(names) - len(rows)} files of column {x_col!r} are left out, as they are "
                "missing or have another suffix",
                stacklevel=3,
            )
    by_class = class_mode in ("categorical", "binary", "sparse")
    labels: Any = None
    if by_class:
        rows, labels, classes = _classes(list(table[y_col]), rows, classes, class_mode, y_col)
    begin, end = (int(part * len(rows)) for part in split)
    rows = rows[begin:end]
    if by_class:
        labels = labels[begin:end]
    elif class_mode == "multi_output":
        if not isinstance(y_col, list):
            raise TypeError(f"`y_col` must be a list of columns, received {y_col!r}")
        labels = [np.array([list(table[column])[row] for row in rows]) for column in y_col]
    elif class_mode == "raw":
        columns = y_col if isinstance(y_col, list) else [y_col]
        values = np.stack([np.asarray(list(table[column])) for column in columns], axis=-1)[rows]
        labels = values if isinstance(y_col, list) else values[..., 0]
    weights = None if weight_col is None else np.asarray(list(table[weight_col]), float)[rows]
    used = (classes or []) if by_class else []
    suffix = f" belonging to {len(used)} classes" if by_class else ""
    print(f"Found {len(rows)} {'' if validate else 'non-'}validated image filenames{suffix}.")
    indices = {name: index for index, name in enumerate(used)}
    return Files(directory, [names[row] for row in rows], class_mode, indices, labels, weights)


def _is_picture(path: str) -> bool:
    return path.lower().endswith(SUFFIXES) and os.path.isfile(path)


def _classes(
    values: list[Any], rows: list[int], classes: list[str] | None, class_mode: str, column: Any
) -> tuple[list[int], Any, list[str]]:
    """Return the rows with a known class, their numbers of classes, and the names of classes."""
    kinds = (str, list, tuple) if class_mode == "categorical" else (str,)
    if not all(isinstance(value, kinds) for value in values):
        wanted = "strings, or lists of them" if class_mode == "categorical" else "strings"
        raise TypeError(f"the values of column {column!r} must be {wanted}")
    several = [value if isinstance(value, (list, tuple)) else [value] for value in values]
    if classes:
        classes = list(dict.fromkeys(classes))
    else:
        classes = sorted({name for row in rows for name in several[row]})
    if class_mode == "binary" and len(classes) != 2:
        raise ValueError(f"`class_mode` 'binary' needs 2 classes, received {classes}")
    numbers = {name: index for index, name in enumerate(classes)}
    found = [(row, [numbers[name] for name in several[row] if name in numbers]) for row in rows]
    found = [(row, labels) for row, labels in found if labels]
    single = class_mode != "categorical"
    labels = [each[0] if single else each for _, each in found]
    return [row for row, _ in found], np.array(labels) if single else labels, classes
