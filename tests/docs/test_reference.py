"""The reference has a word on each parameter of a public function, and each field of a record."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Final

import pytest

import trio_rtc

#: A name that tells all, and one that stands for those of another function.
UNDERSTOOD: Final = {"self", "cls", "task_status", "options"}

#: Methods that Trio's own interfaces describe, and those by which the classes know each other.
OF_OTHERS: Final = {
    *("ChannelStream.send_all", "TrackSender.is_of"),
    *(f"Signaling.{name}" for name in ("failed", "joined", "lost", "received")),
}

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


@pytest.mark.parametrize("name", [name for name, value in CLASSES.items() if is_dataclass(value)])
def test_each_field_of_a_record(name: str) -> None:
    # A record that has more than another one says only what that is.
    text = "\n".join(vars(one).get("__doc__") or "" for one in CLASSES[name].__mro__)
    public = [field.name for field in fields(CLASSES[name]) if not field.name.startswith("_")]
    assert [one for one in public if not re.search(rf"^ *{one}: ", text, re.M)] == []
