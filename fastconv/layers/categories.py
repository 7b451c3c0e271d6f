"""Class numbers as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.arguments import normalize_int, one_of
from fastconv.layers.custom import CustomLayer
from fastconv.shapes import Shape, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class CategoryEncoding(CustomLayer):
    """Encodes integers from 0 to `num_tokens` - 1 as vectors of `num_tokens` numbers.

    Args:
        num_tokens: number of categories.
        output_mode: "one_hot", one vector per integer, of shape (..., num_tokens), where a last
            axis of size 1 is replaced; "multi_hot" (also "binary"), one vector per sample (last
            axis), 1 for every category in it; "count", how often each is in it.
        sparse: must be False.
        name, trainable, dtype, input_shape: see `Layer`.

    Raises:
        ValueError: `num_tokens` below 1, an unknown `output_mode`; in a call, integers out of
            range.
        TypeError: `num_tokens` is not an integer.

    >>> import numpy as np
    >>> from fastconv import layers
    >>> layers.CategoryEncoding(4)(np.array([[0, 1], [3, 3]])).tolist()
    [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """

    settings: tuple[str, ...] = ("num_tokens", "output_mode")

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(**common)
        if sparse:
            raise ValueError(f"`sparse` must be False, received {sparse!r}")
        self.num_tokens: int = normalize_int(num_tokens, "num_tokens")
        if output_mode == "binary":
            output_mode = "multi_hot"
        one_of(output_mode, "output_mode", ("multi_hot", "one_hot", "count"))
        self.output_mode = output_mode

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        each = self.output_mode == "one_hot" and (len(input_shape) == 1 or input_shape[-1] != 1)
        return (*(input_shape if each else input_shape[:-1]), self.num_tokens)

    def forward(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        shape = (len(x), *sample_sizes(self.compute_output_shape((None, *x.shape[1:]))))
        tokens = x.astype(np.int64)
        if (tokens < 0).any() or (tokens >= self.num_tokens).any():
            raise ValueError(
                f"layer {self.name!r} takes integers from 0 to {self.num_tokens - 1}, received "
                f"{tokens.min()} to {tokens.max()}"
            )
        y = np.zeros(shape, np.float32)
        rows = y.reshape(-1, self.num_tokens)
        groups = tokens.reshape(len(rows), -1)
        for column in groups.T:
            rows[np.arange(len(rows)), column] += 1
        return np.minimum(y, 1) if self.output_mode == "multi_hot" else y, None

    def backward(self, dy: np.ndarray, saved: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        return np.zeros((len(dy), *self.input_shape[1:]), np.float32), []
