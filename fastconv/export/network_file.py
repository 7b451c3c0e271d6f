"""A network as one file, which the functions of `fastconv.h` open, run, train and save.

The format is that of `_ext/interface/network_file.c`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastconv.common.arguments import normalize_int
from fastconv.common.arrays import ALIGNMENT
from fastconv.export.program import End, make_program
from fastconv.export.training import make_trained_programs
from fastconv.saving.atomic import replacing

if TYPE_CHECKING:
    from fastconv.models import Model

_MAGIC = int.from_bytes(b" fastnet", "little")
_VERSION = 1
_HEAD = 13  # words before the ends
_SIZES = 8  # of an end
_DTYPES = {"float32": 0, "float64": 1, "int64": 2}


def network_file(
    model: Model,
    path: str | os.PathLike[str],
    *,
    batch_size: int = 1,
    train_batch_size: int | None = None,
) -> Path:
    """Write `model` as a file for `network_open` of `fastconv.h`; return its path.

    Args:
        model: a built model, all of whose operations are compiled ones.
        path: the file; an existing one is replaced.
        batch_size: the number of samples that are computed at a time, N >= 1.
        train_batch_size: the number of samples of a training step; None for inference only.

    The file depends on no instruction set. Raises as `c_network`.

    >>> import tempfile
    >>> from fastconv import export, layers, models
    >>> model = models.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten()])
    >>> export.network_file(model, tempfile.mkdtemp() + "/edges.network").name
    'edges.network'
    """
    batch_size = normalize_int(batch_size, "batch_size")
    if train_batch_size is None:
        inference, training = make_program(model, batch_size), None
    else:
        train_batch_size = normalize_int(train_batch_size, "train_batch_size")
        inference, training = make_trained_programs(model, batch_size, train_batch_size)
    programs = [inference, *([training] if training else [])]
    ends = [end for each in programs for end in (*each.inputs, *each.outputs)]
    words = [word for end in ends for word in _end(end)]
    words += [word for each in programs for word in each.words.tolist()]
    weights_at = _rounded(8 * (_HEAD + len(words)))
    state_at = _rounded(weights_at + inference.weights.nbytes)
    total = state_at + inference.state.nbytes
    counts = [len(each.words) for each in programs]
    sizes = [size for each in programs for size in (len(each.inputs), len(each.outputs))]
    head = [
        _MAGIC, _VERSION, total, weights_at, inference.weights.nbytes, state_at,
        inference.state.nbytes, *(counts if training else [*counts, 0]),
        *(sizes if training else [*sizes, 0, 0]),
    ]  # fmt: skip
    content = np.zeros(total, np.uint8)
    everything = np.array([*head, *words], "<i8").view(np.uint8)
    content[: len(everything)] = everything
    content[weights_at : weights_at + inference.weights.nbytes] = inference.weights
    content[state_at:] = inference.state
    path = Path(path)
    with replacing(path) as file:
        file.write(content.tobytes())
    return path


def _end(end: End) -> list[int]:
    """The dtype, the rank and the sizes of an input or output."""
    if len(end.shape) > _SIZES:
        raise ValueError(f"an array must have at most {_SIZES} axes, received shape {end.shape}")
    shape = [*end.shape, *[0] * (_SIZES - len(end.shape))]
    return [_DTYPES[end.dtype.name], len(end.shape), *shape]


def _rounded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
