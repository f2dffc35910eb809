"""Mutations of Python source: small changes of meaning, each of which some test should notice."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_BOUNDS: Final = {"min": "max", "max": "min"}
_TEXT_METHODS: Final = {"casefold", "lower", "lstrip", "rstrip", "strip", "upper"}

#: What is written for people, where any wording would do.
_NOT_TESTED: Final = {"__repr__", "__str__"}
_LOGGERS: Final = {"logger", "warnings", "_warnings"}

_Node: TypeAlias = ast.expr | ast.stmt


@dataclass(frozen=True)
class Mutation:
    """A change of one module.

    Attributes:
        line: where it is, counted from 1.
        before: what is there.
        after: what takes its place.
        source: the whole module after it.
    """

    line: int
    before: str
    after: str
    source: str


def mutations(source: str) -> list[Mutation]:
    """All changes of a module that are known here.

    They are in functions only: what stands outside of them are names, types, and limits of whose
    value a test knows no more than the module itself.
    """
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found = []
    data = source.encode()
    for node, after in _in_functions(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        text = f"({after})" if isinstance(node, ast.expr) else after
        changed = (data[:start] + text.encode() + data[end:]).decode()
        before = " ".join(data[start:end].decode().split())
        [statement] = ast.parse(text).body
        other = statement.value if isinstance(statement, ast.Expr) else statement
        same = node.value if isinstance(node, ast.Expr) else node
        if ast.dump(other) != ast.dump(same):
            found.append(Mutation(node.lineno, before, after, changed))
    return found


def some(source: str, count: int, seed: str) -> list[Mutation]:
    """At most so many of them, in their order; the same for the same seed."""
    found = mutations(source)
    chosen = random.Random(seed).sample(range(len(found)), min(count, len(found)))
    return [found[index] for index in sorted(chosen)]


def _in_functions(tree: ast.AST) -> Iterator[tuple[_Node, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name not in _NOT_TESTED:
                has_text = ast.get_docstring(node) is not None
                for statement in node.body[1 if has_text else 0 :]:
                    yield from _of(statement)
        elif isinstance(node, ast.ClassDef | ast.If):
            yield from _in_functions(node)


def _of(node: ast.AST) -> Iterator[tuple[_Node, str]]:
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr) or _is_log(node):
        if isinstance(node, ast.Raise):
            yield node, "pass"
        return
    if isinstance(node, ast.stmt):
        yield from ((node, after) for after in _statements(node))
    if isinstance(node, ast.expr):
        yield from ((node, after) for after in _expressions(node))
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Constant):
        yield node.test, f"not ({ast.unparse(node.test)})"
    for child in ast.iter_child_nodes(node):
        if not _is_annotation(node, child):
            yield from _of(child)


def _is_annotation(node: ast.AST, child: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign):
        return child is node.annotation
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return child in (node.args, node.returns) or child in node.decorator_list
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "cast":
        return bool(node.args) and child is node.args[0]
    # Of match, only what is done in each case.
    return isinstance(child, ast.pattern)


def _is_log(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    function = node.value.func
    if not isinstance(function, ast.Attribute):
        return False
    owner = function.value
    name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
    return name in _LOGGERS


def _statements(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "pass"
    elif isinstance(node, ast.AugAssign):
        yield "pass"
        other = _OPERATORS.get(type(node.op))
        if other is not None:
            yield ast.unparse(ast.AugAssign(node.target, other(), node.value))
    elif (
        isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)
    ) or isinstance(node, ast.Delete):
        yield "pass"
    elif isinstance(node, ast.Return) and not _is_none(node.value):
        yield "return None"
    elif isinstance(node, ast.Continue):
        yield "break"


def _sets_attribute(node: ast.stmt) -> bool:
    # A name that is not set is an error at its first use.
    return isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _expressions(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield str(not node.value)
        elif isinstance(node.value, int | float):
            yield repr(node.value + 1)
            yield repr(node.value - 1)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        other = _COMPARISONS[type(node.ops[0])]()
        yield ast.unparse(ast.Compare(node.left, [other], node.comparators))
    elif isinstance(node, ast.BoolOp):
        swapped = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.unparse(ast.BoolOp(swapped, node.values))
        for index in range(len(node.values)):
            rest = node.values[:index] + node.values[index + 1 :]
            yield ast.unparse(ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield ast.unparse(node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield ast.unparse(ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right))
    elif isinstance(node, ast.Call):
        yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[str]:
    function = node.func
    if isinstance(function, ast.Name) and function.id in _BOUNDS:
        yield ast.unparse(ast.Call(ast.Name(_BOUNDS[function.id]), node.args, node.keywords))
    elif isinstance(function, ast.Attribute) and function.attr in _TEXT_METHODS and not node.args:
        yield ast.unparse(function.value)
