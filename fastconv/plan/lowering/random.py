"""Random operations in training: dropout, noise, image augmentation.

The step number of the plan and the seed of the layer determine every draw. The backward pass
repeats a draw instead of storing it, and a run is reproducible.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from fastconv._ext import _channels, _elementwise, _resample
from fastconv.common.arrays import read_only
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor


class Random(Lowering):
    """Runs as in training, otherwise `fuse` removes it; `op` exists once the tape is bound."""

    op: Any = None

    def set_draw(self, draw: int) -> None:
        """Set the number of the next draw: equal numbers, equal draws."""
        self.op.set_state(draw)

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
        if operation.noise_shape is None:
            self._emit(
                lambda: _elementwise.Dropout(x.array, y.array, operation.rate, operation.seed), x, y
            )
            return y
        shape = tuple(
            n if m is None else m for m, n in zip(operation.noise_shape, x.shape, strict=True)
        )
        mask = self.mask = self.tape.tensor(shape)
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

    def set_draw(self, draw: int) -> None:
        super().set_draw(draw)
        if self.again is not None:
            self.again.set_state(draw)


class Drawn(Random):
    """A step in Python; there is no gradient."""

    overwrites_dy = False
    _number = 0
    y: Tensor

    def forward(self, x: Tensor) -> Tensor:
        shape = [x.shape[0] if size is None else size for size in self.operation.shape]
        y = self.y = self.tape.tensor(tuple(shape), np.dtype(self.operation.dtype))
        self.tape.emit(lambda: _DrawnStep(self), x, y)
        return y

    def run_python(self) -> None:
        operation = self.operation
        key = operation.seed if operation.fixed else (operation.seed, self._number)
        self.y.array[...] = operation.draw(np.random.default_rng(key), self.y.shape)

    def set_draw(self, draw: int) -> None:
        self._number = draw

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

    def set_draw(self, draw: int) -> None:
        generator = np.random.default_rng((self.operation.seed, draw))
        self.transforms[...] = self.operation.draw(generator, len(self.transforms))


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

    def set_draw(self, draw: int) -> None:
        generator = np.random.default_rng((self.operation.seed, draw))
        self.drawn = self.operation.draw(generator, self.count)


class _AugmentationStep:
    """A Python op (`plan.program`)."""

    name = "image augmentation"

    def __init__(self, lowering: Augmentation, x: np.ndarray, y: np.ndarray):
        self._lowering, self._x, self._y = lowering, read_only(x), y

    def run_python(self) -> None:
        lowering = self._lowering
        np.copyto(self._y, lowering.operation.apply(self._x, lowering.drawn), casting="same_kind")
