"""The reference has a word on each parameter of a public function, and each field of a record."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Final

import pytest

import trio_rtc

from ..scripts import ROOT, script

public_names = script("public_names")

#: A name that tells all, and one that stands for those of another function.
UNDERSTOOD: Final = {"self", "cls", "task_status", "options"}

#: A method that Trio's own interfaces describe.
OF_OTHERS: Final = {"ChannelStream.send_all"}

#: Protocols of which a `Call` is one.
LIKE_A_CALL: Final = {"OpensChannels", "VoiceCall"}

#: What a function of ours gives, to be handed to another one.
HANDED_ON: Final = {"PeerHost"}

FUNCTIONS: Final = {
    name: function
    for name in trio_rtc.__all__
    if inspect.isfunction(function := inspect.unwrap(getattr(trio_rtc, name)))
}
CLASSES: Final[dict[str, Any]] = {
    name: value for name in trio_rtc.__all__ if inspect.isclass(value := getattr(trio_rtc, name))
}


def methods() -> Iterator[tuple[str, Any, str]]:
    """Those of public classes that programs call, each with what is said of it."""
    for name, value in CLASSES.items():
        for attribute, member in vars(value).items():
            function = getattr(member, "__func__", member)
            if attribute in public_names.OF_OUR_OWN.get(name, ()):
                continue
            if not attribute.startswith("_") and inspect.isfunction(function):
                text = inspect.getdoc(getattr(value, attribute)) or ""
                yield f"{name}.{attribute}", function, text + (inspect.getdoc(value) or "")


def missing(function: Any, text: str) -> list[str]:
    """The parameters of which nothing is said."""
    named = set(inspect.signature(function).parameters) - UNDERSTOOD
    return sorted(name for name in named if not re.search(rf"\b{name}\b", text))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_parameter_of_a_function(name: str) -> None:
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    parameters = inspect.signature(function).parameters
    if re.search(r"options: as |arguments are those of", text):
        # The others are where this one says.
        own = (set(parameters) - UNDERSTOOD) & set(function.__code__.co_varnames)
        assert [one for one in own if not re.search(rf"\b{one}\b", text)] == []
    else:
        assert missing(function, text) == []


def test_each_parameter_of_a_method() -> None:
    unsaid = {name: missing(function, text) for name, function, text in methods()}
    assert {name: what for name, what in unsaid.items() if what and name not in OF_OTHERS} == {}


def fields_of(value: Any) -> list[str]:
    """Those of a dataclass or a struct; nothing of another class."""
    names = [one.name for one in fields(value)] if is_dataclass(value) else []
    return [*names, *getattr(value, "__struct_fields__", ())]


@pytest.mark.parametrize("name", [name for name, value in CLASSES.items() if fields_of(value)])
def test_each_field_of_a_record(name: str) -> None:
    # A record that has more than another one says only what that is.
    text = "\n".join(vars(one).get("__doc__") or "" for one in CLASSES[name].__mro__)
    public = [field for field in fields_of(CLASSES[name]) if not field.startswith("_")]
    assert [one for one in public if not re.search(rf"^ *{one}: ", text, re.M)] == []


@pytest.fixture
def aliases(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The part of the site's builder that knows the types of parameters."""
    for folder in ("scripts", "scripts/docs_site"):
        monkeypatch.syspath_prepend(ROOT / folder)
    return script("aliases", folder="scripts/docs_site")


def test_each_type_that_is_no_class_says_what_it_is(aliases: ModuleType) -> None:
    paths = [*aliases.aliases(), *aliases.public_aliases()]
    assert "trio_rtc.calls.calling.Handler" in paths
    assert "trio_rtc.rtc.media.track.Kind" in paths
    for path in paths:
        module, _, name = path.rpartition(".")
        body = ast.parse(inspect.getsource(import_module(module))).body
        (place,) = (
            number
            for number, node in enumerate(body)
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and ast.unparse(node).startswith((f"{name} = ", f"{name}: TypeAlias = "))
        )
        said = body[place + 1]
        assert isinstance(said, ast.Expr), path
        assert isinstance(said.value, ast.Constant), path


def test_what_a_program_has_to_give_it_can_make(aliases: ModuleType) -> None:
    """A class of ours that a parameter wants is a public name."""
    public = {path.rpartition(".")[2] for path in public_names.public_names()}
    wanted: dict[str, str] = {}
    for function in public_functions():
        for module, parameter, text in aliases.annotations_of(function):
            for word in re.findall(r"\b[A-Z]\w+", "" if parameter == "return" else text):
                value = vars(sys.modules[module]).get(word)
                if inspect.isclass(value) and value.__module__.startswith("trio_rtc."):
                    wanted[word] = f"{function.__qualname__}({parameter})"
    assert "IceServer" in wanted
    unmade = wanted.keys() - public - LIKE_A_CALL - HANDED_ON
    assert {word: wanted[word] for word in unmade if not word.endswith("Keywords")} == {}


def public_functions() -> Iterator[Any]:
    for name in public_names.MODULES:
        module = import_module(name)
        for attribute in getattr(module, "__all__", None) or vars(module):
            value = inspect.unwrap(getattr(module, attribute))
            if inspect.isfunction(value) and not attribute.startswith("_"):
                yield value
