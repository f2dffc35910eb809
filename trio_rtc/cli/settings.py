"""Settings out of flags, environment variables and a file, in this order of precedence."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "TRIO_RTC_"
ELSEWHERE: Final = frozenset(
    PREFIX + name
    for name in (
        "ADVERTISE", "ENGINE", "ICE_SERVERS", "ICE_TCP", "INTERFACES", "MDNS", "SCTP", "SERVER",
        "SIMULATIONS", "TOKEN", "UDP_MUX", "UDP_PORTS",
    )
)  # fmt: skip
"""Variables that calls and other commands read."""

FILE: Final = "settings"
"""The name of the setting that says where the file is, which the file itself cannot."""


class SettingsError(Exception):
    """A setting cannot be used. The message names it, and where it comes from."""


@dataclass(frozen=True)
class Kind:
    """What values a setting takes.

    Attributes:
        metavar: how help shows such a value.
        description: which values are good ones, after "is not".
        parse: makes a value of a flag's or variable's text, or raises ValueError.
        check: returns a value, of the file or parsed, as it is to be used; or raises ValueError.
    """

    metavar: str
    description: str
    parse: Callable[[str], object]
    check: Callable[[object], object]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: the key in the file; flag and variable follow from it.
        help: what it does, for people.
        unset: what its absence means, if the default is None.
        secret: its value is not to be shown. What is secret may also be in a file of its own,
            which ``NAME_file`` names.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    unset: str = ""
    secret: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def shown_default(self) -> str:
        """The default, for people."""
        return self.shown(self.default)

    def shown(self, value: object) -> str:
        """A value as it would be written in the environment, or what its absence means."""
        if value in (None, ()):
            return self.unset
        return "(secret)" if self.secret else shown(value)


@dataclass(frozen=True)
class Loaded:
    """All settings.

    Attributes:
        values: by name.
        where: what to call a setting in a message, by name: as it was given, or its plain name.
        given: the names of those that do not have their default.
    """

    values: dict[str, Any]
    where: dict[str, str]
    given: frozenset[str]


def with_files(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """The settings, each secret one followed by the one that names its file."""
    return tuple(one for setting in settings for one in _with_file(setting))


def load(
    settings: Sequence[Setting], flags: Mapping[str, str], environment: Mapping[str, str]
) -> Loaded:
    """Look up every setting.

    Args:
        settings: all there are, as `with_files` returns them.
        flags: the text of those that were given, by name; `FILE` names the settings file.
        environment: all variables. An empty one is as good as none.

    Raises:
        SettingsError: there is a key that is no setting, a value that is not of its kind, or a
            file that cannot be read.
    """
    variables = {
        setting.name: environment[setting.variable]
        for setting in settings
        if environment.get(setting.variable)
    }
    path = flags.get(FILE) or environment.get(PREFIX + FILE.upper())
    keys = _read_file(path, settings) if path else {}
    sources = [
        _SettingSource(flags, lambda setting: setting.flag, text=True),
        _SettingSource(variables, lambda setting: setting.variable, text=True),
        _SettingSource(keys, lambda setting: f"{path}: {setting.name}", text=False),
    ]
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    given: set[str] = set()
    for setting in settings:
        values[setting.name], where[setting.name] = setting.default, setting.name
        for source in sources:
            if setting.name in source.values:
                values[setting.name] = source.value(setting)
                where[setting.name] = source.where(setting)
                given.add(setting.name)
                break
    for setting in settings:
        if setting.secret:
            _read_secret(setting, sources, values, where)
            if values[setting.name] is not None:
                given.add(setting.name)
    return Loaded(values, where, frozenset(given))


def unknown_variables(settings: Iterable[Setting], environment: Iterable[str]) -> list[str]:
    """The variables with our prefix that are no setting: slips of the pen, perhaps."""
    known = {setting.variable for setting in settings} | {PREFIX + FILE.upper()} | ELSEWHERE
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def shown(value: object) -> str:
    """A value as it would be written in the environment."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class _SettingSource:
    values: Mapping[str, Any]
    where: Callable[[Setting], str]
    text: bool

    def value(self, setting: Setting) -> object:
        value = self.values[setting.name]
        try:
            return setting.kind.check(setting.kind.parse(value) if self.text else value)
        except ValueError:
            what = "the value" if setting.secret else repr(value)
            raise SettingsError(
                f"{self.where(setting)}: {what} is not {setting.kind.description}"
            ) from None


def _with_file(setting: Setting) -> list[Setting]:
    if not setting.secret:
        return [setting]
    name = f"{setting.name}_file"
    text = f"A file that holds {setting.name}, which then no list of processes shows."
    return [setting, Setting(name=name, kind=PATH, default=None, help=text, unset="none")]


def _read_file(path: str, settings: Iterable[Setting]) -> dict[str, Any]:
    try:
        keys = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings in {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    names = [setting.name for setting in settings]
    for key in keys:
        if key not in names:
            similar = difflib.get_close_matches(key, names, 1)
            hint = f"; is it to be {similar[0]!r}?" if similar else ""
            raise SettingsError(f"{path}: unknown key {key!r}{hint}")
    return keys


def _read_secret(
    setting: Setting, sources: list[_SettingSource], values: dict[str, Any], where: dict[str, str]
) -> None:
    """Replace a secret's value with what its file holds, if that was given with precedence."""
    name, in_file = setting.name, f"{setting.name}_file"
    for source in sources:
        if name in source.values and in_file in source.values:
            raise SettingsError(f"{where[name]}: {in_file} is given as well")
        if name in source.values:
            return
        if in_file in source.values:
            where[name] = where[in_file]
            values[name] = _read_line(values[in_file], where[in_file])
            return


def _read_line(path: str, where: str) -> str:
    try:
        content = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{where}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{where}: {path} is not a text") from error
    if not content:
        raise SettingsError(f"{where}: {path} is empty")
    return content


def integer(low: int, high: int | None = None) -> Kind:
    """Whole numbers from ``low`` to ``high``."""
    limits = f"from {low} to {high}" if high is not None else f"of {low} or more"

    def check(value: object) -> object:
        if type(value) is not int or value < low or (high is not None and value > high):
            raise ValueError
        return value

    return Kind("N", f"a whole number {limits}", int, check)


def seconds(*, zero: bool = False) -> Kind:
    """Spans of time, more than 0; with ``zero`` also 0."""

    def check(value: object) -> object:
        if type(value) not in (int, float):
            raise ValueError
        assert isinstance(value, int | float)
        if not (value > 0 or (zero and value == 0)) or math.isinf(value):
            raise ValueError
        return float(value)

    return Kind("S", f"a number of seconds{' of 0 or more' if zero else ' over 0'}", float, check)


def choice(*values: str) -> Kind:
    """One of a few words."""

    def check(value: object) -> object:
        if value not in values:
            raise ValueError
        return value

    return Kind("|".join(values), f"one of {', '.join(values)}", str, check)


def _check_text(value: object) -> object:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _check_texts(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError
    return tuple(_check_text(item) for item in value)


def _check_switch(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _parse_switch(text: str) -> object:
    return {"yes": True, "true": True, "no": False, "false": False}.get(text.lower())


TEXT: Final = Kind("TEXT", "a text", str, _check_text)
PATH: Final = Kind("FILE", "the path of a file", str, _check_text)
TEXTS: Final = Kind(
    "A,B,...",
    "a list of texts",
    lambda text: [item.strip() for item in text.split(",")],
    _check_texts,
)
SWITCH: Final = Kind("yes|no", "yes or no", _parse_switch, _check_switch)
