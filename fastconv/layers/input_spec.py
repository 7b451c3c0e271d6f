"""What a layer demands of the shapes of its inputs: `Layer.input_spec`, as in Keras.

>>> import numpy as np
>>> from fastconv import layers
>>> halves = layers.Rescaling(0.5, name="halves")
>>> halves.input_spec = layers.InputSpec(ndim=4, axes={-1: 3})
>>> halves(np.ones((1, 2, 2, 1)))
Traceback (most recent call last):
ValueError: axis -1 of the input of layer 'halves' must have size 3, received shape (1, 2, 2, 1)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastconv.common.tree import flatten, is_several


class InputSpec:
    """The sizes that one input of a layer must have.

    Args:
        dtype: None or "float32".
        shape: with the batch; None for any size.
        ndim, min_ndim, max_ndim: number of axes, with the batch.
        axes: sizes of some axes, by their index.
        allow_last_axis_squeeze: whether a last axis of size 1 may be missing or added.
        name: of the input; kept, not checked.
        optional: whether None may stand for the input.

    Raises ValueError for an axis in `axes` that `ndim` or `max_ndim` excludes, and for another
    dtype.
    """

    max_ndim: int | None
    min_ndim: int | None
    name: str | None
    optional: bool

    def __init__(
        self,
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ):
        if dtype is not None and np.dtype(dtype).name != "float32":
            raise ValueError(f"`dtype` must be None or 'float32', received {dtype!r}")
        self.dtype = None if dtype is None else "float32"
        self.shape: tuple[int | None, ...] | None = None if shape is None else tuple(shape)
        self.ndim: int | None = ndim if shape is None else len(tuple(shape))
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes: dict[int, int | None] = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name, self.optional = name, optional
        most = self.max_ndim if self.ndim is None else self.ndim
        if most is not None and any(axis >= most for axis in self.axes):
            raise ValueError(f"`axes` must be below {most}, received {dict(self.axes)}")

    def get_config(self) -> dict[str, Any]:
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        return cls(**config)

    def check(self, shape: Sequence[int | None], layer: str) -> None:
        """Raise ValueError unless an input of `layer` may have this shape."""
        received, shape = f"received shape {tuple(shape)}", tuple(shape)
        what = f"the input of layer {layer!r}"
        if self.allow_last_axis_squeeze and self.shape is not None and self.shape:
            if len(shape) == len(self.shape) + 1 and shape[-1] == 1:
                shape = shape[:-1]
            elif len(shape) == len(self.shape) - 1 and self.shape[-1] == 1:
                shape = (*shape, 1)
        if self.ndim is not None and len(shape) != self.ndim:
            raise ValueError(f"{what} must have {self.ndim} axes, {received}")
        if self.min_ndim is not None and len(shape) < self.min_ndim:
            raise ValueError(f"{what} must have at least {self.min_ndim} axes, {received}")
        if self.max_ndim is not None and len(shape) > self.max_ndim:
            raise ValueError(f"{what} must have at most {self.max_ndim} axes, {received}")
        for axis, size in (dict(enumerate(self.shape or ())) | self.axes).items():
            inside = -len(shape) <= axis < len(shape)
            if not inside or (size is not None and shape[axis] not in (size, None)):
                raise ValueError(f"axis {axis} of {what} must have size {size}, {received}")


def check_inputs(spec: Any, inputs: Any, layer: str) -> None:
    """Raise ValueError unless `inputs`, a tensor or an array, fits the `InputSpec`; or a list or
    dict of them a list or dict of specs."""
    several = is_several(spec)
    specs, values = (flatten(spec), flatten(inputs)) if several else ([spec], [inputs])
    if len(specs) != len(values):
        raise ValueError(
            f"layer {layer!r} must be called on {len(specs)} inputs, received {len(values)}"
        )
    for each, value in zip(specs, values, strict=True):
        if each is not None and value is not None:
            each.check(value.shape if hasattr(value, "shape") else np.shape(value), layer)
