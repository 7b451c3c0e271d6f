"""Arrays of random numbers, as in `keras.random`.

`seed` is None for the stream that `fastconv.utils.set_random_seed` starts, an integer for the same
numbers at every call, or a `SeedGenerator` for a stream of its own. The numbers differ from those
of Keras, the distributions do not.

>>> from fastconv import random
>>> random.uniform((2, 3), seed=1).shape
(2, 3)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, TypeVar, cast

import numpy as np

from fastconv import ops
from fastconv.common import randomness
from fastconv.common.arguments import normalize_int, number
from fastconv.common.arrays import real_array
from fastconv.common.randomness import SeedGenerator, generator_of
from fastconv.layers.tracing import drawn, is_traced
from fastconv.ops._function import find_symbolic
from fastconv.plan.operations import Drawn

Seed = int | SeedGenerator | None


_Function = TypeVar("_Function", bound=Callable[..., Any])


def _in_graphs(function: _Function) -> _Function:
    """Return a function of a shape that also works in the `call` of a class, which is traced once:
    it gives a symbolic tensor, with new numbers in every run. None in the shape is the batch."""

    @wraps(function)
    def public(shape: Any, *arguments: Any, **keywords: Any) -> Any:
        if not is_traced():
            return function(shape, *arguments, **keywords)
        given = signature(function).bind(shape, *arguments, **keywords).arguments
        seed, sizes = (
            given.pop("seed", None),
            shape if isinstance(shape, (tuple, list)) else [shape],
        )
        probe = function(**(given | {"shape": [0 if size is None else size for size in sizes]}))

        def draw(generator: np.random.Generator, full: tuple[int, ...]) -> np.ndarray:
            return function(**(given | {"shape": full, "seed": generator}))

        fixed = seed is not None and not isinstance(seed, SeedGenerator)
        first = seed.next() if isinstance(seed, SeedGenerator) else seed
        first = randomness.draw_seed() if first is None else first
        return drawn(Drawn(draw, tuple(sizes), str(probe.dtype), first, fixed))

    return cast(_Function, public)


def _shape(shape: Any) -> tuple[int, ...]:
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(normalize_int(size, "shape", minimum=0) for size in sizes)


def _type(dtype: Any, kinds: str, default: str) -> np.dtype:
    chosen = np.dtype(default if dtype is None else dtype)
    if chosen.kind not in kinds:
        raise ValueError(f"`dtype` must be like {default!r}, received {dtype!r}")
    return chosen


@_in_graphs
def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = None,
    seed: Seed = None,
) -> np.ndarray:
    """Return normal draws with this mean and standard deviation, float32 by default.

    Raises ValueError for a negative size or `stddev`, TypeError for what is not a number.
    """
    kind = _type(dtype, "f", "float32")
    draws = generator_of(seed).standard_normal(_shape(shape))
    return (number(mean, "mean") + number(stddev, "stddev", 0) * draws).astype(kind)


@_in_graphs
def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = None,
    seed: Seed = None,
) -> np.ndarray:
    """Return normal draws, of which those beyond two deviations from the mean are drawn again."""
    kind, generator = _type(dtype, "f", "float32"), generator_of(seed)
    draws = generator.standard_normal(_shape(shape)).reshape(-1)
    while (outside := np.flatnonzero(np.abs(draws) > 2)).size:
        draws[outside] = generator.standard_normal(outside.size)
    draws = number(mean, "mean") + number(stddev, "stddev", 0) * draws
    return draws.reshape(_shape(shape)).astype(kind)


@_in_graphs
def uniform(
    shape: Sequence[int],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: Any = None,
    seed: Seed = None,
) -> np.ndarray:
    """Return draws that are equally probable from `minval` to, but without, `maxval`; float32 by
    default."""
    kind = _type(dtype, "f", "float32")
    low, high = number(minval, "minval"), number(maxval, "maxval")
    draws = generator_of(seed).random(_shape(shape), dtype=np.float32)
    return (low + (high - low) * draws).astype(kind)


@_in_graphs
def randint(
    shape: Sequence[int], minval: int, maxval: int, dtype: Any = "int32", seed: Seed = None
) -> np.ndarray:
    """Return integers that are equally probable from `minval` to, but without, `maxval`.

    Raises ValueError unless `minval` is below `maxval`.
    """
    kind = _type(dtype, "iu", "int32")
    low = normalize_int(minval, "minval", minimum=-(2**63))
    high = normalize_int(maxval, "maxval", minimum=-(2**63))
    if low >= high:
        raise ValueError(f"`minval` must be below `maxval`, received {minval} and {maxval}")
    return generator_of(seed).integers(low, high, _shape(shape)).astype(kind)


def categorical(
    logits: Any, num_samples: int, dtype: Any = "int32", seed: Seed = None
) -> np.ndarray:
    """Return class numbers (batch, num_samples), drawn with the probabilities softmax(logits).

    Args:
        logits: (batch, classes).

    Raises ValueError for another rank.
    """
    kind = _type(dtype, "iu", "int32")
    logits = real_array(logits, "`logits`").astype(np.float64)
    if logits.ndim != 2:
        raise ValueError(f"`logits` must have shape (batch, classes), received {logits.shape}")
    count = normalize_int(num_samples, "num_samples")
    # The largest of logit + Gumbel noise has the probability of the softmax.
    noise = generator_of(seed).gumbel(size=(len(logits), count, logits.shape[1]))
    return (logits[:, None, :] + noise).argmax(axis=-1).astype(kind)


def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> np.ndarray:
    """Return a copy of `x` with the parts along `axis` in random order."""
    x = np.asarray(x)
    axis = normalize_int(axis, "axis", minimum=-64)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"`axis` must be one of `x`, of shape {x.shape}, received {axis}")
    return generator_of(seed).permutation(x, axis=axis)


def dropout(
    inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None
) -> np.ndarray:
    """Return `inputs` with elements zero with probability `rate`, the others divided by 1 - rate.

    Along the axes where `noise_shape` is 1, all elements share one draw.

    Raises ValueError for a rate that is not from 0 to below 1, or another number of axes.
    """
    if find_symbolic([inputs]) is not None:
        sizes: Any = inputs.shape if noise_shape is None else noise_shape
        kept = uniform(sizes, seed=seed) >= number(rate, "rate", 0, 1, below=True)
        return ops.where(kept, inputs / (1 - rate), 0.0)
    x = real_array(inputs, "`inputs`")
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    rate = number(rate, "rate", 0, 1, below=True)
    sizes = x.shape if noise_shape is None else tuple(noise_shape)
    if len(sizes) != x.ndim:
        raise ValueError(f"`noise_shape` must have {x.ndim} sizes, received {noise_shape!r}")
    sizes = tuple(own if size is None else size for size, own in zip(sizes, x.shape, strict=True))
    kept = generator_of(seed).random(_shape(sizes)) >= rate
    return np.where(kept, x / x.dtype.type(1 - rate), x.dtype.type(0))


@_in_graphs
def gamma(shape: Sequence[int], alpha: Any, dtype: Any = None, seed: Seed = None) -> np.ndarray:
    """Return draws of the gamma distribution with shape parameter `alpha` and scale 1."""
    kind = _type(dtype, "f", "float32")
    return generator_of(seed).gamma(_positive(alpha, "alpha"), size=_shape(shape)).astype(kind)


@_in_graphs
def beta(
    shape: Sequence[int], alpha: Any, beta: Any, dtype: Any = None, seed: Seed = None
) -> np.ndarray:
    """Return draws of the beta distribution with parameters `alpha` and `beta`."""
    kind = _type(dtype, "f", "float32")
    parameters = _positive(alpha, "alpha"), _positive(beta, "beta")
    return generator_of(seed).beta(*parameters, size=_shape(shape)).astype(kind)


@_in_graphs
def binomial(
    shape: Sequence[int], counts: Any, probabilities: Any, dtype: Any = None, seed: Seed = None
) -> np.ndarray:
    """Return how many of `counts` trials succeed, each with its probability, as floats."""
    kind = _type(dtype, "f", "float32")
    counts = real_array(counts, "`counts`").astype(np.int64)
    chances = real_array(probabilities, "`probabilities`").astype(np.float64)
    if (counts < 0).any() or not ((chances >= 0) & (chances <= 1)).all():
        raise ValueError(
            "`counts` must not be negative and `probabilities` from 0 to 1, received "
            f"{counts.tolist()!r:.100} and {chances.tolist()!r:.100}"
        )
    return generator_of(seed).binomial(counts, chances, size=_shape(shape)).astype(kind)


def _positive(values: Any, name: str) -> np.ndarray:
    array = real_array(values, f"`{name}`").astype(np.float64)
    if not (array > 0).all():
        raise ValueError(f"`{name}` must be positive, received {values!r:.100}")
    return array
