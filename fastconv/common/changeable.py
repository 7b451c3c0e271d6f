"""Arguments of losses, regularizers, constraints and optimizers that are assigned later.

A plan reads them when it is made: `loss.delta = 2` would have no effect on the plans that exist.
So once one exists, a new value is checked as the constructor would, and all plans are made anew.
(Layers, whose weights and shapes depend on arguments, are in `fastconv.layers.changing`.)

>>> from fastconv import regularizers
>>> penalty = regularizers.L2(0.1)
>>> penalty.l2 = 0.2
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from fastconv.common.keywords import accepted_by
from fastconv.common.naming import is_builtin


class Changeable:
    """Base of objects that plans read; whatever makes a plan of one calls `is_read_by_plans`."""

    def is_read_by_plans(self) -> None:
        """From now on, changes reach the plans."""
        vars(self)["_read_by_plans"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        if "_read_by_plans" in vars(self) and name in arguments(type(self)):
            super().__setattr__(name, self.changed(name, value))
            self.argument_has_changed()
        else:
            super().__setattr__(name, value)

    def changed(self, name: str, value: Any) -> Any:
        """What the constructor makes of `value`; its errors, or AttributeError."""
        return getattr(with_argument(self, name, value), name)

    def argument_has_changed(self) -> None:
        """Call what `on_change` has registered."""
        plans_are_stale()


_on_change: list[Callable[[], None]] = []


def on_change(function: Callable[[], None]) -> None:
    """Register `function`, to be called after every change that plans must reflect."""
    _on_change.append(function)


def plans_are_stale() -> None:
    """Call the functions that `on_change` has registered: all plans are made anew."""
    for function in _on_change:
        function()


@cache
def arguments(cls: type) -> frozenset[str]:
    """The arguments of fastconv's own constructor in the ancestry of `cls` that plans may read.

    Neither is the name one, nor what a property looks after.
    """
    names = (accepted_by(_own(cls)) or frozenset()) - {"name"}
    return frozenset(name for name in names if not isinstance(getattr(cls, name, None), property))


def with_argument(thing: Any, name: str, value: Any) -> Any:
    """A new object like `thing`, as fastconv's own class makes it, with another argument."""
    own = _own(type(thing))
    config = {k: v for k, v in thing.get_config().items() if k in (accepted_by(own) or ())}
    if name not in config:
        raise AttributeError(f"`{name}` of {type(thing).__name__} is only read when it is made")
    return own.from_config(config | {name: value})


def _own(cls: type) -> type:
    return next(base for base in cls.__mro__ if is_builtin(base))
