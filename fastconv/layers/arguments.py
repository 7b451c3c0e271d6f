"""The arguments of a call of a layer: a structure with slots, and the inputs that fill them.

    layer([x, y], scale=2)      ([Slot(0), Slot(1)], {"scale": 2}) and the inputs [x, y]

Two calls with equal structures, of inputs of equal shapes, have equal graphs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from fastconv.common.tree import flatten, is_several, mapped


class Slot(int):
    """Stands for an input of a call, by its number."""

    def __repr__(self) -> str:  # unlike a number: structures are told apart by their texts
        return f"Slot({int(self)})"


class Arguments(NamedTuple):
    """The first argument of a call, and all others by name; `Slot`s stand for the inputs."""

    first: Any
    keywords: dict[str, Any]

    def filled(self, inputs: Sequence[Any]) -> Arguments:
        """Return the arguments with `inputs` in the slots."""
        return Arguments(fill(self.first, inputs), fill(self.keywords, inputs))


def fill(form: Any, inputs: Sequence[Any]) -> Any:
    """Return `form` with `inputs` in its slots."""
    return mapped(lambda each: inputs[each] if isinstance(each, Slot) else each, form)


def divide(value: Any, is_input: Callable[[Any], bool]) -> tuple[Any, list[Any]]:
    """Return `value` with a slot in place of each input in lists and dicts, and the inputs."""
    inputs: list[Any] = []

    def divided(value: Any) -> Any:
        if is_several(value):
            parts = [divided(each) for each in flatten(value)]
            if isinstance(value, dict):
                return dict(zip(sorted(value), parts, strict=True))
            return tuple(parts) if isinstance(value, tuple) else parts
        if not is_input(value):
            return value
        inputs.append(value)
        return Slot(len(inputs) - 1)

    return divided(value), inputs


def bound(function: Callable[..., Any], args: tuple, keywords: dict[str, Any]) -> Arguments:
    """Return the arguments of `function`, the `call` of a layer; TypeError if they do not fit."""
    kinds = parameters(function)
    if inspect.Parameter.VAR_POSITIONAL in kinds.values() and len(args) == 1:
        return Arguments(args[0], dict(keywords))
    named = given_arguments(function, args, keywords)
    first = next(iter(kinds), None)
    if first not in named:
        raise TypeError(f"`call` must have an input, received the arguments {list(named)}")
    return Arguments(named.pop(first), named)


def given_arguments(
    function: Callable[..., Any], args: tuple, keywords: dict[str, Any], defaults: bool = False
) -> dict[str, Any]:
    """Return the arguments of a call by name, with the defaults of the others if `defaults`;
    TypeError if they do not fit."""
    signature = inspect.signature(function)
    given = signature.bind(*args, **keywords)
    if defaults:
        given.apply_defaults()
    named: dict[str, Any] = {}
    for name, value in given.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            if value:
                raise TypeError(
                    f"`{function.__name__}` must name its arguments, received {len(value)} more "
                    "than it names"
                )
            continue
        named.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    named.pop("self", None)
    return named


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the kinds of the parameters of a bound method by name."""
    return _parameters(getattr(function, "__func__", function), hasattr(function, "__func__"))


def named_parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters of a bound method, without those of any number."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [name for name, kind in parameters(function).items() if kind not in several]


@cache
def _parameters(function: Callable[..., Any], is_method: bool) -> dict[str, Any]:
    kinds = {name: p.kind for name, p in inspect.signature(function).parameters.items()}
    return dict(list(kinds.items())[is_method:])
