"""Objects as plain data and back, in the form that Keras's files use.

    {"module": "keras.layers", "class_name": "Dense", "config": {...}, "registered_name": null}

The way back goes through closed lists of classes: a name that is not on the list of its kind is
refused. Nothing is ever imported, looked up or executed because a file says so. Users add classes
and functions of their own to the lists, by `register_keras_serializable` or, while a file is read,
as `custom_objects`. A function is described by its name alone:

    {"module": "builtins", "class_name": "function", "config": "rmse",
     "registered_name": "function"}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any, overload

import numpy as np

from fastconv.common.naming import is_builtin, snake_case
from fastconv.common.parsing import parsing
from fastconv.common.suggestions import did_you_mean

# kind -> the module whose CLASSES may be made from a configuration
KINDS = {
    "constraints": "fastconv.constraints",
    "initializers": "fastconv.initializers",
    "layers": "fastconv.layers",
    "losses": "fastconv.losses",
    "metrics": "fastconv.metrics",
    "models": "fastconv.models",
    "optimizers": "fastconv.optimizers",
    "optimizers.schedules": "fastconv.optimizers.schedules",
    "regularizers": "fastconv.regularizers",
}
# Modules in Keras of the classes of models.
_MODEL_MODULES = ("keras", "keras.models", "keras.src.models.functional", "keras.src.models.model")

# Additional entries in the descriptions of shared layers: see `fastconv.models.sharing`.
SHARING_ENTRIES = ("shared_object_id", "calls_before")

_BASES = {
    "constraints": "Constraint",
    "initializers": "Initializer",
    "layers": "Layer",
    "losses": "Loss",
    "metrics": "Metric",
    "models": "Model",
    "optimizers": "Optimizer",
    "optimizers.schedules": "LearningRateSchedule",
    "regularizers": "Regularizer",
}


def class_name(thing: Any) -> str:
    """What files call the class of `thing`: its attribute `class_name`, or the class's own name."""
    return getattr(thing, "class_name", type(thing).__name__)


# Users' own classes and functions: for good, and while a file is being read.
registered: dict[str, Any] = {}
_given: ContextVar[dict[str, Any]] = ContextVar("_given", default={})  # noqa: B039  (never changed)

# Those that a description has named so far, while one is made.
_named: ContextVar[dict[str, Any] | None] = ContextVar("_named", default=None)


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Any], Any]:
    """A decorator for a class (layer, loss, metric ...) or function (metric, initializer) of your
    own, so that files may name it.

    Args:
        package: tells your classes and functions from those of others.
        name: by default that of the class or function.

    Raises TypeError for something that is neither a function nor a class with `get_config` and
    `from_config`, ValueError for a name that is taken.

    >>> from fastconv import initializers
    >>> from fastconv.saving import register_keras_serializable
    >>> @register_keras_serializable("examples")
    ... class Halves(initializers.Constant):
    ...     pass
    """

    def register(thing: Any) -> Any:
        _check_own(thing)
        full = f"{package}>{name or thing.__name__}"
        taken = registered.get(full, thing)
        if (taken.__module__, taken.__qualname__) != (thing.__module__, thing.__qualname__):
            raise ValueError(f"{full!r} is registered already, for {taken!r}; received {thing!r}")
        registered[full] = thing
        return thing

    return register


@contextmanager
def custom_classes(things: dict[str, Any] | None) -> Iterator[None]:
    """Inside of the block, classes and functions in `things` are found by their names, as are those
    of the blocks around it.

    Raises TypeError if they are neither.
    """
    if not isinstance(things or {}, dict):
        raise TypeError(
            f"`custom_objects` must be a dict of classes and functions, received {things!r}"
        )
    for thing in (things or {}).values():
        _check_own(thing)
    token = _given.set({**_given.get(), **(things or {})})
    try:
        yield
    finally:
        _given.reset(token)


@contextmanager
def named_objects() -> Iterator[dict[str, Any]]:
    """Inside of the block, gathers the users' classes and functions that descriptions name.

    Raises ValueError if two of them have the same name: loading could not tell them apart.
    """
    names: dict[str, Any] = {}
    token = _named.set(names)
    try:
        yield names
    finally:
        _named.reset(token)


class SameName(ValueError):
    """Two functions have one name, so a file cannot tell them apart."""


def _check_own(thing: Any) -> None:
    if isinstance(thing, type):
        good = hasattr(thing, "get_config") and hasattr(thing, "from_config")
    else:
        good = callable(thing) and hasattr(thing, "__name__")
    if not good:
        raise TypeError(
            f"expected a function or a class with get_config and from_config, received {thing!r}"
        )


def _own_name(thing: Any) -> str:
    """The name under which a description knows a user's class or function."""
    name = next((name for name, each in registered.items() if each is thing), thing.__name__)
    names = _named.get()
    if names is not None and names.setdefault(name, thing) is not thing:
        functions = not isinstance(thing, type) and not isinstance(names[name], type)
        raise (SameName if functions else ValueError)(
            f"two classes or functions are called {name!r}, and a file knows them by their names; "
            f"give them different ones: {names[name]!r} and {thing!r}"
        )
    return name


def _registered_name(thing: Any) -> str | None:
    cls = type(thing)
    return getattr(thing, "registered_name", None) if is_builtin(cls) else _own_name(cls)


def own_object(name: Any) -> Any:
    """The user's class or function of this name, None if there is none."""
    return (_given.get().get(name) or registered.get(name)) if isinstance(name, str) else None


def own_class(config: dict[str, Any]) -> type | None:
    """The user's class that a description names, if there is one."""
    found = own_object(config.get("registered_name")) or own_object(config.get("class_name"))
    return found if isinstance(found, type) else None


def describe_function(function: Any) -> dict[str, Any]:
    """A function as Keras's files have it: by its name; TypeError if it has none."""
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(
            f"a function must have a name, by which a file knows it, received {function!r}; define "
            "it by `def`"
        )
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name if is_builtin(function) else _own_name(function),
        "registered_name": "function",
    }


def named_object(identifier: Any) -> Any:
    """What `identifier` means if it is the name or description of a function, or the name of
    something of the user's: that thing, or the name of a function of fastconv's.

    Everything else stays as it is.
    """
    module = "builtins"  # where Keras says that all functions live
    if isinstance(identifier, dict) and identifier.get("class_name") == "function":
        module, identifier = identifier.get("module"), identifier.get("config")
        if not isinstance(identifier, str):
            raise ValueError(f"expected the name of a function, received {identifier!r:.100}")
    own = own_object(identifier)
    if own is not None:
        return own
    # A function of another module is none of fastconv's, whatever its name.
    return identifier if module in ("builtins", None) else f"{module!s:.100}.{identifier}"


@overload
def serialize(thing: None) -> None: ...


@overload
def serialize(thing: object) -> dict[str, Any]: ...


def serialize(thing: Any) -> dict[str, Any] | None:
    """`thing` as module, class name and configuration; None as None.

    What was made of a function (its attribute `wrapped_function`) is described as the function.
    """
    if thing is None:
        return None
    function = getattr(thing, "wrapped_function", None)
    if function is not None:
        return describe_function(function)
    return {
        "module": thing.module if is_builtin(type(thing)) else type(thing).__module__,
        "class_name": class_name(thing),
        "config": thing.get_config(),
        "registered_name": _registered_name(thing),
    }


def plain(value: Any) -> Any:
    """`value`, of which JSON makes nothing itself, as something of which it does.

    For numbers and arrays of NumPy, and for objects and functions in the configurations of layers;
    TypeError for anything else.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        inner = {"value": value.tolist(), "dtype": value.dtype.name}
        return {"class_name": "__numpy__", "config": inner}
    if hasattr(value, "get_config") and not isinstance(value, type):
        return serialize(value)
    if callable(value) and not isinstance(value, type):
        return describe_function(value)
    raise TypeError(f"a configuration must be plain data, received {value!r:.200}")


def deserialize(config: Any, kind: str) -> Any:
    """The object of `kind` ("layers", "losses" ...) that `config` describes.

    Raises ValueError if it is not such a description, its class is not one of fastconv's, or its
    configuration asks for something unsupported; TypeError for arguments of the wrong type.
    """
    classes = import_module(KINDS[kind]).CLASSES
    name = config.get("class_name") if isinstance(config, dict) else None
    settings = config.get("config") if isinstance(config, dict) else None
    if not isinstance(name, str) or not isinstance(settings, dict):
        raise ValueError(
            f"expected a description of one of {kind} with 'class_name' and 'config', "
            f"received {str(config)[:100]}"
        )
    own = own_class(config)
    if own is not None:
        base = getattr(import_module(KINDS[kind]), _BASES[kind])
        if not issubclass(own, base):
            raise ValueError(f"{own!r} is not one of {kind}: it must be a subclass of {base!r}")
        return own.from_config(settings)
    # Classes that Keras does not have are listed under a module of fastconv's. Dicts that programs
    # write by hand, and those of Keras 2, have no module.
    if kind == "optimizers":  # of which Keras takes names in any case: "sgd"
        name = {each.lower(): each for each in classes}.get(name.lower(), name)
    modules = (f"keras.{kind}", getattr(classes.get(name), "module", None), None)
    if config.get("module") not in modules or name not in classes:
        raise ValueError(
            f"{str(config.get('module'))[:100]}.{name[:100]} is not supported; of {kind}, there "
            f"are {sorted(classes)}; a class of your own must be registered or given in "
            "`custom_objects`"
        )
    with parsing(f"cannot make {name}", raised=ValueError, passing=(TypeError,)):
        return classes[name].from_config(settings)


def model_class(description: dict[str, Any]) -> type | None:
    """Return the model class of `description`, None if it does not describe a model.

    A custom class must be registered or given in `custom_objects`.
    """
    own, module = own_class(description), import_module(KINDS["models"])
    if own is not None and issubclass(own, module.Model):
        return own
    name = description.get("class_name")
    known = description.get("module") in _MODEL_MODULES and isinstance(name, str)
    return module.CLASSES.get(name) if known else None


def class_names(kind: str) -> list[str]:
    """Return the names of all classes of `kind`, sorted."""
    return sorted(import_module(KINDS[kind]).CLASSES)


def get(identifier: Any, kind: str) -> Any:
    """Return the result of the function `get` of `kind` for `identifier`."""
    return import_module(KINDS[kind]).get(identifier)


def serializers(kind: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the functions `serialize` and `deserialize` of the namespace of `kind`."""

    def serialize_one(thing: Any) -> dict[str, Any] | str | None:
        if callable(thing) and hasattr(thing, "__name__") and not isinstance(thing, type):
            return describe_function(thing)["config"]
        if thing is not None and not isinstance(
            thing, getattr(import_module(KINDS[kind]), _BASES[kind])
        ):
            raise TypeError(f"expected one of {kind}, received {thing!r}")
        return serialize(thing)

    def deserialize_one(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        with custom_classes(custom_objects):
            # Schedules have no names, and layers no function `get`.
            if kind in ("layers", "optimizers.schedules"):
                return deserialize(config, kind)
            return get(config, kind)

    serialize_one.__name__ = serialize_one.__qualname__ = "serialize"
    serialize_one.__doc__ = f"""Return one of {kind} as plain data, as files have it.

    None gives None, a function its name. Raises TypeError for any other object.
    """
    deserialize_one.__name__ = deserialize_one.__qualname__ = "deserialize"
    deserialize_one.__doc__ = f"""Return the object that `serialize` of {kind} described.

    `custom_objects` maps names to classes and functions that are not fastconv's own. Raises
    ValueError for a description of another kind, or with an unknown class.
    """
    module = KINDS[kind]
    serialize_one.__module__ = deserialize_one.__module__ = module
    return serialize_one, deserialize_one


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
    identifier = named_object(identifier)
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier, kind)
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, str):
        classes = import_module(KINDS[kind]).CLASSES
        names = {snake_case(name): cls for name, cls in classes.items()} | (aliases or {})
        cls = names.get(identifier) or classes.get(identifier)
        if cls is None:
            raise ValueError(
                f"`{singular}` must be one of {sorted(names)}, received {identifier[:100]!r}"
                f"{did_you_mean(identifier[:100], names)}; what is your own must be registered or "
                "given in `custom_objects`"
            )
        return cls()
    article = "an" if base.__name__[0] in "AEIO" else "a"
    raise TypeError(
        f"`{singular}` must be a name or {article} {base.__name__}, received {identifier!r}"
    )
