"""The server's settings: flag before environment before file before default, and clear errors."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import trio_rtc
from trio_rtc.cli.commands.server_options import with_values
from trio_rtc.cli.logs import JsonFormatter, TextFormatter
from trio_rtc.cli.server_settings import (
    LIMITS,
    SETTINGS,
    ServerSettings,
    describe,
    load_server_settings,
)
from trio_rtc.cli.settings import PATH, Setting, SettingsError, shown, unknown_variables
from trio_rtc.server import ServerLimits

from ..processes import command

#: For each setting another good value: as text, and as TOML.
OTHER_VALUES = {
    "A,B,...": ("x, y", '["x", "y"]'),
    "TEXT": ("text", '"text"'),
    "FILE": ("file", '"file"'),
    "N": ("17", "17"),
    "S": ("17.5", "17.5"),
    "yes|no": ("no", "false"),
}


def other_value(setting: Setting) -> tuple[str, str]:
    if setting.default is False:
        return ("yes", "true")
    if setting.kind.metavar in OTHER_VALUES:
        return OTHER_VALUES[setting.kind.metavar]
    word = next(w for w in setting.kind.metavar.split("|") if w != setting.default)
    return word, json.dumps(word)


def value(settings: ServerSettings, name: str) -> object:
    return getattr(settings.limits if name in LIMITS else settings, name)


def refused(flags: dict[str, str] | None = None, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_server_settings(flags or {}, environment or {})
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "server.toml"


def test_every_limit_is_a_setting() -> None:
    assert list(LIMITS) == [field.name for field in dataclasses.fields(ServerLimits)]


def test_the_defaults() -> None:
    settings = load_server_settings({}, {})
    assert settings.limits == ServerLimits()
    for field in dataclasses.fields(ServerSettings):
        if field.name not in ("limits", "where"):
            assert getattr(settings, field.name) == field.default


# Those that need one another are tested together below.
ALONE = [
    setting
    for setting in SETTINGS
    if not re.match("turn_|jwt_|tls_key|cluster_|relay_", setting.name)
    and not setting.name.endswith("_file")
]


@pytest.mark.parametrize("setting", ALONE, ids=lambda setting: setting.name)
def test_each_setting_from_each_source(setting: Setting, file: Path) -> None:
    text, toml = other_value(setting)
    sources: list[tuple[dict[str, str], dict[str, str]]] = [
        ({setting.name: text}, {}),
        ({}, {setting.variable: text}),
        ({"settings": str(file)}, {}),
        ({}, {"TRIO_RTC_SETTINGS": str(file)}),
    ]
    file.write_text(f"{setting.name} = {toml}\n")
    values = {value(load_server_settings(*source), setting.name) for source in sources}
    assert len(values) == 1
    assert values != {setting.default}


def test_the_precedence(file: Path) -> None:
    file.write_text("port = 1\nhost = 'file'\nlog_level = 'error'\nlog_format = 'json'\n")
    flags = {"settings": str(file), "port": "3"}
    environment = {
        "TRIO_RTC_PORT": "2", "TRIO_RTC_HOST": "environment", "TRIO_RTC_LOG_LEVEL": "",
        "TRIO_RTC_SETTINGS": "/nonexistent",
    }  # fmt: skip
    settings = load_server_settings(flags, environment)
    assert (settings.port, settings.host) == (3, "environment")
    # An empty variable is as good as none.
    assert (settings.log_level, settings.log_format) == ("error", "json")
    assert settings.metrics
    where = settings.where
    assert where["port"] == "--port"
    assert where["host"] == "TRIO_RTC_HOST"
    assert where["log_level"] == f"{file}: log_level"
    assert where["metrics"] == "metrics"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("port", "x", "'x' is not a whole number from 0 to 65535"),
        ("port", "-1", "'-1' is not a whole number from 0 to 65535"),
        ("port", "65536", "'65536' is not a whole number from 0 to 65535"),
        ("port", "80.5", "'80.5' is not a whole number from 0 to 65535"),
        ("body_bytes", "0", "'0' is not a whole number of 1 or more"),
        ("drain_seconds", "-1", "'-1' is not a number of seconds of 0 or more"),
        ("drain_seconds", "nan", "'nan' is not a number of seconds of 0 or more"),
        ("idle_seconds", "0", "'0' is not a number of seconds over 0"),
        ("idle_seconds", "inf", "'inf' is not a number of seconds over 0"),
        ("idle_seconds", "1 s", "'1 s' is not a number of seconds over 0"),
        ("metrics", "maybe", "'maybe' is not yes or no"),
        ("log_level", "loud", "'loud' is not one of debug, info, warning, error"),
        ("origins", "https://a,,https://b", "'https://a,,https://b' is not a list of texts"),
    ],
)
def test_texts_that_are_no_value(name: str, text: str, problem: str) -> None:
    flag, variable = f"--{name.replace('_', '-')}", f"TRIO_RTC_{name.upper()}"
    assert refused({name: text}) == f"{flag}: {problem}"
    assert refused({}, {variable: text}) == f"{variable}: {problem}"


def test_an_empty_flag() -> None:
    assert refused({"host": ""}) == "--host: '' is not a text"
    assert refused({"port": ""}) == "--port: '' is not a whole number from 0 to 65535"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('port = "8888"', "port: '8888' is not a whole number from 0 to 65535"),
        ("port = 8888.0", "port: 8888.0 is not a whole number from 0 to 65535"),
        ("port = true", "port: True is not a whole number from 0 to 65535"),
        ("port = 1979-05-27", "port: datetime.date(1979, 5, 27) is not a whole number"),
        ("host = 1", "host: 1 is not a text"),
        ('host = ""', "host: '' is not a text"),
        ('idle_seconds = "5"', "idle_seconds: '5' is not a number of seconds over 0"),
        ("idle_seconds = nan", "idle_seconds: nan is not a number of seconds over 0"),
        ("idle_seconds = true", "idle_seconds: True is not a number of seconds over 0"),
        ("metrics = 1", "metrics: 1 is not yes or no"),
        ('origins = "https://a"', "origins: 'https://a' is not a list of texts"),
        ('origins = ["https://a", 1]', "origins: ['https://a', 1] is not a list of texts"),
        ("log_level = []", "log_level: [] is not one of debug"),
        ("shared_secret = 12345", "shared_secret: the value is not a text"),
        ("prot = 1", "unknown key 'prot'; is it to be 'port'?"),
        ("settings = 'x'", "unknown key 'settings'"),
        ("[limits]\nbody_bytes = 1", "unknown key 'limits'"),
    ],
)
def test_files_with_a_mistake(line: str, problem: str, file: Path) -> None:
    file.write_text(f'log_format = "text"\n{line}\n')
    assert refused({"settings": str(file)}).startswith(f"{file}: {problem}")


def test_a_file_that_is_shadowed_is_still_checked_for_unknown_keys(file: Path) -> None:
    file.write_text("prot = 1\n")
    assert "prot" in refused({"settings": str(file), "port": "1"})


@pytest.mark.parametrize("content", [b"port", b"port = \xff", b"port = 1\nport = 2", b"\xef\xbb"])
def test_files_that_are_no_toml(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    assert refused({"settings": str(file)}).startswith(f"{file} is not TOML: ")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        assert refused({"settings": str(path)}).startswith(f"cannot read the settings in {path}: ")


def test_no_origins_are_not_all_origins(file: Path) -> None:
    file.write_text("origins = []\n")
    assert load_server_settings({"settings": str(file)}, {}).origins == ()
    assert load_server_settings({}, {}).origins is None


def test_whole_numbers_are_seconds_too(file: Path) -> None:
    file.write_text("idle_seconds = 5\n")
    seconds = load_server_settings({"settings": str(file)}, {}).limits.idle_seconds
    assert (seconds, type(seconds)) == (5.0, float)


def test_a_secret_in_a_file_of_its_own(file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from its file\r\n")
    for flags, environment in [
        ({"shared_secret_file": str(secret)}, {}),
        ({}, {"TRIO_RTC_SHARED_SECRET_FILE": str(secret)}),
        # What has precedence has it in either form.
        ({"shared_secret_file": str(secret)}, {"TRIO_RTC_SHARED_SECRET": "from the variable"}),
    ]:
        settings = load_server_settings(flags, environment)
        assert settings.shared_secret == "from its file"
    settings = load_server_settings(
        {"shared_secret": "from the flag"}, {"TRIO_RTC_SHARED_SECRET_FILE": str(secret)}
    )
    assert settings.shared_secret == "from the flag"
    file.write_text(f'shared_secret_file = "{secret}"\n')
    settings = load_server_settings({"settings": str(file)}, {})
    assert settings.shared_secret == "from its file"
    assert settings.where["shared_secret"] == f"{file}: shared_secret_file"


def test_secret_files_that_are_no_good(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    flags = {"shared_secret_file": str(secret)}
    assert refused(flags) == (
        f"--shared-secret-file: cannot read {secret}: No such file or directory"
    )
    secret.write_text("\n")
    assert refused(flags) == f"--shared-secret-file: {secret} is empty"
    secret.write_bytes(b"\xff")
    assert refused(flags) == f"--shared-secret-file: {secret} is not a text"
    assert refused({**flags, "shared_secret": "x"}) == (
        "--shared-secret: shared_secret_file is given as well"
    )


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"tls_key": "k"}, "--tls-key: it needs tls_certificate as well"),
        ({"jwt_audience": "k"}, "--jwt-audience: it needs jwt_key as well"),
        ({"jwt_issuer": "k"}, "--jwt-issuer: it needs jwt_key as well"),
        ({"jwt_algorithms": "HS256"}, "--jwt-algorithms: it needs jwt_key as well"),
        ({"relay_calls": "9"}, "--relay-calls: it needs relay as well"),
        ({"turn_secret": "k"}, "--turn-secret: it needs turn_urls as well"),
        ({"turn_urls": "turn:a"}, "--turn-urls: it needs turn_secret as well"),
        ({"turn_lifetime": "1"}, "--turn-lifetime: it needs turn_secret as well"),
        ({"cluster_user": "a"}, "--cluster-user: it needs cluster as well"),
        ({"cluster_password": "a"}, "--cluster-password: it needs cluster as well"),
        ({"cluster_prefix": "a"}, "--cluster-prefix: it needs cluster as well"),
        ({"cluster_name": "a"}, "--cluster-name: it needs cluster as well"),
        ({"shared_secret": "a", "jwt_key": "b"}, "--shared-secret: --jwt-key is given as well"),
    ],
)
def test_settings_that_do_not_go_together(flags: dict[str, str], problem: str) -> None:
    assert refused(flags) == problem


def test_the_description_has_what_was_chosen_but_no_secrets() -> None:
    assert list(describe(load_server_settings({}, {}))) == []
    flags = {"jwt_key": "hush", "turn_secret": "hush", "turn_urls": "turn:a,turn:b", "port": "1"}
    described = list(describe(load_server_settings(flags, {})))
    assert sorted(described) == [
        "jwt_key=(secret)", "port=1", "turn_secret=(secret)", "turn_urls=turn:a,turn:b"
    ]  # fmt: skip
    # An option that is given, and no other than the default, is as good as none.
    assert list(describe(load_server_settings({"body_bytes": "262144"}, {}))) == []
    assert list(describe(load_server_settings({"body_bytes": "262145"}, {}))) == [
        "body_bytes=262145"
    ]


def test_unknown_variables() -> None:
    environment = ["TRIO_RTC_SHARED_SECRT", "TRIO_RTC_PORT", "TRIO_RTC_SETTINGS", "PATH"]
    assert unknown_variables(SETTINGS, environment) == ["TRIO_RTC_SHARED_SECRT"]


def test_variables_that_anything_of_ours_reads_are_no_slips_of_the_pen() -> None:
    sources = Path(trio_rtc.__file__).parent.rglob("*.py")
    read = {name for one in sources for name in re.findall(r"TRIO_RTC_[A-Z_]+", one.read_text())}
    assert "TRIO_RTC_SERVER" in read
    assert unknown_variables(SETTINGS, {name for name in read if name[-1] != "_"}) == []


def test_values_as_people_see_them() -> None:
    assert shown(3600.0) == "3600"
    assert shown(1e7) == "10000000"
    assert shown(0.5) == "0.5"
    assert [shown(value) for value in (True, False, ("a", "b"), 7)] == ["yes", "no", "a,b", "7"]


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("trio_rtc.server").makeRecord(
        "trio_rtc.server", logging.WARNING, "f", 1, message, arguments, None, extra=extra
    )
    made.created = 1_700_000_000.25
    return made


def test_log_lines_for_people() -> None:
    line = TextFormatter().format(record("joined as %s", "bob", peer=7, room="den", connection=12))
    assert line == "2023-11-14T22:13:20Z warning joined as bob peer=7 room=den connection=12"
    line = TextFormatter().format(record("%s", "a\nb\x1b[31m\u2028", room="\r"))
    assert line == r"2023-11-14T22:13:20Z warning a\x0ab\x1b[31m\u2028 room=\x0d"
    line = TextFormatter().format(record("x", room='den peer="9"', peer=7))
    assert line == r'2023-11-14T22:13:20Z warning x room="den peer=\"9\"" peer=7'


def test_log_lines_for_programs() -> None:
    made = record("joined as %s", "bob\n\ud800", peer=7, room="den", connection=12)
    line = JsonFormatter().format(made)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "time": 1_700_000_000.25, "level": "warning", "logger": "trio_rtc.server",
        "message": "joined as bob\n\ud800", "peer": 7, "room": "den", "connection": 12,
    }  # fmt: skip
    assert json.loads(JsonFormatter().format(record("x", peer=PATH)))["peer"] == str(PATH)


def test_log_lines_with_an_exception() -> None:
    made = record("oh")
    try:
        raise ValueError("no")
    except ValueError:
        made.exc_info = sys.exc_info()
    text = TextFormatter().format(made)
    assert text.startswith("2023-11-14T22:13:20Z warning oh\nTraceback")
    assert text.endswith("ValueError: no")
    assert json.loads(JsonFormatter().format(made))["exception"].endswith("ValueError: no")


def run(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "trio_rtc", "server", *flags],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("flags", "environment", "line"),
    [
        (["--port", "x"], {}, "--port: 'x' is not a whole number from 0 to 65535"),
        ([], {"TRIO_RTC_PORT": "x"}, "TRIO_RTC_PORT: 'x' is not a whole number from 0 to 65535"),
        (["--jwt-key", "short"], {}, "--jwt-key: the key is too weak: "),
        (["--jwt-key", "x" * 32, "--jwt-algorithms", "RS256"], {},
         "--jwt-key: the key does not fit RS256: "),
        (["--turn-urls", "turn:", "--turn-secret", "x"], {},
         "--turn-urls: no URL of a STUN or TURN server: 'turn:'"),
        ([], {"TRIO_RTC_ORIGINS": "https://a.example,b.example"},
         "TRIO_RTC_ORIGINS: no origin, such as https://example.org: 'b.example'"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_line(
    flags: list[str], environment: dict[str, str], line: str
) -> None:
    done = run(*flags, **environment)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"trio-rtc server: {line}")
    assert done.stderr.count("\n") == 1


def test_help_tells_every_setting() -> None:
    text = re.sub(r"\s+", " ", run("--help", COLUMNS="200").stdout)
    for setting in SETTINGS:
        assert f"{setting.flag} {setting.kind.metavar} {setting.help}" in text
        assert f"[default: {setting.shown_default}]" in text


@pytest.fixture
def logging_file(file: Path) -> Path:
    file.write_text(
        'host = "127.0.0.1"\nlog_format = "json"\nlog_level = "info"\nshared_secret = "hush"\n'
    )
    return file


async def test_the_settings_are_logged_once(logging_file: Path) -> None:
    async with command("server", "--settings", str(logging_file), "--port", "0") as running:
        await running.line("listening on")
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_status() == 0
    assert "hush" not in running.errors
    lines = [json.loads(line) for line in running.errors.splitlines()]
    settings = [one for one in lines if one["message"].startswith("setting ")]
    assert {one["level"] for one in settings} == {"info"}
    messages = [one["message"] for one in settings]
    assert len(messages) == len(set(messages))
    assert {"setting host=127.0.0.1", "setting port=0"} <= {*messages}


async def test_a_variable_that_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIO_RTC_SHARED_SECRT", "hush")
    async with command("server", "--host", "127.0.0.1", "--port", "0") as running:
        await running.line("listening on")
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_status() == 0
    assert running.errors.endswith(" warning TRIO_RTC_SHARED_SECRT is no setting, and is ignored\n")
    assert running.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"), [("peerjs_path", "no-slash"), ("peerjs_key", "a/b"), ("peerjs_key", "-")]
)
async def test_settings_of_peerjs_that_make_no_sense(name: str, value: str) -> None:
    async with command("server", f"--{name.replace('_', '-')}", value) as running:
        assert await running.exit_status() == 2
        assert name.replace("_", "-") in running.errors
        assert repr(value) in running.errors


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], []),
        (["--relay"], ["--relay", "yes"]),
        (["--relay", "no", "--page"], ["--relay", "no", "--page", "yes"]),
        (["--relay", "--port", "-1"], ["--relay", "yes", "--port", "-1"]),
        # What is typed after it is its value, be it none.
        (["--relay", "maybe"], ["--relay", "maybe"]),
        (["--host", "--relay"], ["--host", "--relay", "yes"]),
    ],
)
def test_a_switch_may_stand_alone(given: list[str], meant: list[str]) -> None:
    assert list(with_values(given)) == meant
