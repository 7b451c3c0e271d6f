"""Inputs and outputs of the networks of `fastconv.applications`: pixels in the range of their
training, and names of classes."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from fastconv import layers
from fastconv.applications.pretrained import CLASS_INDEX, find
from fastconv.common.arrays import real_array
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.shapes import normalize_int

_MODES = ("caffe", "tf", "torch")
_FORMATS = (None, "channels_last", "channels_first")

# Mean and deviation of the pixels of ImageNet: of 0 to 255, blue first; of 0 to 1, red first.
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCH_MEAN, _TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Scale pixels to the range in which a network was trained.

    Args:
        x: (height, width, 3) or (batch, height, width, 3), numbers from 0 to 255, red first, which
            stay as they are; or a symbolic tensor (batch, height, width, 3), to which layers are
            applied.
        data_format: None or "channels_last", or "channels_first".
        mode: "caffe" for blue first and minus the mean of ImageNet; "tf" for -1 to 1; "torch" for
            0 to 1, minus the mean and divided by the deviation of ImageNet.

    Returns a new array, float64 for float64, otherwise float32; or a symbolic tensor.

    Raises ValueError for an unknown mode or format, and for other than 3 channels in the modes
    "caffe" and "torch"; TypeError for what is not numeric.

    >>> import numpy as np
    >>> preprocess_input(np.full((1, 1, 1, 3), 255), mode="tf").ravel().tolist()
    [1.0, 1.0, 1.0]
    """
    if mode not in _MODES:
        raise ValueError(f"`mode` must be one of {list(_MODES)}, received {mode!r}")
    if data_format not in _FORMATS:
        raise ValueError(
            "`data_format` must be None, 'channels_last' or 'channels_first', received "
            f"{data_format!r}"
        )
    if isinstance(x, SymbolicTensor):
        return _preprocess_symbolic(x, data_format == "channels_first", mode)
    pixels = real_array(x, "x")
    if pixels.dtype not in (np.float32, np.float64):
        pixels = pixels.astype(np.float32)
    if mode == "tf":
        return pixels / pixels.dtype.type(127.5) - pixels.dtype.type(1)
    first = data_format == "channels_first"
    channels = np.moveaxis(pixels, -3, -1) if first and pixels.ndim > 2 else pixels
    if pixels.ndim not in (3, 4) or channels.shape[-1] != 3:
        raise ValueError(
            f"`x` must be images with 3 channels ({data_format or 'channels_last'}), received "
            f"shape {pixels.shape}"
        )
    if mode == "caffe":
        scaled = channels[..., ::-1] - np.array(_CAFFE_MEAN, pixels.dtype)
    else:
        scaled = channels / pixels.dtype.type(255) - np.array(_TORCH_MEAN, pixels.dtype)
        scaled /= np.array(_TORCH_DEVIATION, pixels.dtype)
    return np.ascontiguousarray(np.moveaxis(scaled, -1, -3) if first else scaled)


def _preprocess_symbolic(x: SymbolicTensor, channels_first: bool, mode: str) -> SymbolicTensor:
    if mode == "tf":
        return layers.Rescaling(1 / 127.5, -1.0)(x)
    if x.ndim != 4 or x.shape[1 if channels_first else 3] != 3:
        raise ValueError(
            "`x` must be images with 3 channels "
            f"({'channels_first' if channels_first else 'channels_last'}), received shape {x.shape}"
        )
    if channels_first:
        x = layers.Permute((2, 3, 1))(x)
    if mode == "caffe":
        x = layers.Rescaling(1.0, [-mean for mean in _CAFFE_MEAN])(_with_channels_reversed(x))
    else:
        scale = [1 / (255 * deviation) for deviation in _TORCH_DEVIATION]
        pairs = zip(_TORCH_MEAN, _TORCH_DEVIATION, strict=True)
        x = layers.Rescaling(scale, [-mean / deviation for mean, deviation in pairs])(x)
    return layers.Permute((3, 1, 2))(x) if channels_first else x


def _with_channels_reversed(x: SymbolicTensor) -> SymbolicTensor:
    """Return x (batch, height, width, 3) with its last channel first, by layers that Keras has."""
    x = layers.Permute((1, 3, 2))(x)  # as images of three columns, one per channel
    columns = [layers.Cropping2D(((0, 0), (index, 2 - index)))(x) for index in (2, 1, 0)]
    return layers.Permute((1, 3, 2))(layers.Concatenate(axis=2)(columns))


def decode_predictions(
    preds: Any, top: int = 5, class_index: str | os.PathLike[str] | None = None
) -> list[list[tuple[str, str, float]]]:
    """Name the most probable classes of each image.

    Args:
        preds: (images, classes), what a network with its top returns.
        top: number of classes per image.
        class_index: path of a JSON file {"0": [identifier, name], "1": ...}, one entry per class;
            by default `imagenet_class_index.json`, the 1000 classes of ImageNet as Keras
            distributes them, in one of the folders of trained weights (`fastconv.applications`).

    Returns for each image a list of (identifier, name, probability), the most probable first.

    Raises ValueError if `preds` do not have one column per class of the file, or if the file is
    not a class index; FileNotFoundError if there is no such file.

    >>> import json, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "pets.json")
    >>> with open(path, "w") as file:
    ...     json.dump({"0": ["p0", "cat"], "1": ["p1", "dog"]}, file)
    >>> decode_predictions([[0.25, 0.75]], top=1, class_index=path)
    [[('p1', 'dog', 0.75)]]
    """
    scores = real_array(preds, "preds")
    top = normalize_int(top, "top")
    if class_index is None:
        if scores.ndim != 2 or scores.shape[1] != 1000:
            raise ValueError(
                f"`preds` must have shape (images, 1000) without `class_index`, received shape "
                f"{scores.shape}"
            )
        class_index = find(
            CLASS_INDEX, "`decode_predictions`", "give the path of another one as `class_index`"
        )
    names = _read_class_index(class_index)
    if scores.ndim != 2 or scores.shape[1] != len(names):
        raise ValueError(
            f"`preds` must have shape (images, {len(names)}), one column per class of "
            f"{os.fspath(class_index)!r}, received shape {scores.shape}"
        )
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [
        [(*names[k], row[k].item()) for k in order]
        for row, order in zip(scores, best.tolist(), strict=True)
    ]


def _read_class_index(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    with open(path, encoding="utf-8") as file:
        try:
            entries = json.load(file)
            pairs = [entries[str(k)] for k in range(len(entries))]
            if all(len(pair) == 2 and all(isinstance(e, str) for e in pair) for pair in pairs):
                return [tuple(pair) for pair in pairs]
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
    raise ValueError(
        f"{os.fspath(path)!r} must be a class index: JSON of the form "
        '{"0": [identifier, name], "1": ...}'
    )
