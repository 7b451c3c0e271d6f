"""Layers that only do something while a model is trained."""

from __future__ import annotations

import numbers
from typing import Any

from fastconv import _random
from fastconv.layers.base import Layer, check_options
from fastconv.plan import nodes
from fastconv.shapes import normalize_int


class Dropout(Layer):
    """While training, sets a random part of the inputs to zero and scales up the rest, so that the
    expected sum stays the same (Srivastava et al. 2014); otherwise does nothing.

    Args:
        rate: the part that is dropped, 0 <= rate < 1.
        noise_shape: must be None; every element is drawn by itself.
        seed: an integer >= 0 for masks of its own; None draws one from the stream that
            `fastconv.utils.set_random_seed` starts.

    Raises:
        ValueError: `rate` is out of range or `noise_shape` is given.
        TypeError: `rate` or `seed` is no number.
    """

    stateful = ("_stream",)

    def __init__(
        self, rate: float, noise_shape: None = None, seed: int | None = None, **common: Any
    ):
        super().__init__(**common)
        check_options("Dropout", noise_shape=noise_shape)
        if isinstance(rate, bool) or not isinstance(rate, numbers.Real):
            raise TypeError(f"`rate` must be a number, received {rate!r}")
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be at least 0 and less than 1, received {rate!r}")
        self.rate = float(rate)
        self.seed = None if seed is None else normalize_int(seed, "seed", minimum=0)
        self._stream = _random.draw_seed() if self.seed is None else self.seed

    def nodes(self, input_shape):
        return [nodes.Dropout(self.rate, self._stream)]

    def get_config(self):
        return super().get_config() | {"rate": self.rate, "seed": self.seed, "noise_shape": None}
