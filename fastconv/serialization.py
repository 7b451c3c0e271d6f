"""Objects as plain data and back, in the form that Keras's files use.

    {"module": "keras.layers", "class_name": "Dense", "config": {...}, "registered_name": null}

The way back goes through closed lists of classes: a name that is not on the list of its kind is
refused. Nothing is ever imported, looked up or executed because a file says so.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fastconv.naming import snake_case

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


def serialize(thing: Any) -> dict[str, Any] | None:
    """`thing` as module, class name and configuration; None as None."""
    if thing is None:
        return None
    return {
        "module": thing.module,
        "class_name": class_name(thing),
        "config": thing.get_config(),
        "registered_name": getattr(thing, "registered_name", None),
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
    if config.get("module") != f"keras.{kind}" or name not in classes:
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
            )
        return cls()
    article = "an" if base.__name__[0] in "AEIO" else "a"
    raise TypeError(
        f"`{singular}` must be a name or {article} {base.__name__}, received {identifier!r}"
    )
