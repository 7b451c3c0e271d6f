"""Objects as plain data and back, in the form that Keras's files use.

    {"module": "keras.layers", "class_name": "Dense", "config": {...}, "registered_name": null}

The way back goes through closed lists of classes: a name that is not on the list of its kind is
refused. Nothing is ever imported, looked up or executed because a file says so. Users add classes
of their own to the lists, by `register_keras_serializable` or, while a file is read, as
`custom_objects`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from fastconv.naming import snake_case
from fastconv.suggestions import did_you_mean

# kind -> the module whose CLASSES may be made from a configuration
_KINDS = {
    "constraints": "fastconv.constraints",
    "initializers": "fastconv.initializers",
    "layers": "fastconv.layers",
    "losses": "fastconv.losses",
    "metrics": "fastconv.metrics",
    "optimizers": "fastconv.optimizers",
    "optimizers.schedules": "fastconv.optimizers.schedules",
    "regularizers": "fastconv.regularizers",
}


def class_name(thing: Any) -> str:
    """What files call the class of `thing`: its attribute `class_name`, or the class's own name."""
    return getattr(thing, "class_name", type(thing).__name__)


# Users' own classes: for good, and while a file is being read.
_registered: dict[str, type] = {}
_given: ContextVar[dict[str, type]] = ContextVar("_given", default={})  # noqa: B039  (never changed)


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[type], type]:
    """A decorator for a class of your own (layer, loss, metric ...), so that files may name it.

    Args:
        package: tells your classes from those of others.
        name: by default the name of the class.

    Raises TypeError for something that is no class with `get_config` and `from_config`, ValueError
    for a name that is taken.

    >>> from fastconv import initializers
    >>> from fastconv.saving import register_keras_serializable
    >>> @register_keras_serializable("examples")
    ... class Halves(initializers.Constant):
    ...     pass
    """

    def register(cls: type) -> type:
        _check_class(cls)
        full = f"{package}>{name or cls.__name__}"
        taken = _registered.get(full, cls)
        if (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"{full!r} is registered already, for {taken!r}; received {cls!r}")
        _registered[full] = cls
        return cls

    return register


@contextmanager
def custom_classes(classes: dict[str, type] | None) -> Iterator[None]:
    """Inside of the block, `classes` may be made by their names; TypeError if they are none."""
    if not isinstance(classes or {}, dict):
        raise TypeError(f"`custom_objects` must be a dict of classes, received {classes!r}")
    for cls in (classes or {}).values():
        _check_class(cls)
    token = _given.set(dict(classes or {}))
    try:
        yield
    finally:
        _given.reset(token)


def is_builtin(cls: type) -> bool:
    """Whether the class is fastconv's own."""
    return cls.__module__.partition(".")[0] == "fastconv"


def _check_class(cls: Any) -> None:
    if (
        not isinstance(cls, type)
        or not hasattr(cls, "get_config")
        or not hasattr(cls, "from_config")
    ):
        raise TypeError(f"expected a class with get_config and from_config, received {cls!r}")


def _registered_name(thing: Any) -> str | None:
    cls = type(thing)
    if is_builtin(cls):
        return getattr(thing, "registered_name", None)
    return next((name for name, each in _registered.items() if each is cls), cls.__name__)


def _own_class(config: dict[str, Any]) -> type | None:
    """The user's class that a description names, if there is one."""
    given = _given.get()
    for name in (config.get("registered_name"), config["class_name"]):
        if isinstance(name, str):
            found = given.get(name) or _registered.get(name)
            if found is not None:
                return found
    return None


def serialize(thing: Any) -> dict[str, Any] | None:
    """`thing` as module, class name and configuration; None as None."""
    if thing is None:
        return None
    return {
        "module": thing.module if is_builtin(type(thing)) else type(thing).__module__,
        "class_name": class_name(thing),
        "config": thing.get_config(),
        "registered_name": _registered_name(thing),
    }


def deserialize(config: Any, kind: str) -> Any:
    """The object of `kind` ("layers", "losses" ...) that `config` describes.

    Raises ValueError if it is not such a description, its class is not one of fastconv's, or its
    configuration asks for something unsupported; TypeError for arguments of the wrong type.
    """
    classes = import_module(_KINDS[kind]).CLASSES
    name = config.get("class_name") if isinstance(config, dict) else None
    settings = config.get("config") if isinstance(config, dict) else None
    if not isinstance(name, str) or not isinstance(settings, dict):
        raise ValueError(
            f"expected a description of one of {kind} with 'class_name' and 'config', "
            f"received {str(config)[:100]}"
        )
    own = _own_class(config)
    if own is not None:
        return own.from_config(settings)
    # Classes that Keras has not are known by a module of fastconv's.
    modules = (f"keras.{kind}", getattr(classes.get(name), "module", None))
    if config.get("module") not in modules or name not in classes:
        raise ValueError(
            f"{config.get('module')}.{name} is not supported; "
            f"of {kind}, there are {sorted(classes)}"
        )
    return classes[name].from_config(settings)


def find(
    identifier: Any,
    kind: str,
    base: type,
    *,
    aliases: dict[str, type] | None = None,
    optional: bool = False,
) -> Any:
    """The object of `kind` that a name, an object, its class or a serialized configuration means.

    Names are those of the classes, the same in snake case, and `aliases`. None stays None where it
    is `optional`.

    Raises ValueError for an unknown name (the message lists all), TypeError for anything else.
    """
    singular = "loss" if kind == "losses" else kind.removesuffix("s")
    if identifier is None and optional:
        return None
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier, kind)
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, str):
        classes = import_module(_KINDS[kind]).CLASSES
        names = {snake_case(name): cls for name, cls in classes.items()} | (aliases or {})
        cls = names.get(identifier) or classes.get(identifier)
        if cls is None:
            raise ValueError(
                f"`{singular}` must be one of {sorted(names)}, received {identifier!r}"
                f"{did_you_mean(identifier, names)}"
            )
        return cls()
    article = "an" if base.__name__[0] in "AEIO" else "a"
    raise TypeError(
        f"`{singular}` must be a name or {article} {base.__name__}, received {identifier!r}"
    )
