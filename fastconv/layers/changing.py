"""Assignment to the arguments of a built layer: `dropout.rate = 0.3`.

A value that the layer's operations read is checked as in the constructor, and applies from the next
call of every model on. A value that would change weights or shapes, or that is read only when
weights are created, is refused, because it could not take effect.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fastconv.common import randomness
from fastconv.common.keywords import accepted_by
from fastconv.common.naming import is_builtin

# Arguments that are read only when weights are created, or in the constructor.
_READ_ONCE = ("_initializer", "_regularizer", "_constraint")
_FREE = ("name", "activity_regularizer")


@cache
def arguments_of(cls: type) -> frozenset[str]:
    """Return the arguments of a built layer of class `cls` whose assignment is checked: those of
    fastconv's own constructor that are plain attributes."""
    own = next(base for base in cls.__mro__ if is_builtin(base))
    if own.__abstractmethods__:  # a user's layer
        return frozenset()
    names = (accepted_by(own) or frozenset()) - {*_FREE}
    return frozenset(name for name in names if not isinstance(getattr(cls, name, None), property))


def changed(layer: Any, name: str, value: Any) -> Any:
    """Return `value` in the form in which the constructor of an equal layer stores it as `name`.

    Raises AttributeError if the layer would have other weights or shapes, or never reads the value
    again; ValueError or TypeError as in the constructor.
    """
    config, own = layer.get_config(), next(b for b in type(layer).__mro__ if is_builtin(b))
    written = name in config or name in layer.unwritten
    if not written or name.endswith(_READ_ONCE) or name in ("seed", "dtype"):
        raise AttributeError(
            f"`{name}` of layer {layer.name!r} is not read again once the layer is built; make a "
            "new layer"
        )
    state = randomness.state()  # the constructor of a layer draws a seed from it
    try:
        known = accepted_by(own) or frozenset()
        other = own.from_config({k: v for k, v in config.items() if k in known} | {name: value})
    finally:
        randomness.restore(state)
    shape = layer.input_shape
    other.compute_output_shape(shape)  # raises if the input does not match
    other.build(shape)
    if other.output_shape != layer.output_shape or [v.shape for v in other.weights] != [
        v.shape for v in layer.weights
    ]:
        raise AttributeError(
            f"`{name}` of layer {layer.name!r} cannot become {value!r}: the layer is built, and "
            "would have other weights or shapes; make a new layer"
        )
    return getattr(other, name)
