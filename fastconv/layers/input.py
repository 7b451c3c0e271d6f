"""The input of a model: the shape of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.common.arguments import normalize_int
from fastconv.layers.base import Layer, sample_shape
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape


class InputLayer(Layer):
    """The shape of the input samples of a model; see `Input`.

    `input_shape` is a former name of `shape`.
    """

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        *,
        batch_shape: tuple[int | None, ...] | None = None,
        name: str | None = None,
        sparse: bool = False,
        ragged: bool = False,
        optional: bool = False,
        input_shape: tuple[int, ...] | None = None,
    ):
        if input_shape is not None:
            if shape is not None:
                raise ValueError("only one of `shape` and `input_shape` may be given")
            shape = input_shape
        sizes: Sequence[int | None] | None = shape
        if batch_shape is not None:
            given = {"shape": shape, "batch_size": batch_size}
            for argument, value in given.items():
                if value is not None:
                    raise ValueError(f"only one of `{argument}` and `batch_shape` may be given")
            batch_size, *sizes = batch_shape
        if sizes is None:
            raise ValueError("`shape` must be given, received None")
        if batch_size is not None:
            normalize_int(batch_size, "batch_size")
        for option, value in {"sparse": sparse, "ragged": ragged, "optional": optional}.items():
            if value:
                raise ValueError(f"`{option}` inputs are not supported, received {value!r}")
        super().__init__(name=name, dtype=dtype, input_shape=sizes)
        self.build((None, *sample_shape(sizes)))
        self._call()

    def _call(self) -> None:
        """Create the only call, which has no inputs."""
        Call(self, None, [], [self.input_shape], name=self.name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._call()

    def __call__(self, inputs: Any) -> SymbolicTensor:
        raise ValueError(f"{self.name!r} is where a model begins and must not be called")

    def operations(self, input_shape: Shape) -> list[Operation]:
        return []

    @property
    def batch_shape(self) -> Shape:
        """The shape with the batch, whose size is None."""
        return self.input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": list(self.input_shape),
            "dtype": "float32",
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": False,
        }


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    **options: Any,
) -> SymbolicTensor:
    """Return the symbolic input of a model, for samples of `shape` (without the batch).

    Pass it to the call of a layer, or to a `Sequential` as its first entry. A `batch_size`, or one
    in `batch_shape`, has no effect: a model takes batches of every size, as in Keras.

    A size may be None, if layers with weights do not depend on it: batches then have images, or
    sequences, of any size.

    Raises ValueError for a shape with an empty dimension, a `batch_size` that is not positive or a
    dtype other than float32.

    >>> from fastconv import layers
    >>> layers.Input((28, 28, 1)).shape
    (None, 28, 28, 1)
    """
    return InputLayer(shape, batch_size, dtype, **options).output
