"""Layers that are random while a model is trained, and do nothing otherwise.

What they draw depends on their seed and the number of the training step alone, never on the number
of threads.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

from fastconv import _random
from fastconv.checks import number
from fastconv.layers.base import Layer
from fastconv.layers.spatial import Spatial
from fastconv.plan import nodes
from fastconv.shapes import normalize_int
from fastconv.state import seed as any_seed


class Seeded(Layer):
    """A layer with a stream of random numbers."""

    stateful = MappingProxyType({"_stream": any_seed})

    def __init__(self, seed: int | None = None, **common: Any):
        super().__init__(**common)
        self.seed = None if seed is None else normalize_int(seed, "seed", minimum=0)
        self._stream = _random.draw_seed() if self.seed is None else self.seed

    def get_config(self):
        return super().get_config() | {"seed": self.seed}


class Dropout(Seeded):
    """While training, sets a random part of the inputs to zero and scales up the rest, so that the
    expected sum stays the same (Srivastava et al. 2014); otherwise does nothing.

    Args:
        rate: the part that is dropped, 0 <= rate < 1.
        noise_shape: None, and every element is drawn by itself; or the shape of what is drawn, with
            the batch, where a 1 stands for an axis whose elements share their fate and None for the
            size of the input. Leading axes may be left out, which means 1, if there is no None. The
            batch must be None or 1, as a model takes batches of any size.
        seed: an integer >= 0 for masks of its own; None draws one from the stream that
            `fastconv.utils.set_random_seed` starts.

    Raises:
        ValueError: `rate` is out of range, or `noise_shape` does not fit the input.
        TypeError: `rate`, `seed` or a part of `noise_shape` is no number.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: tuple[int | None, ...] | None = None,
        seed: int | None = None,
        **common: Any,
    ):
        super().__init__(seed, **common)
        self.rate = number(rate, "rate", 0, 1, below=True)
        self.noise_shape = None
        if noise_shape is not None:
            if not isinstance(noise_shape, (tuple, list)):
                raise TypeError(f"`noise_shape` must be None or a tuple, received {noise_shape!r}")
            self.noise_shape = tuple(
                None if size is None else normalize_int(size, "noise_shape") for size in noise_shape
            )

    def compute_output_shape(self, input_shape):
        self._noise_shape_for(input_shape)
        return tuple(input_shape)

    def _noise_shape_for(self, input_shape) -> tuple[int | None, ...] | None:
        """`noise_shape` with an entry per axis of the input: 1 for leading ones that it lacks."""
        noise, rank = self.noise_shape, len(input_shape)
        if noise is None:
            return None
        full = (1,) * (rank - len(noise)) + noise
        # None of a shorter shape would be ambiguous: Keras counts those from the first axis.
        clear = len(noise) == rank or None not in noise
        if (
            not clear
            or len(full) != rank
            or full[0] not in (None, 1)
            or any(n not in (None, 1, m) for n, m in zip(full[1:], input_shape[1:], strict=True))
        ):
            raise ValueError(
                f"layer {self.name!r}: `noise_shape` must have one entry per axis of the input "
                f"{tuple(input_shape)}, 1 or None or its size (None or 1 for the batch), or fewer "
                f"entries, without None, for the last axes, received {noise}"
            )
        return full

    def nodes(self, input_shape):
        if not self.rate:
            return []
        return [nodes.Dropout(self.rate, self._stream, self._noise_shape_for(input_shape))]

    def get_config(self):
        noise = None if self.noise_shape is None else list(self.noise_shape)
        return super().get_config() | {"rate": self.rate, "noise_shape": noise}


class _SpatialDropout(Spatial, Seeded):
    def __init__(
        self, rate: float, data_format: str | None = None, seed: int | None = None, **common: Any
    ):
        super().__init__(data_format, seed=seed, **common)
        self.rate = number(rate, "rate", 0, 1, below=True)

    def image_output(self, image):
        return image

    def image_nodes(self, image):
        if not self.rate:
            return []
        return [nodes.Dropout(self.rate, self._stream, (None, 1, 1, None))]

    def get_config(self):
        config = super().get_config() | {"rate": self.rate}
        del config["trainable"]  # an argument that Keras's layer has not
        return config


class SpatialDropout2D(_SpatialDropout):
    """`Dropout` of whole channels of images (batch, height, width, channels), whose pixels are too
    alike for single ones to matter (Tompson et al., arXiv 1411.4280).

    Args:
        rate, seed: those of `Dropout`.
        data_format: None or "channels_last", or "channels_first".

    Raises as `Dropout`.
    """

    def __init__(
        self, rate: float, data_format: str | None = None, seed: int | None = None, **common: Any
    ):
        super().__init__(rate, data_format, seed, **common)


class SpatialDropout1D(_SpatialDropout):
    """`Dropout` of whole channels of sequences (batch, steps, channels).

    Arguments and errors are those of `Dropout`.
    """

    rank = 1

    def __init__(self, rate: float, seed: int | None = None, **common: Any):
        super().__init__(rate, None, seed, **common)

    def get_config(self):
        config = super().get_config()
        del config["data_format"]  # Keras's layer has none
        return config


class GaussianNoise(Seeded):
    """While training, adds normal noise of mean 0 and standard deviation `stddev`.

    Args:
        stddev: 0 <= stddev <= 1.
        seed: as that of `Dropout`.

    Raises ValueError if `stddev` is out of range, TypeError if it is no number.
    """

    def __init__(self, stddev: float, seed: int | None = None, **common: Any):
        super().__init__(seed, **common)
        self.stddev = number(stddev, "stddev", 0, 1)

    def nodes(self, input_shape):
        return [nodes.GaussianNoise(self.stddev, self._stream)] if self.stddev else []

    def get_config(self):
        return super().get_config() | {"stddev": self.stddev}


class GaussianDropout(Seeded):
    """While training, multiplies by normal noise of mean 1 and the variance that `Dropout` has,
    rate / (1 - rate).

    Args:
        rate: 0 <= rate < 1.
        seed: as that of `Dropout`.

    Raises as `Dropout`.
    """

    def __init__(self, rate: float, seed: int | None = None, **common: Any):
        super().__init__(seed, **common)
        self.rate = number(rate, "rate", 0, 1, below=True)

    def nodes(self, input_shape):
        stddev = math.sqrt(self.rate / (1 - self.rate))
        return [nodes.GaussianNoise(stddev, self._stream, multiply=True)] if stddev else []

    def get_config(self):
        return super().get_config() | {"rate": self.rate}
