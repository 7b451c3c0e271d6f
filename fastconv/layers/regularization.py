"""Layers that are random in training and the identity otherwise.

Their draws depend only on their seed and the number of the training step, not on the number of
threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from fastconv.common import randomness
from fastconv.common.arguments import normalize_int, number
from fastconv.common.literals import DataFormat
from fastconv.layers.base import Layer
from fastconv.layers.spatial import Image, Spatial
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape
from fastconv.state import Kind
from fastconv.state import seed as any_seed

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class Seeded(Layer):
    """A layer with a stream of random numbers."""

    settings: tuple[str, ...] = ("seed",)

    stateful: ClassVar[Mapping[str, Kind]] = MappingProxyType({"_stream": any_seed})

    def __init__(self, seed: int | None = None, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.seed: int | None = None if seed is None else normalize_int(seed, "seed", minimum=0)
        self._stream = randomness.draw_seed() if self.seed is None else self.seed


class Dropout(Seeded):
    """In training, sets a random fraction of the inputs to zero and scales the others so that the
    expected sum is unchanged (Srivastava et al. 2014); otherwise the identity.

    Args:
        rate: fraction of the inputs to drop, 0 <= rate < 1.
        noise_shape: None for an independent draw per element; or the shape of the draws, with the
            batch, where 1 marks an axis whose elements share a draw and None the size of the input.
            Missing leading axes count as 1, if no entry is None. The batch must be None or 1,
            because a model takes batches of any size.
        seed: integer >= 0; None draws one from the stream that `fastconv.utils.set_random_seed`
            starts.

    Raises:
        ValueError: `rate` is out of range, or `noise_shape` does not match the input.
        TypeError: `rate`, `seed` or an entry of `noise_shape` is not a number.
    """

    settings: tuple[str, ...] = ("rate", "noise_shape")

    def __init__(
        self,
        rate: float,
        noise_shape: tuple[int | None, ...] | None = None,
        seed: int | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(seed, **common)
        self.rate: float = number(rate, "rate", 0, 1, below=True)
        self.noise_shape: tuple[int | None, ...] | None = None
        if noise_shape is not None:
            if not isinstance(noise_shape, (tuple, list)):
                raise TypeError(f"`noise_shape` must be None or a tuple, received {noise_shape!r}")
            self.noise_shape = tuple(
                None if size is None else normalize_int(size, "noise_shape") for size in noise_shape
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._noise_shape_for(input_shape)
        return tuple(input_shape)

    def _noise_shape_for(self, input_shape) -> tuple[int | None, ...] | None:
        """Return `noise_shape` with an entry per axis of the input: 1 for missing leading ones."""
        noise, rank = self.noise_shape, len(input_shape)
        if noise is None:
            return None
        full = (1,) * (rank - len(noise)) + noise
        # None in a shorter shape would be ambiguous: Keras counts these axes from the first.
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

    def operations(self, input_shape: Shape) -> list[Operation]:
        if not self.rate:
            return []
        return [operations.Dropout(self.rate, self._stream, self._noise_shape_for(input_shape))]


_SATURATION = -1.6732632423543772 * 1.0507009873554805  # of `selu`, for x -> -infinity


class AlphaDropout(Dropout):
    """In training, replaces a random fraction of the inputs by the value that `selu` has at
    -infinity, and then scales and shifts so that mean 0 and variance 1 stay (Klambauer et al.
    2017, arXiv 1706.02515); otherwise the identity.

    Arguments and errors are those of `Dropout`.
    """

    def operations(self, input_shape: Shape) -> list[Operation]:
        if not self.rate:
            return []
        noise_shape = self._noise_shape_for(input_shape)
        return [operations.AlphaDropout(self.rate, self._stream, noise_shape, None, _SATURATION)]


class _SpatialDropout(Spatial, Seeded):
    def __init__(
        self,
        rate: float,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, seed=seed, **common)
        self.rate: float = number(rate, "rate", 0, 1, below=True)

    def image_output(self, image: Image) -> Image:
        return image

    def image_operations(self, image: Image) -> list[Operation]:
        if not self.rate:
            return []
        noise_shape = (None, *(1 for _ in image[:-1]), None)
        return [operations.Dropout(self.rate, self._stream, noise_shape)]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {"rate": self.rate}
        del config["trainable"]  # not an argument of Keras's layer
        return config


class SpatialDropout2D(_SpatialDropout):
    """`Dropout` of whole channels of images (batch, height, width, channels), whose neighbouring
    pixels are too correlated for elementwise dropout (Tompson et al., arXiv 1411.4280).

    Args:
        rate, seed: as in `Dropout`.
        data_format: None or "channels_last", or "channels_first".

    Raises the errors of `Dropout`.
    """

    def __init__(
        self,
        rate: float,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(rate, data_format, seed, **common)


class SpatialDropout3D(_SpatialDropout):
    """`Dropout` of whole channels of volumes (batch, depth, height, width, channels); arguments
    and errors are those of `SpatialDropout2D`."""

    rank = 3


class SpatialDropout1D(_SpatialDropout):
    """`Dropout` of whole channels of sequences (batch, steps, channels).

    Arguments and errors are those of `Dropout`.
    """

    rank = 1

    def __init__(self, rate: float, seed: int | None = None, **common: Any):
        super().__init__(rate, None, seed, **common)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["data_format"]  # not an argument of Keras's layer
        return config


class GaussianNoise(Seeded):
    """In training, adds normal noise with mean 0 and standard deviation `stddev`.

    Args:
        stddev: 0 <= stddev <= 1.
        seed: as in `Dropout`.

    Raises ValueError if `stddev` is out of range, TypeError if it is not a number.
    """

    settings: tuple[str, ...] = ("stddev",)

    def __init__(self, stddev: float, seed: int | None = None, **common: Unpack[LayerOptions]):
        super().__init__(seed, **common)
        self.stddev: float = number(stddev, "stddev", 0, 1)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return [operations.GaussianNoise(self.stddev, self._stream)] if self.stddev else []


class GaussianDropout(Seeded):
    """In training, multiplies by normal noise with mean 1 and the variance of `Dropout`,
    rate / (1 - rate).

    Args:
        rate: 0 <= rate < 1.
        seed: as in `Dropout`.

    Raises the errors of `Dropout`.
    """

    settings: tuple[str, ...] = ("rate",)

    def __init__(self, rate: float, seed: int | None = None, **common: Unpack[LayerOptions]):
        super().__init__(seed, **common)
        self.rate: float = number(rate, "rate", 0, 1, below=True)

    def operations(self, input_shape: Shape) -> list[Operation]:
        stddev = math.sqrt(self.rate / (1 - self.rate))
        return [operations.GaussianNoise(stddev, self._stream, multiply=True)] if stddev else []
