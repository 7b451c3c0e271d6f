"""Folders of pictures as batches for `fit`, decoded in the background.

    directory/cats/1.jpg     index      (path, label) of every picture, in Keras's order
    directory/dogs/2.jpg  ->  split  ->  the training or the validation part of them
                              pass       a permutation per pass, cut into batches
                              decode     threads that are a few batches ahead of the iteration

Pillow decodes without the GIL, so the threads run in parallel with training. Their number is
`runtime.get_num_threads()`; the decoded images in memory are at most those of `_AHEAD` batches and
of the current one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv.common import randomness
from fastconv.common.arguments import normalize_int
from fastconv.common.keywords import explain_keywords
from fastconv.data import Dataset
from fastconv.ops.arrangement import resample2d
from fastconv.resampling import RESIZINGS
from fastconv.utils.images import (
    COLOR_MODES,
    check_option,
    checked_size,
    is_channels_first,
    load_img,
    pillow,
    to_8_bits,
)
from fastconv.utils.labels import to_categorical

__all__ = ["ImageDataset", "image_dataset_from_directory"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")

_AHEAD = 2  # batches that are decoded while one is used
_LABEL_MODES = ("int", "categorical", "binary")
_SUBSETS = ("training", "validation", "both")


class ImageDataset(Dataset):
    """Pictures in batches `(x, y)`, or `x` alone without labels; made by
    `image_dataset_from_directory`; a `fastconv.data.Dataset` with the methods of one. Every
    iteration is a pass over all of them.

    With shuffling, pass number p has the order of a generator seeded by (seed, p), so it does not
    depend on anything that happened before. A pass counts when it has been iterated to its end.

    Attributes:
        class_names: the names of the classes, by label; None without labels.
        file_paths: the pictures' paths, in the order before the passes shuffle them.
        labels: their labels, int32, in the same order; None without labels.
    """

    file_paths: Any
    labels: Any
    class_names: list[str] | None

    def __init__(
        self,
        file_paths: Any,
        labels: Any,
        class_names: list[str] | None,
        *,
        label_mode: str | None,
        batch_size: int | None,
        shuffle: bool,
        seed: Any,
        decode: Any,
    ):
        self.file_paths, self.labels, self.class_names = file_paths, labels, class_names
        self._label_mode, self._batch_size = label_mode, batch_size
        self._shuffle, self._seed = shuffle, seed
        self._decode: Callable[[str], np.ndarray] = decode

    def cardinality(self) -> int:
        """Return the number of batches of a pass; of pictures if they are not batched."""
        return -(-len(self.file_paths) // (self._batch_size or 1))

    def elements(self, key: tuple[int, ...]) -> Iterator[Any]:
        from concurrent.futures import ThreadPoolExecutor

        order = np.arange(len(self.file_paths))
        if self._shuffle:
            order = np.random.default_rng((self._seed, *key)).permutation(order)
        size = self._batch_size or 1
        pool = ThreadPoolExecutor(runtime.get_num_threads(), thread_name_prefix="fastconv-images")
        waiting: deque = deque()
        try:
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                paths = [self.file_paths[row] for row in rows]
                waiting.append((rows, [pool.submit(self._decode, path) for path in paths]))
                if len(waiting) > _AHEAD:
                    yield self._batch(*waiting.popleft())
            while waiting:
                yield self._batch(*waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, rows: np.ndarray, decoded: list) -> Any:
        x = np.stack([future.result() for future in decoded])
        y = None if self.labels is None else self._targets(self.labels[rows])
        if self._batch_size is None:
            x, y = x[0], None if y is None else y[0]
        return x if y is None else (x, y)

    def _targets(self, labels: np.ndarray) -> np.ndarray:
        if self._label_mode == "categorical":
            return to_categorical(labels, len(self.class_names or ()))
        if self._label_mode == "binary":
            return labels.astype(np.float32)[:, None]
        return labels


@explain_keywords
def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: int | tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> ImageDataset | list[ImageDataset]:
    """The pictures below a directory, resized to one size, in batches for `fit`.

    Args:
        directory: holds one folder per class, with pictures (.bmp, .gif, .jpeg, .jpg, .png)
            anywhere below it; folders that begin with a dot are left out.
        labels: "inferred" from the folders; None for none; or the label of every picture, in the
            order of their paths (sorted folder by folder), if folders are not classes.
        label_mode: form of y of a batch: "int" int32 (count,); "categorical" float32 (count,
            classes), one-hot; "binary" float32 (count, 1), for two classes; None for no y.
        class_names: the folders to take, in the order of their labels; by default all, sorted.
        color_mode: "grayscale", "rgb" or "rgba": 1, 3 or 4 channels.
        batch_size: pictures per batch, the last may be smaller; None for single pictures.
        image_size: (height, width), or one number for both.
        shuffle: a new order in every pass; otherwise that of the paths.
        seed: of the orders; by default drawn from what `set_random_seed` seeds.
        validation_split: the part of the pictures, below 1, that is for validation.
        subset: "training", "validation" or "both", with `validation_split`. Shuffling needs a
            `seed` then, so that two calls make the same parts.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5" or "area", with the
            values of Keras: a picture that shrinks is not smoothed first, except by "area".
        follow_links: also visit folders that are symbolic links.
        crop_to_aspect_ratio: keep the proportions by cutting the middle out before resizing.
        pad_to_aspect_ratio: keep the proportions by black borders.
        data_format: "channels_first" for x (count, C, H, W); by default (count, H, W, C).
        format: must be "tf": the result has the methods of `tf.data.Dataset`.
        verbose: print how many files and classes were found.

    Returns:
        An `ImageDataset`, whose x is float32 from 0 to 255; with `subset` "both" a list of two,
        training and validation. The same seed gives the same split as in Keras. Iterating raises
        `FormatError` with its path for a file that is not a picture, is damaged, or is too large.

    Raises:
        ValueError: no pictures, labels that do not fit them, an unknown option, or options that
            contradict each other.
        TypeError: a size or seed is not an integer.
        OSError: the directory cannot be read.
        ImportError: Pillow is not installed.
    """
    pillow()
    labels, label_mode = _checked_labels(labels, label_mode, class_names)
    check_option(color_mode, "color_mode", COLOR_MODES)
    check_option(interpolation, "interpolation", RESIZINGS)
    check_option(format, "format", ("tf",))
    size = checked_size(image_size, "image_size")
    if batch_size is not None:
        batch_size = normalize_int(batch_size, "batch_size")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(
            "`crop_to_aspect_ratio` and `pad_to_aspect_ratio` cannot both be True, received both"
        )
    _check_split(validation_split, subset, shuffle, seed)
    seed = randomness.draw_seed() % 2**32 if seed is None else _checked_seed(seed)

    paths, found_labels, names = _index(directory, labels, class_names, follow_links)
    if label_mode == "binary" and (names is None or len(names) != 2):
        raise ValueError(f"`label_mode` 'binary' needs 2 classes, received {names}")
    if verbose:
        classes = "" if names is None else f" belonging to {len(names)} classes"
        print(f"Found {len(paths)} files{classes}.")
    if shuffle:
        # As Keras does it, so that a seed cuts the same parts off.
        order = np.arange(len(paths))
        np.random.RandomState(seed).shuffle(order)
        paths = [paths[index] for index in order]
        found_labels = None if found_labels is None else found_labels[order]

    decode = _Decoder(
        color_mode,
        size,
        interpolation,
        "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else "stretch",
        is_channels_first(data_format),
    )

    def part(rows: slice, shuffled: bool) -> ImageDataset:
        return ImageDataset(
            paths[rows],
            None if found_labels is None else found_labels[rows],
            names,
            label_mode=label_mode,
            batch_size=batch_size,
            shuffle=shuffled,
            seed=seed,
            decode=decode,
        )

    if subset is None:
        return part(slice(None), shuffle)
    kept = len(paths) - int((validation_split or 0) * len(paths))
    if kept in (0, len(paths)):
        raise ValueError(
            f"`validation_split` {validation_split} of {len(paths)} files leaves {kept} for "
            f"training and {len(paths) - kept} for validation; both must be positive"
        )
    if verbose:
        if subset != "validation":
            print(f"Using {kept} files for training.")
        if subset != "training":
            print(f"Using {len(paths) - kept} files for validation.")
    training, validation = slice(None, kept), slice(kept, None)
    if subset == "both":
        return [part(training, shuffle), part(validation, False)]
    return part(training if subset == "training" else validation, shuffle)


class _Decoder:
    """From a path to an array of the size of all others."""

    def __init__(self, color_mode, size, interpolation, how, channels_first):
        self.color_mode, self.size, self.interpolation = color_mode, size, interpolation
        self.how, self.channels_first = how, channels_first

    def __call__(self, path: str) -> np.ndarray:
        image = to_8_bits(load_img(path, self.color_mode))
        pixels = np.asarray(image, np.float32)
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        pixels = _fitted(pixels, self.size, self.interpolation, self.how)
        return pixels.transpose(2, 0, 1) if self.channels_first else pixels


def _fitted(pixels: np.ndarray, size: tuple[int, int], interpolation: str, how: str) -> np.ndarray:
    """Return a picture (H, W, C) in another size, as Keras and TensorFlow compute it: stretched,
    after a cut of the largest central part with the proportions of `size` ("crop"), or within a
    black border ("pad")."""
    sizes = np.array(pixels.shape[:2])
    inner, begin = size, (0, 0)
    if how == "crop":
        largest = sizes[1] * size[0] // size[1], sizes[0] * size[1] // size[0]
        kept = np.maximum(np.minimum(sizes, largest), 1)
        (top, left), (height, width) = (sizes - kept) // 2, kept
        pixels = pixels[top : top + height, left : left + width]
    elif how == "pad":  # in float32, as TensorFlow's resize_with_pad
        present, wanted = np.array([sizes, size], np.float32)
        exact = present / np.max(present / wanted)
        inner = tuple(int(n) for n in np.maximum(np.floor(exact), 1))
        begin = tuple(int(n) for n in np.floor((size - exact) / 2))
    # One thread: other threads decode other pictures.
    resized = resample2d(pixels[None], inner, interpolation, False, num_threads=1)[0]
    if how != "pad":
        return resized
    padded = np.zeros((*size, pixels.shape[2]), np.float32)
    padded[begin[0] : begin[0] + inner[0], begin[1] : begin[1] + inner[1]] = resized
    return padded


def _checked_labels(labels: Any, label_mode: Any, class_names: Any) -> tuple[Any, str | None]:
    if label_mode is not None:
        check_option(label_mode, "label_mode", _LABEL_MODES)
    if labels is None or label_mode is None:
        if class_names is not None and labels is None:
            raise ValueError("`class_names` needs `labels` 'inferred', received None")
        return None, None
    if isinstance(labels, str):
        check_option(labels, "labels", ("inferred",))
        return labels, label_mode
    if not isinstance(labels, (list, tuple, np.ndarray)):
        raise ValueError(
            f"`labels` must be 'inferred', None or a list of integers, received {labels!r}"
        )
    if class_names is not None:
        raise ValueError(f"`class_names` needs `labels` 'inferred', received {type(labels)}")
    for index, label in enumerate(labels):
        normalize_int(label, f"labels[{index}]", minimum=0)
    return np.asarray(labels, np.int32), label_mode


def _check_split(fraction: Any, subset: Any, shuffle: bool, seed: Any) -> None:
    if subset is not None:
        check_option(subset, "subset", _SUBSETS)
    if (fraction is None) != (subset is None):
        raise ValueError(
            "`validation_split` and `subset` must be given together, "
            f"received {fraction!r} and {subset!r}"
        )
    if fraction is None:
        return
    if isinstance(fraction, bool) or not 0 < fraction < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1, received {fraction!r}")
    if shuffle and seed is None:
        raise ValueError(
            "`seed` must be given with `validation_split` and `shuffle`, so that training and "
            "validation do not overlap, received None"
        )


def _checked_seed(seed: Any) -> int:
    seed = normalize_int(seed, "seed", minimum=0)
    if seed >= 2**32:
        raise ValueError(f"`seed` must be below 2**32, received {seed}")
    return seed


def _index(
    directory: str | os.PathLike[str], labels: Any, class_names: Any, follow_links: bool
) -> tuple[list[str], np.ndarray | None, list[str] | None]:
    """Paths, labels and class names."""
    directory = os.fspath(directory)
    if not isinstance(labels, str):  # the folders mean nothing
        paths = _pictures(directory, follow_links)
        _check_found(paths, directory)
        if labels is None:
            return paths, None, None
        if len(labels) != len(paths):
            raise ValueError(
                f"`labels` must have one entry for each of the {len(paths)} pictures in "
                f"{directory}, received {len(labels)}"
            )
        names = [str(label) for label in sorted(set(labels.tolist()))]
        if labels.max() >= len(names):
            raise ValueError(
                f"`labels` must be from 0 to {len(names) - 1} for {len(names)} different ones, "
                f"received {labels.max()}"
            )
        return paths, labels, names
    with os.scandir(directory) as entries:
        folders = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    names = folders if class_names is None else list(class_names)
    unknown = sorted(set(names) - set(folders))
    if unknown:
        raise ValueError(f"`class_names` must be among the folders {folders}, received {unknown}")
    if len(set(names)) != len(names):
        raise ValueError(f"`class_names` must not name a folder twice, received {names}")
    groups = [_pictures(os.path.join(directory, name), follow_links) for name in names]
    paths = [path for group in groups for path in group]
    _check_found(paths, directory)
    found = np.repeat(np.arange(len(names), dtype=np.int32), [len(group) for group in groups])
    return paths, found, names


def _pictures(directory: str, follow_links: bool) -> list[str]:
    """The pictures below a folder, each folder's sorted by name, folders sorted by path."""

    def failed(error: OSError) -> None:
        raise error

    walk = os.walk(directory, onerror=failed, followlinks=follow_links)
    return [
        os.path.join(folder, name)
        for folder, _, files in sorted(walk)
        for name in sorted(files)
        if name.lower().endswith(SUFFIXES)
    ]


def _check_found(paths: list[str], directory: str) -> None:
    if not paths:
        raise ValueError(f"{directory}: no pictures found; they must end in {', '.join(SUFFIXES)}")
