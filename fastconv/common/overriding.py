"""Methods that Keras calls and fastconv does not: refused when a class defines one.

A subclass in the style of Keras may override `train_step`, `call` or `update_step`. A method that
is never called would be a silent mistake, so the base classes list such names, each with the way to
the same effect:

    class Loss(Overridable):
        unused_hooks = {"call": "subclass fastconv.losses.CustomLoss ..."}

A table holds for all subclasses, except those that define the name themselves: `CustomLayer` has
`forward`, which `Layer` lists. Instances refuse to have the names assigned, too.

>>> from fastconv import optimizers
>>> optimizers.SGD().lr = 0.1
Traceback (most recent call last):
AttributeError: `lr` of Optimizer has no effect in fastconv; it is called `learning_rate`
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from fastconv.common.naming import is_builtin


class Overridable:
    """Base of the classes that users extend."""

    # name -> what to do instead, of this class and its subclasses
    unused_hooks: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not is_builtin(cls):
            _check_hooks(cls)
            return
        for name, advice in vars(cls).get("unused_hooks", {}).items():
            if not any(name in vars(base) for base in cls.__mro__):
                setattr(cls, name, _UnusedHook(name, advice, cls.__name__))


class _UnusedHook:
    """Stands where Keras has a method: there is nothing to read, and nothing may be assigned."""

    def __init__(self, name: str, advice: str, owner: str):
        self._message = f"`{name}` of {owner} has no effect in fastconv; {advice}"

    def __get__(self, thing: Any, owner: type | None = None) -> Any:
        raise AttributeError(self._message)

    def __set__(self, thing: Any, value: Any) -> None:
        raise AttributeError(self._message)


def definer(cls: type, name: str) -> type:
    """The class in the ancestry of `cls` from which it has the attribute `name`."""
    return next(base for base in cls.__mro__ if name in vars(base))


def unused_hooks(cls: type) -> dict[str, str]:
    """All names that a subclass of `cls` may not define, each with what to do instead."""
    names = {name for base in cls.__mro__ for name in vars(base).get("unused_hooks", {})}
    found = {name: _advice(cls, name) for name in sorted(names)}
    return {name: advice for name, advice in found.items() if advice is not None}


def _advice(cls: type, name: str) -> str | None:
    """What the nearest class of fastconv says of `name`; None if that defines it for use."""
    for base in filter(is_builtin, cls.__mro__):
        if name in vars(base).get("unused_hooks", {}):
            return base.unused_hooks[name]
        if name in vars(base):
            return None
    return None


def _check_hooks(cls: type) -> None:
    """Raise TypeError if `cls` or a mixin of it defines one of the names."""
    for name, advice in unused_hooks(cls).items():
        if not is_builtin(definer(cls, name)):
            raise TypeError(
                f"class {cls.__name__} defines `{name}`, which has no effect in fastconv; {advice}"
            )
