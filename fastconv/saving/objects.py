"""Objects as plain data and back, and the names of users' own classes and functions."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from fastconv import serialization
from fastconv.serialization import KINDS


class CustomObjectScope(AbstractContextManager):
    """Inside of the block, files and descriptions may name the given classes and functions.

    Args:
        custom_objects: dict of classes and functions by names; scopes may be nested.

    Raises TypeError for what is neither a class with `get_config` and `from_config` nor a function.

    >>> from fastconv import initializers, saving
    >>> class Halves(initializers.Constant):
    ...     def __init__(self) -> None:
    ...         super().__init__(0.5)
    >>> with saving.custom_object_scope({"Halves": Halves}):
    ...     initializers.get("Halves")((2,)).tolist()
    [0.5, 0.5]
    """

    def __init__(self, custom_objects: dict[str, Any]):
        self.custom_objects = custom_objects
        self._scopes: list[Any] = []

    def __enter__(self) -> CustomObjectScope:
        scope = serialization.custom_classes(self.custom_objects)
        scope.__enter__()
        self._scopes.append(scope)
        return self

    def __exit__(self, *error: Any) -> None:
        self._scopes.pop().__exit__(*error)


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """Return the classes and functions that `register_keras_serializable` registered, by "package>
    name"; a dict that may be changed."""
    return serialization.registered


def get_registered_name(obj: Any) -> str:
    """Return the name under which a class or function is registered, or its own name."""
    return next(
        (name for name, each in serialization.registered.items() if each is obj), obj.__name__
    )


def get_registered_object(
    name: str,
    custom_objects: dict[str, Any] | None = None,
    module_objects: dict[str, Any] | None = None,
) -> Any:
    """Return the class or function of a name, None if there is none.

    Those of the scopes around come first, then registered ones, `custom_objects` and
    `module_objects`.
    """
    return serialization.own_object(name) or next(
        (things[name] for things in (custom_objects, module_objects) if things and name in things),
        None,
    )


def serialize_keras_object(obj: Any) -> Any:
    """Return an object as plain data: a layer, loss, optimizer ... as in Keras's files, a function
    by its name, arrays as their numbers; lists and dicts of such objects.

    Raises TypeError for anything else.
    """
    if obj is None or isinstance(obj, (str, bool, int, float)):
        return obj
    if isinstance(obj, (list, tuple)):
        return [serialize_keras_object(each) for each in obj]
    if isinstance(obj, dict):
        return {key: serialize_keras_object(each) for key, each in obj.items()}
    return serialization.plain(obj)


def deserialize_keras_object(
    config: Any, custom_objects: dict[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """Return what `serialize_keras_object` described.

    Args:
        config: the plain data.
        custom_objects: dict of classes and functions that it may name.
        safe_mode: must be True; descriptions run no code.

    Raises ValueError for a class or function that is not known, and `safe_mode=False`.
    """
    if not safe_mode:
        raise ValueError("`safe_mode` must be True; descriptions never run code, received False")
    with serialization.custom_classes(custom_objects):
        return _made(config)


def _made(config: Any) -> Any:
    if isinstance(config, list):
        return [_made(each) for each in config]
    if not isinstance(config, dict):
        return config
    name = config.get("class_name")
    if name is None:
        return {key: _made(each) for key, each in config.items()}
    if name == "__numpy__":
        return np.array(config["config"]["value"], config["config"]["dtype"])
    if name == "function":
        function = serialization.named_object(config)
        return _function(function) if isinstance(function, str) else function
    own = serialization.own_class(config)
    if own is not None:
        return own.from_config(config["config"])
    model = serialization.model_class(config)
    if model is not None:
        return model.from_config(config["config"])
    kind = str(config.get("module")).removeprefix("keras.")
    if kind not in KINDS:
        raise ValueError(f"{str(config.get('module'))[:100]}.{str(name)[:100]} is not supported")
    return serialization.deserialize(config, kind)


def _function(name: str) -> Any:
    """Return the function of fastconv of this name: an activation, a loss or a metric."""
    from fastconv import activations, losses, metrics

    for module in (activations, losses, metrics):
        function = getattr(module, name, None)
        if callable(function) and getattr(function, "__name__", None) == name:
            return function
    raise ValueError(f"expected the name of a function, received {name[:100]!r}")
