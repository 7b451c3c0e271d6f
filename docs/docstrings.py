"""Prepares docstrings for the reference of the guide: a griffe extension that `make docs` loads.

`readable` changes the text of a docstring. griffe reads the sources without running them; names
that exist only at run time, such as the metrics made from losses, are taken from the package.
"""

from __future__ import annotations

import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parents[1]))
from docs.readable import readable

PAGES = Path(__file__).parent / "api"
ENTRY = re.compile(r"^::: (fastconv\.\S+)", re.MULTILINE)


class Readable(griffe.Extension):
    """Rewrites every docstring when its object has been read."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        add_names_of_run_time(pkg)
        rewrite(pkg, set())


def add_names_of_run_time(pkg: griffe.Module) -> None:
    """Add what the pages list and the sources do not show, with its docstring and signature."""
    for page in sorted(PAGES.rglob("*.md")):
        for path in ENTRY.findall(page.read_text(encoding="utf-8")):
            module, _, name = path.rpartition(".")
            parent = pkg[module.removeprefix("fastconv.")]
            member = parent.members.get(name)
            if not is_described(member):
                value = getattr(import_module(module), name)
                if member is not None and not member.is_alias and member.is_module:
                    keep_members(parent, member)
                parent.set_member(name, described(module, name, value))


def keep_members(parent: griffe.Module, hidden: griffe.Module) -> None:
    """Move the members of `hidden`, whose name a function of `parent` also has, to `parent`."""
    for name, member in list(parent.members.items()):
        if member.is_alias and member.target_path == f"{hidden.path}.{name}":
            parent.set_member(name, member.final_target)


def is_described(member: griffe.Object | griffe.Alias | None) -> bool:
    if member is not None and member.is_alias:
        try:
            member = member.final_target
        except griffe.AliasResolutionError:
            member = None
    if member is None or member.is_module:
        return False
    return not member.is_attribute or member.docstring is not None


def described(module: str, name: str, value: Any) -> griffe.Object:
    """Return griffe's description of the public object `name`, which is `value`."""
    text = inspect.getdoc(value) or ""
    own = getattr(value, "__name__", name)
    if own != name and getattr(import_module(module), own, None) is value:
        text = f"Second name of [`{own}`][{module}.{own}]."
    if not callable(value):
        return griffe.Attribute(name, value=repr(value), docstring=griffe.Docstring(text))
    if not inspect.isclass(value):
        return with_signature(griffe.Function(name), value, text)
    result = griffe.Class(name, docstring=griffe.Docstring(text))
    result.set_member("__init__", with_signature(griffe.Function("__init__"), value, ""))
    return result


def with_signature(function: griffe.Function, value: Any, text: str) -> griffe.Function:
    for parameter in inspect.signature(value).parameters.values():
        empty = parameter.default is parameter.empty
        default = None if empty else repr(parameter.default)
        annotation = None if parameter.annotation is parameter.empty else str(parameter.annotation)
        kind = griffe.ParameterKind(parameter.kind.description)
        function.parameters.add(
            griffe.Parameter(parameter.name, kind=kind, default=default, annotation=annotation)
        )
    if text:
        function.docstring = griffe.Docstring(text, parent=function)
    return function


def rewrite(obj: griffe.Object, seen: set[str]) -> None:
    """Rewrite the docstrings of `obj` and of all that it contains."""
    if obj.path in seen:
        return
    seen.add(obj.path)
    if obj.is_class:
        add_inherited_signature(obj)
    if obj.docstring is not None:
        obj.docstring.value = readable(obj.docstring.value, parameter_names(obj))
    for member in list(obj.members.values()):
        if not member.is_alias:
            rewrite(member, seen)


def add_inherited_signature(cls: griffe.Class) -> None:
    """Give a class without `__init__` the one that it inherits, so that it shows a signature."""
    if "__init__" in cls.members:
        return
    for base in cls.mro():
        found = base.members.get("__init__")
        if found is not None and not found.is_alias:
            inherited = griffe.Function(
                "__init__", parameters=found.parameters, returns=found.returns
            )
            cls.set_member("__init__", inherited)
            return


def parameter_names(obj: griffe.Object) -> set[str]:
    """Return the names in the signature of a function or class."""
    if obj.is_class:
        obj = obj.members.get("__init__", obj)
    return {p.name for p in obj.parameters} if obj.is_function else set()
