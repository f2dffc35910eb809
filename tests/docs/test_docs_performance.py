"""The page on performance names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from trio_rtc.rtc.bridge import engines

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "performance.md").read_text()


def test_the_commands_are_there() -> None:
    commands = re.findall(r"^\$ (?:\S+=\S+ )*(?:python )?(\S+)", PAGE, re.M)
    assert len(commands) >= 3
    for command in commands:
        if "/" in command:
            assert (ROOT / command).is_file(), command


def test_the_options_are_there() -> None:
    for name, options in re.findall(r"^\$ python (benchmarks/\S+)(.*)$", PAGE, re.M):
        source = (ROOT / name).read_text() + (ROOT / "benchmarks" / "measuring.py").read_text()
        for option in re.findall(r"--\w+", options):
            assert f'"{option}"' in source, (name, option)


def test_every_benchmark_of_the_script_is_told() -> None:
    script = (ROOT / "scripts" / "bench").read_text()
    (names,) = re.findall(r"^for name in (.*); do$", script, re.M)
    for name in names.split():
        assert f"`{name}`" in PAGE, name


def test_the_settings_are_what_they_are_called() -> None:
    for name in engines.ENGINES:
        assert f"`{name}`" in PAGE
    rtc = ROOT / "trio_rtc" / "rtc"
    sources = "".join(file.read_text() for file in rtc.rglob("*.py"))
    settings = set(re.findall(r"TRIO_RTC_[A-Z]+", PAGE))
    assert settings == {"TRIO_RTC_ENGINE", "TRIO_RTC_SCTP"}
    for setting in settings:
        assert f'"{setting}"' in sources
