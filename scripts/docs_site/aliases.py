"""The type aliases that signatures of public names have, and where each is defined."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any, Final, TypeVar, TypeVarTuple

import public_names
import reference

OURS: Final = "trio_rtc."


def annotations_of(value: Any) -> Iterator[tuple[str, str, str]]:
    """The annotations of a function, or of the public members of a class.

    Each comes with its module, and with the name of the parameter or the attribute; that of what a
    function returns is ``return``.
    """
    if inspect.isclass(value):
        for base in value.__mro__:
            if not base.__module__.startswith(OURS):
                continue
            hidden = public_names.OF_OUR_OWN.get(base.__name__, ())
            for name, text in vars(base).get("__annotations__", {}).items():
                if not name.startswith("_"):
                    yield base.__module__, name, str(text)
            for name, member in vars(base).items():
                function = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if not name.startswith("_") and name not in hidden and inspect.isfunction(function):
                    yield from annotations_of(function)
    elif inspect.isroutine(value):
        function = inspect.unwrap(value)
        for name, text in getattr(function, "__annotations__", {}).items():
            yield function.__module__, name, str(text)
            for options in re.findall(r"Unpack\[(\w+)\]", str(text)):
                yield from annotations_of(getattr(sys.modules[function.__module__], options))


def home_of(name: str, value: object) -> str | None:
    """The module of ours that defines this alias; None if it is no alias of ours."""
    for module_name, module in sorted(sys.modules.items()):
        if module_name.startswith(OURS) and vars(module).get(name) is value:
            source = inspect.getsource(module)
            if re.search(rf"^{name}(: TypeAlias)? = ", source, re.M):
                return module_name
    return None


def aliases() -> list[str]:
    """The path of each alias that a public name has in its signature."""
    found: dict[str, None] = {}
    public = {name.rpartition(".")[2] for name in reference.all_names()}
    for path in reference.all_names():
        module_name, _, name = path.rpartition(".")
        for home, _, text in annotations_of(getattr(import_module(module_name), name)):
            for word in re.findall(r"\b[A-Z]\w+", text):
                value = vars(sys.modules[home]).get(word)
                if word in public or isinstance(value, type | TypeVar | TypeVarTuple | None):
                    continue
                if (defined := home_of(word, value)) is not None:
                    found[f"{defined}.{word}"] = None
    return sorted(found, key=lambda path: path.rpartition(".")[2])


def public_aliases() -> list[str]:
    """Where the aliases are defined that are public names themselves."""
    found = []
    for path in reference.all_names():
        module_name, _, name = path.rpartition(".")
        value = getattr(import_module(module_name), name)
        if not isinstance(value, type) and (home := home_of(name, value)) is not None:
            found.append(f"{home}.{name}")
    return sorted(found)


@cache
def places() -> dict[str, str]:
    """Under which module the reference has a name that stands in a signature."""
    paths = (*aliases(), *reference.all_names())
    return {name: module for module, _, name in (path.rpartition(".") for path in paths)}
