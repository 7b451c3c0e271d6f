"""Sizes that are not known before there are data: None in a shape.

    Input((None, None, 3))    Conv2D(8, 3) gives (None, None, None, 8), for images of every size

Layers compute with known sizes alone. For a shape with unknown ones, two different numbers are
tried in their place: a size of the output that is the same for both is known.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from fastconv.common.naming import is_builtin
from fastconv.shapes import Shape

# Multiples of all strides up to 10, and larger than windows and cropped borders.
_TRIED = 5040, 10080


def is_unknown(shape: Any) -> bool:
    """Return whether a size in `shape`, or in one of a list of shapes, is unknown."""
    if not isinstance(shape, (tuple, list)):
        return False
    shapes = shape if _is_list(shape) else [shape]
    return any(None in tuple(each)[1:] for each in shapes)


def accept_unknown_sizes(cls: type) -> None:
    """Let the methods `compute_output_shape` and `build` that `cls` defines take unknown sizes.

    A `build` of a user gets None, as in Keras: it may build other layers.
    """
    for name, wrapped in (("compute_output_shape", _computing), ("build", _building)):
        method = vars(cls).get(name)
        if method is not None and (name != "build" or is_builtin(cls)):
            setattr(cls, name, wrapped(method))


def _computing(compute: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(compute)
    def compute_output_shape(self: Any, input_shape: Any) -> Any:
        if not is_unknown(input_shape):
            shape = compute(self, input_shape)
        else:
            shape = output_shape(lambda shape: compute(self, shape), input_shape)
        return _with_batch(shape, input_shape)

    return compute_output_shape


def _with_batch(shape: Any, input_shape: Any) -> Any:
    """Return `shape`, with the size of the batch in `input_shape` in place of None."""
    if not isinstance(shape, tuple) or shape[:1] != (None,) or not input_shape:
        return shape
    first = input_shape[0]
    batch = first[0] if isinstance(first, (tuple, list)) and first else first
    return (batch, *shape[1:]) if isinstance(batch, int) else shape


def _building(build: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(build)
    def build_on(self: Any, input_shape: Any) -> None:
        if not is_unknown(input_shape):
            build(self, input_shape)
            return
        shapes = []
        for size in _TRIED:
            other = copy.copy(self)
            other._variables = []
            build(other, _filled(input_shape, size))
            shapes.append([(variable.path, variable.shape) for variable in other._variables])
        for (path, first), (_, second) in zip(*shapes, strict=True):
            if first != second:
                shape = tuple(a if a == b else None for a, b in zip(first, second, strict=True))
                raise ValueError(
                    f"weight {path} must have known sizes, and has shape {shape} for inputs of "
                    f"shape {input_shape}"
                )
        build(self, _filled(input_shape, _TRIED[0]))
        self._input_shape = list(input_shape) if _is_list(input_shape) else tuple(input_shape)

    return build_on


def output_shape(compute: Callable[[Any], Shape], input_shape: Any) -> Shape:
    """Return the shape that `compute` gives for an input shape (or a list of them) with unknown
    sizes; its errors, with None in them."""
    try:
        first, second = (compute(_filled(input_shape, size)) for size in _TRIED)
    except ValueError as error:
        if _is_list(input_shape):
            matched = _matched(input_shape)
            if matched is not None:
                return _hidden(compute(matched), input_shape)
        message = str(error)
        for size in _TRIED:
            message = message.replace(str(size), "None")
        raise ValueError(message) from None
    return tuple(a if a == b else None for a, b in zip(first, second, strict=True))


def _is_list(shape: Any) -> bool:
    return isinstance(shape, list) and bool(shape) and isinstance(shape[0], (tuple, list))


def _filled(shape: Any, size: int) -> Any:
    if _is_list(shape):
        return [_filled(each, size) for each in shape]
    return (shape[0], *(size if each is None else each for each in shape[1:]))


def _matched(shapes: Sequence[Shape]) -> list[Shape] | None:
    """Return shapes in which an unknown size is that of another input on the same axis, counted
    from the last; None if all of these are unknown."""
    known: dict[int, int] = {}
    for shape in shapes:
        for axis, size in enumerate(reversed(shape[1:])):
            if size is not None and size != 1:
                known[axis] = size
    matched = []
    for shape in shapes:
        sizes = list(reversed(shape[1:]))
        if any(size is None and axis not in known for axis, size in enumerate(sizes)):
            return None
        filled = [known[axis] if size is None else size for axis, size in enumerate(sizes)]
        matched.append((shape[0], *reversed(filled)))
    return matched


def _hidden(output: Shape, shapes: Sequence[Shape]) -> Shape:
    """Return `output` without the sizes of axes that are unknown in one of `shapes`."""
    sizes = list(output)
    for shape in shapes:
        for axis in range(1, len(shape)):
            if shape[-axis] is None:
                sizes[-axis] = None
    return tuple(sizes)
