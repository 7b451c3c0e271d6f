"""Normalization by the mean and variance of the training data, as a first layer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.arrays import real_array
from fastconv.layers.axes import positive_axes, with_axes_last
from fastconv.layers.base import Layer
from fastconv.layers.weight_spec import WeightSpec, built
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions

_SMALLEST_DEVIATION = 1e-7  # smaller ones are replaced by it


class Normalization(Layer):
    """(x - mean) / deviation, with the mean and the variance of the training data.

    Args:
        axis: axis or list of axes, each of whose indices has its own mean and variance, never the
            batch; None for one mean and one variance of everything.
        mean, variance: the values, numbers or arrays that are broadcast to the sizes of `axis`;
            None if `adapt` or a file provides them.
        invert: whether to compute x * deviation + mean instead; needs `mean` and `variance`.
        name, trainable, dtype, input_shape: see `Layer`.

    Weights, never trained, without `mean` and `variance`: mean and variance with the sizes of
    `axis`, and count, which is not used.

    Raises:
        ValueError: only one of `mean` and `variance`, different shapes of both, values that are not
            finite, a negative variance, an axis that the input does not have.
        TypeError: an axis that is not an integer.

    >>> import numpy as np
    >>> from fastconv import layers, models
    >>> layer = layers.Normalization()
    >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0]]))
    >>> model = models.Sequential([layers.Input((2,)), layer])
    >>> model.predict(np.array([[0.0, 9.0]]), verbose=0).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        axis: int | list[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(**common)
        if axis is None:
            axis = []
        self.axis: list[int] = list(axis) if isinstance(axis, (list, tuple)) else [axis]
        if (mean is None) != (variance is None):
            raise ValueError(
                "`mean` and `variance` must be given together, received "
                f"{mean!r:.100} and {variance!r:.100}"
            )
        if invert and mean is None:
            raise ValueError("`mean` and `variance` must be given with `invert=True`")
        self.invert: bool = bool(invert)
        self._mean: Any = None if mean is None else _values(mean, "mean")
        self._variance: Any = None if variance is None else _values(variance, "variance")
        if mean is not None and np.shape(self._mean) != np.shape(self._variance):
            raise ValueError(
                f"`mean` and `variance` must have the same shape, received {np.shape(self._mean)} "
                f"and {np.shape(self._variance)}"
            )
        if variance is not None and np.min(self._variance) < 0:
            raise ValueError(f"`variance` must not be negative, received {variance!r:.100}")
        self.adapt_mean: Variable | None = None
        self.adapt_variance: Variable | None = None

    @property
    def mean(self) -> Any:
        """The mean of every index of `axis`: as given before the layer is built, or None; then
        float32 with all axes of the input, whose other sizes are 1."""
        return self._spread(self._mean, self.adapt_mean)

    @property
    def variance(self) -> Any:
        """The variance of every index of `axis`, in the form of `mean`."""
        return self._spread(self._variance, self.adapt_variance)

    def _spread(self, given: Any, weight: Variable | None) -> Any:
        if not self.built:
            return given
        kept, rank = self._axes(self._input_shape), len(self._input_shape)
        others = [axis for axis in range(rank) if axis not in kept]
        values = given if weight is None else weight.numpy()
        return np.expand_dims(self._broadcast(values, self._sizes(self._input_shape)), others)

    def _axes(self, input_shape) -> list[int]:
        return positive_axes(self, self.axis, len(input_shape)) if self.axis else []

    def _sizes(self, input_shape) -> tuple[int, ...]:
        own = sample_sizes(input_shape)
        return tuple(own[axis - 1] for axis in self._axes(input_shape))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = self._sizes(input_shape)
        if self._mean is not None:
            self._broadcast(self._mean, sizes)
        return tuple(input_shape)

    def _broadcast(self, values: Any, sizes: tuple[int, ...]) -> np.ndarray:
        try:
            return np.broadcast_to(np.asarray(values, np.float64), sizes)
        except ValueError:
            raise ValueError(
                f"layer {self.name!r}: `mean` and `variance` must have a shape that can be "
                f"broadcast to {sizes}, the sizes of `axis`, received {np.shape(values)}"
            ) from None

    def build(self, input_shape: Shape) -> None:
        if self._mean is None:
            sizes = self._sizes(input_shape)
            specs = [
                WeightSpec.of(name, values, trainable=False)
                for name, values in (("mean", "zeros"), ("variance", "ones"), ("count", "zeros"))
            ]
            self.adapt_mean, self.adapt_variance = (spec.create(self, sizes) for spec in specs[:2])
            specs[2].create(self, ())
        super().build(input_shape)

    def adapt(self, data: Any) -> None:
        """Set mean and variance to those of `data`; builds the layer if it is not.

        Args:
            data: an array (samples, ...), or batches of such arrays: an iterable of arrays or of
                tuples that begin with one (an `ImageDataset`, a list, a generator).

        Raises ValueError if the layer has `mean` and `variance`, for no data, and for shapes that
        do not fit; TypeError for data that are not numeric.
        """
        if self._mean is not None:
            raise ValueError(
                f"layer {self.name!r} is given `mean` and `variance`, so it cannot adapt them"
            )
        # Numbers, their sum, and the sum of the squares of their distances from their mean.
        count, total, squares = 0, 0.0, 0.0
        for batch in _batches(data):
            if not self.built:
                self.build_on((None, *batch.shape[1:]))
            others = self._others(batch.shape)
            number = math.prod(batch.shape[axis] for axis in others)
            if number == 0:
                continue
            batch = batch.astype(np.float64)
            mean = batch.mean(axis=others)
            squares = squares + ((batch - np.expand_dims(mean, others)) ** 2).sum(axis=others)
            if count:
                squares = squares + (mean - total / count) ** 2 * (
                    count * number / (count + number)
                )
            count, total = count + number, total + mean * number
        if count == 0:
            raise ValueError("`data` must have at least one sample, received none")
        built(self.adapt_mean).assign(total / count)
        built(self.adapt_variance).assign(squares / count)

    def _others(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the axes of a batch over which to average."""
        kept = self._axes(shape)
        sizes = tuple(shape[axis] for axis in kept)
        wanted = built(self.adapt_mean).shape
        if sizes != wanted:
            raise ValueError(
                f"layer {self.name!r} is built for sizes {wanted} along `axis` "
                f"{self.axis}, received data of shape {shape}"
            )
        return tuple(axis for axis in range(len(shape)) if axis not in kept)

    def operations(self, input_shape: Shape) -> list[Operation]:
        kept = self._axes(input_shape)
        own = enumerate(sample_sizes(input_shape), start=1)
        others = [size for axis, size in own if axis not in kept]
        sizes = self._sizes(input_shape)
        inner = self._over_last_axis(math.prod(sizes), sizes)
        if len(kept) != 1:  # one axis instead of several, or one of size 1 for none
            flat = operations.Reshape((math.prod(others), math.prod(sizes)))
            inner = [flat, *inner, operations.Reshape((*others, *sizes))]
        return with_axes_last(kept, len(input_shape), inner) if kept else inner

    def _over_last_axis(self, size: int, sizes: tuple[int, ...]) -> list[operations.Operation]:
        if self._mean is None:
            # The square root of epsilon is the deviation that a variance of zero gets.
            epsilon = _SMALLEST_DEVIATION**2
            mean, variance = built(self.adapt_mean), built(self.adapt_variance)
            return [
                operations.BatchNormalization(None, None, mean, variance, 1.0, epsilon, frozen=True)
            ]
        mean = self._broadcast(self._mean, sizes).reshape(size)
        variance = self._broadcast(self._variance, sizes).reshape(size)
        deviation = np.maximum(np.sqrt(variance), _SMALLEST_DEVIATION)
        if self.invert:
            return [operations.ScaleShift(tuple(deviation.tolist()), tuple(mean.tolist()))]
        # Subtract first: in one pass, a large mean would cost digits.
        return [
            operations.ScaleShift((1.0,) * size, tuple((-mean).tolist())),
            operations.ScaleShift(tuple((1 / deviation).tolist()), (0.0,) * size),
        ]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "axis": self.axis,
            "invert": self.invert,
            "mean": self._mean,
            "variance": self._variance,
        }


def _values(values: Any, name: str) -> Any:
    """Return finite numbers as a float or nested lists of floats."""
    array = real_array(values, f"`{name}`").astype(np.float64)
    if not np.isfinite(array).all() or array.size == 0:
        raise ValueError(f"`{name}` must be finite numbers, received {values!r:.100}")
    return array.tolist()


def _batches(data: Any) -> Iterable[np.ndarray]:
    """Yield the arrays of samples in `data`."""
    if isinstance(data, np.ndarray) or not isinstance(data, Iterable):
        data = [data]
    for batch in data:
        samples = batch[0] if isinstance(batch, tuple) else batch
        array = real_array(samples, "`data`")
        if array.ndim == 0:
            raise ValueError("`data` must be arrays (samples, ...), received a number")
        yield array
