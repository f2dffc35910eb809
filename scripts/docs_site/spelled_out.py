"""Has the reference show the arguments of a function with ``**options`` as ``help`` does."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from typing import Any

import aliases
import griffe


class SpelledOut(griffe.Extension):
    """Puts what the signature has at run time in the place of a ``TypedDict``."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        keywords = next(
            (p for p in func.parameters if p.kind is griffe.ParameterKind.var_keyword), None
        )
        if keywords is None or "Unpack[" not in str(keywords.annotation):
            return
        function: Any = import_module(func.module.path)
        for name in func.path.removeprefix(f"{func.module.path}.").split("."):
            function = getattr(function, name)
        del func.parameters[keywords.name]
        if func.docstring is not None:
            func.docstring.value = re.sub(
                rf"(?m)^ *\*\*{keywords.name}:.*\n", "", func.docstring.value
            )
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name not in func.parameters:
                func.parameters.add(
                    griffe.Parameter(
                        parameter.name,
                        annotation=_linked(str(parameter.annotation), func),
                        kind=griffe.ParameterKind.keyword_only,
                        default=repr(parameter.default),
                    )
                )


def _linked(annotation: str, function: griffe.Function) -> griffe.Expr | str | None:
    """An annotation whose names lead to the reference, wherever they were written."""
    where = aliases.places()
    tree = ast.parse(annotation, mode="eval").body
    expression = griffe.safe_get_annotation(tree, parent=function.module)
    if isinstance(expression, griffe.Expr):
        for name in expression.iterate(flat=True):
            if isinstance(name, griffe.ExprName) and name.name in where:
                name.parent = where[name.name]
    return expression
