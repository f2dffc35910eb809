"""Keyword arguments that several functions share: said once, and shown by ``help`` in full."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., object])


def spelled_out(keywords: type[Mapping[str, object]], options: type[Any]) -> Callable[[F], F]:
    """Have ``help`` show each keyword argument of a function, with its default.

    Args:
        keywords: a `TypedDict` of them, as programs give them.
        options: the dataclass that has their defaults.
    """
    defaults = {field.name: field.default for field in fields(options)}

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shared = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults[name],
                annotation=getattr(hint, "__forward_arg__", hint),
            )
            for name, hint in keywords.__annotations__.items()
        ]
        vars(function)["__signature__"] = signature.replace(parameters=[*own, *shared])
        return function

    return decorate


def check_keywords(
    function: str, keywords: type[Mapping[str, object]], given: Mapping[str, object]
) -> None:
    """Look whether a function takes what it has been given.

    Raises:
        TypeError: there is no such argument, in Python's words.
    """
    for name in given:
        if name not in keywords.__annotations__:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
