"""Random operations in training: dropout, noise, image augmentation.

The step number of the plan, the seed of the layer and the place of a sample in its batch determine
every draw. The backward pass repeats a draw instead of storing it, and a run is reproducible. A
part of a batch gets its part of the draws for the whole batch.
"""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fastconv._ext import _channels, _elementwise, _resample
from fastconv.common.arrays import read_only
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor


class Part(NamedTuple):
    """The samples from `first` up to `end` of a batch of `count` samples."""

    first: int
    end: int
    count: int

    def offset(self, shape: tuple[int, ...]) -> int:
        """Return the number of elements of the batch that precede an array of this part."""
        return self.first * prod(shape) // (self.end - self.first)

    def rows(self, drawn: Any) -> Any:
        """Return what is `drawn` for the batch for this part: see `operations.Augmentation`."""
        if isinstance(drawn, (tuple, list)):
            return [self.rows(each) for each in drawn]
        if isinstance(drawn, np.ndarray) and len(drawn) > 1:
            return drawn[self.first : self.end]
        return drawn


class Random(Lowering):
    """Runs as in training, otherwise `fuse` removes it; `op` exists once the tape is bound."""

    op: Any = None
    elements: tuple[int, ...] | None = None  # shape of a draw per element; None: one for all

    def set_draw(self, draw: int, part: Part | None = None) -> None:
        """Set the number of the next draw, of which a part of a batch gets its part: equal numbers,
        equal draws."""
        self.op.set_state(draw, self.first(part))

    def first(self, part: Part | None) -> int:
        """Return the number of the first element of `part` in the draws for its batch."""
        return part.offset(self.elements) if part and self.elements else 0

    def _emit(self, make, *tensors) -> None:
        def remember():
            self.op = make()
            return self.op

        self.tape.emit(remember, *tensors)

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        return self.input_gradient(dy) if need_dx else None

    @abstractmethod
    def input_gradient(self, dy: Tensor) -> Tensor | None:
        """Record dx for `dy`."""


class Dropout(Random):
    mask: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        operation = self.operation
        self.mask = None
        y = self.tape.tensor(x.shape)
        self.elements = x.shape
        if operation.noise_shape is None:
            self._emit(
                lambda: _elementwise.Dropout(x.array, y.array, operation.rate, operation.seed), x, y
            )
            return y
        shape = tuple(
            n if m is None else m for m, n in zip(operation.noise_shape, x.shape, strict=True)
        )
        mask = self.mask = self.tape.tensor(shape)
        self.elements = None if operation.noise_shape[0] == 1 else shape
        ones = np.ones(shape, np.float32)
        self._emit(
            lambda: _elementwise.Dropout(ones, mask.array, operation.rate, operation.seed), mask
        )
        self.tape.emit(lambda: _channels.Masked(x.array, mask.array, y.array), x, mask, y)
        return y

    def input_gradient(self, dy: Tensor) -> Tensor:
        mask = self.mask
        if mask is None:
            self.tape.emit(lambda: _elementwise.DropoutBackward(self.op, dy.array, dy.array), dy)
        else:
            self.tape.emit(lambda: _channels.Masked(dy.array, mask.array, dy.array), dy, mask)
        return dy


class AlphaDropout(Dropout):
    """A dropout of x - saturation, whose zeros are the saturation, and an affine map."""

    overwrites_dy = True

    def forward(self, x: Tensor) -> Tensor:
        saturation, (scale, shift) = self.operation.saturation, self.operation.affine
        above = self.tape.tensor(x.shape)
        self._map(x, above, 1.0, -saturation)
        y = super().forward(above)
        self._map(y, y, scale * (1 - self.operation.rate), scale * saturation + shift)
        return y

    def input_gradient(self, dy: Tensor) -> Tensor:
        self._map(dy, dy, self.operation.affine[0] * (1 - self.operation.rate), 0.0)
        return super().input_gradient(dy)

    def _map(self, x, y, scale, shift):
        factors, terms = (np.full(x.shape[-1], value, np.float32) for value in (scale, shift))
        self.tape.emit(lambda: _channels.ScaleShift(x.array, factors, terms, y.array), x, y)


class GaussianNoise(Random):
    again: Any = None  # applies the same noise to the gradient

    @property
    def overwrites_dy(self) -> bool:
        return self.operation.multiply

    def forward(self, x: Tensor) -> Tensor:
        operation, y = self.operation, self.tape.tensor(x.shape)
        self.elements = x.shape
        self._emit(
            lambda: _channels.Gaussian(
                x.array, y.array, operation.stddev, operation.seed, operation.multiply
            ),
            x,
            y,
        )
        return y

    def input_gradient(self, dy: Tensor) -> Tensor:
        operation = self.operation
        if not operation.multiply:
            return dy

        def make():
            self.again = _channels.Gaussian(
                dy.array, dy.array, operation.stddev, operation.seed, True
            )
            return self.again

        self.tape.emit(make, dy)
        return dy

    def set_draw(self, draw: int, part: Part | None = None) -> None:
        super().set_draw(draw, part)
        if self.again is not None:
            self.again.set_state(draw, self.first(part))


class Drawn(Random):
    """A step in Python; there is no gradient."""

    overwrites_dy = False
    _number = 0
    _part: Part | None = None
    y: Tensor

    def forward(self, x: Tensor) -> Tensor:
        shape = [x.shape[0] if size is None else size for size in self.operation.shape]
        y = self.y = self.tape.tensor(tuple(shape), np.dtype(self.operation.dtype))
        self.tape.emit(lambda: _DrawnStep(self), x, y)
        return y

    def run_python(self) -> None:
        operation = self.operation
        key = operation.seed if operation.fixed else (operation.seed, self._number)
        generator, shape, part = np.random.default_rng(key), self.y.shape, self._part
        if part is None or operation.shape[0] is not None:
            self.y.array[...] = operation.draw(generator, shape)
        else:
            self.y.array[...] = part.rows(operation.draw(generator, (part.count, *shape[1:])))

    def set_draw(self, draw: int, part: Part | None = None) -> None:
        self._number, self._part = draw, part

    def input_gradient(self, dy: Tensor) -> None:
        return None


class _DrawnStep:
    """A Python op (`plan.program`)."""

    name = "random numbers"

    def __init__(self, lowering: Drawn):
        self.run_python = lowering.run_python


class RandomWarp(Random):
    overwrites_dy = False

    def forward(self, x: Tensor) -> Tensor:
        operation = self.operation
        self.transforms: np.ndarray = np.zeros((x.shape[0], 6))
        self.x_shape: tuple[int, ...] = x.shape
        y = self.tape.tensor((x.shape[0], *(operation.size or x.shape[1:3]), x.shape[3]))
        self.tape.emit(
            lambda: _resample.Warp(
                x.array,
                y.array,
                self.transforms,
                operation.interpolation,
                operation.fill_mode,
                operation.fill_value,
            ),
            x,
            y,
        )
        return y

    def input_gradient(self, dy: Tensor) -> Tensor:
        operation, dx = self.operation, self.tape.tensor(self.x_shape)
        self.tape.emit(
            lambda: _resample.WarpBackward(
                dy.array, dx.array, self.transforms, operation.interpolation, operation.fill_mode
            ),
            dy,
            dx,
        )
        return dx

    def set_draw(self, draw: int, part: Part | None = None) -> None:
        self.transforms[...] = _drawn_on_host(self.operation, draw, len(self.transforms), part)


class Augmentation(Random):
    overwrites_dy = False

    drawn: Any = None
    count: int

    def forward(self, x: Tensor) -> Tensor:
        self.count, y = x.shape[0], self.tape.tensor(x.shape)
        self.tape.emit(lambda: _AugmentationStep(self, x.array, y.array), x, y)
        return y

    def input_gradient(self, dy: Tensor) -> Tensor:
        raise ValueError(
            "image augmentation has no gradient; it must precede all layers with weights"
        )

    def set_draw(self, draw: int, part: Part | None = None) -> None:
        if part and self.operation.mixes:
            raise ValueError(
                "a layer that mixes the images of a batch, MixUp or CutMix, cannot be divided into "
                "chunks; call it in `Dataset.map`"
            )
        self.drawn = _drawn_on_host(self.operation, draw, self.count, part)


def _drawn_on_host(operation: Any, draw: int, count: int, part: Part | None) -> Any:
    generator = np.random.default_rng((operation.seed, draw))
    return (
        part.rows(operation.draw(generator, part.count))
        if part
        else operation.draw(generator, count)
    )


class _AugmentationStep:
    """A Python op (`plan.program`)."""

    name = "image augmentation"

    def __init__(self, lowering: Augmentation, x: np.ndarray, y: np.ndarray):
        self._lowering, self._x, self._y = lowering, read_only(x), y

    def run_python(self) -> None:
        lowering = self._lowering
        np.copyto(self._y, lowering.operation.apply(self._x, lowering.drawn), casting="same_kind")
