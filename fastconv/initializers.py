"""Initial values of weights: Keras's initializers, with fastconv's own random generator.

The scaled initializers preserve the variance of a signal approximately from layer to layer. With
fan_in inputs and fan_out outputs per unit,

    s = scale / max(1, fan)            fan = fan_in, fan_out or their mean
    uniform             U(-sqrt(3 s), sqrt(3 s))
    untruncated_normal  N(0, s)
    truncated_normal    N(0, s') truncated at two standard deviations, with s' such that the
                        variance is s

Glorot & Bengio 2010 (scale 1, mean fan), He et al. 2015, arXiv 1502.01852 (scale 2, fan_in), LeCun
et al. 1998 (scale 1, fan_in); orthogonal after Saxe et al., arXiv 1312.6120.

Every initializer is called with a shape and returns a new float32 array. With a `seed` it returns
the same array at each call; without a seed it continues the stream that
`fastconv.utils.set_random_seed` starts.

>>> from fastconv import initializers
>>> initializers.GlorotUniform(seed=1)((3, 3, 1, 32)).shape
(3, 3, 1, 32)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.common import randomness
from fastconv.common.arguments import normalize_int, one_of
from fastconv.common.arrays import real_array
from fastconv.common.keywords import NamedArguments
from fastconv.serialization import describe_function, find, named_object, plain, serializers

# The standard deviation of a standard normal distribution that is cut at -2 and 2.
_TRUNCATED_STDDEV = 0.87962566103423978

_Seed = int | randomness.SeedGenerator | None

_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


class Initializer(NamedArguments, ABC):
    """Base class: a callable from a shape to a float32 array, with Keras's configuration."""

    module = "keras.initializers"  # module of the class in Keras's files

    @abstractmethod
    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the initial values of a weight of `shape`, a new float32 array."""

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        # Some versions of Keras write these two; fastconv supports None only.
        optional = ("input_axes", "output_axes")
        return cls(**{k: v for k, v in config.items() if v is not None or k not in optional})


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros(shape, np.float32)


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.ones(shape, np.float32)


class Constant(Initializer):
    """All elements equal to `value`; or an array, for a weight of its shape.

    Raises ValueError or TypeError if `value` is neither a number nor an array of numbers.
    """

    def __init__(self, value: float | np.ndarray = 0.0):
        self.value: float | np.ndarray
        if isinstance(value, dict):  # the form of an array in Keras's files
            inner = value.get("config")
            value = np.array(inner.get("value") if isinstance(inner, dict) else None)
        if isinstance(value, np.ndarray) and value.ndim:
            self.value = np.array(real_array(value, "`value`"), np.float32)
        else:
            self.value = float(value)

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        if isinstance(self.value, np.ndarray):
            return self.value.copy()
        return np.full(shape, self.value, np.float32)

    def get_config(self) -> dict[str, Any]:
        if isinstance(self.value, np.ndarray):
            return {"value": plain(self.value)}
        return {"value": self.value}


class _Random(Initializer):
    """Base class of random initializers; with `seed` None, draws from the common stream, and with a
    `SeedGenerator` from that."""

    def __init__(self, seed: _Seed | dict[str, Any] = None):
        if isinstance(seed, dict):  # the form of a SeedGenerator in files
            seed = randomness.SeedGenerator.from_config(seed.get("config", {}))
        if seed is not None and not isinstance(seed, randomness.SeedGenerator):
            seed = normalize_int(seed, "seed", minimum=0)
        self.seed: _Seed = seed

    def _generator(self) -> np.random.Generator:
        return randomness.generator_of(self.seed)

    def get_config(self) -> dict[str, Any]:
        seed = self.seed
        return {"seed": seed.described() if isinstance(seed, randomness.SeedGenerator) else seed}


class RandomNormal(_Random):
    """Normal distribution with the given `mean` and `stddev`."""

    mean: float
    stddev: float

    def __init__(
        self,
        mean: float = 0.0,
        stddev: float = 0.05,
        seed: _Seed = None,
    ):
        super().__init__(seed)
        self.mean, self.stddev = float(mean), float(stddev)

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        draws = self._generator().standard_normal(shape, dtype=np.float32)
        return draws * np.float32(self.stddev) + np.float32(self.mean)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev} | super().get_config()


class TruncatedNormal(RandomNormal):
    """As `RandomNormal`, with values more than two `stddev` from the mean drawn again."""

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        draws = _truncated_normal(self._generator(), shape)
        return draws * np.float32(self.stddev) + np.float32(self.mean)


class RandomUniform(_Random):
    """Uniform distribution from `minval` to `maxval`."""

    minval: float
    maxval: float

    def __init__(
        self,
        minval: float = -0.05,
        maxval: float = 0.05,
        seed: _Seed = None,
    ):
        super().__init__(seed)
        self.minval, self.maxval = float(minval), float(maxval)

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        return _uniform(self._generator(), shape, self.minval, self.maxval)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval} | super().get_config()


class VarianceScaling(_Random):
    """Variance `scale / fan`; see the formulas at the top of this module.

    Raises ValueError if `scale` is not positive or `mode` or `distribution` is unknown.
    """

    scale: float
    mode: str
    distribution: str

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: _Seed = None,
    ):
        super().__init__(seed)
        if not scale > 0:
            raise ValueError(f"`scale` must be positive, received {scale}")
        one_of(mode, "mode", _MODES)
        if distribution == "normal":
            distribution = "truncated_normal"
        one_of(distribution, "distribution", _DISTRIBUTIONS)
        self.scale, self.mode, self.distribution = scale, mode, distribution

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        fan_in, fan_out = compute_fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return _uniform(self._generator(), shape, -limit, limit)
        if self.distribution == "untruncated_normal":
            draws = self._generator().standard_normal(shape, dtype=np.float32)
            return draws * np.float32(math.sqrt(variance))
        draws = _truncated_normal(self._generator(), shape)
        return draws * np.float32(math.sqrt(variance) / _TRUNCATED_STDDEV)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
        } | super().get_config()


class _NamedScaling(VarianceScaling):
    """A `VarianceScaling` whose class sets all arguments except the seed."""

    _settings: tuple[float, str, str]

    def __init__(self, seed: _Seed = None):
        super().__init__(*self._settings, seed=seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


class GlorotUniform(_NamedScaling):
    """Uniform, variance 2 / (fan_in + fan_out): the default of `Dense` and `Conv2D`."""

    _settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_NamedScaling):
    """Truncated normal, variance 2 / (fan_in + fan_out)."""

    _settings = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_NamedScaling):
    """Uniform, variance 2 / fan_in: preserves the scale of a signal through ReLU layers."""

    _settings = (2.0, "fan_in", "uniform")


class HeNormal(_NamedScaling):
    """Truncated normal, variance 2 / fan_in."""

    _settings = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_NamedScaling):
    """Uniform, variance 1 / fan_in."""

    _settings = (1.0, "fan_in", "uniform")


class LecunNormal(_NamedScaling):
    """Truncated normal, variance 1 / fan_in."""

    _settings = (1.0, "fan_in", "truncated_normal")


class Identity(Initializer):
    """Ones on the diagonal of a matrix, times `gain`; only for two dimensions."""

    def __init__(self, gain: float = 1.0):
        self.gain: float = float(gain)

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(f"Identity needs 2 dimensions, received shape {tuple(shape)}")
        return np.float32(self.gain) * np.eye(*shape, dtype=np.float32)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class FromFunction(Initializer):
    """The array that a function `f(shape, dtype)` returns; created by `get`.

    A file contains only the name of the function: to load the layer, the function must be
    registered or given in `custom_objects`. Raises TypeError for a function without a name.
    """

    def __init__(self, function: Callable):
        describe_function(function)
        self.wrapped_function = function

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.array(self.wrapped_function(tuple(shape), dtype=np.float32), np.float32)


class Orthogonal(_Random):
    """Orthonormal rows or columns, whichever are fewer, times `gain`; at least two dimensions."""

    def __init__(self, gain: float = 1.0, seed: _Seed = None):
        super().__init__(seed)
        self.gain: float = float(gain)

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs at least 2 dimensions, received shape {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(self._generator().standard_normal(tall))
        q *= np.sign(np.diag(r))  # makes the draw uniform over the orthogonal matrices
        matrix = q if rows >= columns else q.T
        return (self.gain * matrix).reshape(shape).astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain} | super().get_config()


def compute_fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight of `shape`: inputs and outputs connected to one unit.

    >>> compute_fans((576, 64)), compute_fans((3, 3, 32, 64))
    ((576, 64), (288, 576))
    """
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    taps = math.prod(shape[:-2])
    return taps * shape[-2], taps * shape[-1]


def _uniform(rng, shape, low: float, high: float) -> np.ndarray:
    draws = rng.random(shape, dtype=np.float32)
    draws *= np.float32(high - low)
    draws += np.float32(low)
    return draws


def _truncated_normal(rng, shape) -> np.ndarray:
    """Return standard normal draws; values outside of [-2, 2] are drawn again."""
    draws = rng.standard_normal(shape, dtype=np.float32).reshape(-1)
    outside = np.flatnonzero(np.abs(draws) > 2)
    while outside.size:
        draws[outside] = rng.standard_normal(outside.size, dtype=np.float32)
        outside = outside[np.abs(draws[outside]) > 2]
    return draws.reshape(shape)


CLASSES = {
    cls.__name__: cls
    for cls in (
        Zeros, Ones, Constant, RandomNormal, TruncatedNormal, RandomUniform, VarianceScaling,
        GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal,
        Identity,
    )
}  # fmt: skip
# Keras's other names
zeros = Zeros
ones = Ones
constant = Constant
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
orthogonal = OrthogonalInitializer = Orthogonal
identity = IdentityInitializer = Identity

serialize: Callable[..., Any]
deserialize: Callable[..., Any]
serialize, deserialize = serializers("initializers")
_ALIASES = {"zero": Zeros, "one": Ones, "normal": RandomNormal, "uniform": RandomUniform}


def get(identifier: Any) -> Initializer:
    """Return the initializer of `identifier`: a name ("glorot_uniform" or "GlorotUniform"), an
    initializer or its class, a function of (shape, dtype), an array with the shape of the weight,
    or a configuration.

    Raises ValueError for an unknown name (the message lists all), TypeError for any other object.
    """
    identifier = named_object(identifier)
    if isinstance(identifier, np.ndarray):
        return Constant(identifier)
    if callable(identifier) and not isinstance(identifier, (Initializer, type)):
        return FromFunction(identifier)
    return find(identifier, "initializers", Initializer, aliases=_ALIASES)
