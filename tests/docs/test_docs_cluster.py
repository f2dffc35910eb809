"""What the page on clusters shows is run as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from functools import partial
from pathlib import Path

import pytest
import trio

from trio_rtc.cli.server_settings import load_server_settings
from trio_rtc.server.cluster.redis_address import parse_redis_address

from ..redis_server import needs_redis, running_redis
from .pages import ROOT, blocks_of, function_of

BLOCKS = blocks_of("cluster.md")
PAGE = (ROOT / "docs" / "cluster.md").read_text()


def block(language: str) -> str:
    (found,) = [text for kind, text in BLOCKS if kind == language]
    return found


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    kinds = {language for language, _ in BLOCKS}
    assert kinds == {"python", "console", "yaml", "haproxy"}


@needs_redis
async def test_the_program(tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(function_of(BLOCKS, "serve"), 0, redis.url))
            with trio.fail_after(200):
                while redis.ask("ZCARD", "trio_rtc:1:servers") != "1":  # noqa: ASYNC110
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()


def test_the_commands_have_their_options(tmp_path: Path) -> None:
    password = tmp_path / "redis"
    password.write_text("secret")
    lines = [line for kind, text in BLOCKS if kind == "console" for line in text.splitlines()]
    pip, *servers = map(shlex.split, lines)
    extra = re.search(r"\[(\w+)\]", pip[2])
    assert extra is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extra[1] in project["optional-dependencies"]
    for program, command, *options in servers:
        assert (program, command) == ("trio-rtc", "server")
        names = [name.removeprefix("--").replace("-", "_") for name in options[::2]]
        flags = dict(zip(names, options[1::2], strict=True))
        if "cluster_password_file" in flags:
            flags["cluster_password_file"] = str(password)
        settings = load_server_settings(flags, {})
        assert settings.cluster is None or parse_redis_address(settings.cluster)


def test_the_compose_file_starts_a_server_by_options_that_there_are() -> None:
    command = re.search(r'command: (\["--cluster".*\])', block("yaml"))
    assert command is not None
    words = re.findall(r'"([^"]*)"', command[1])
    names = [name.removeprefix("--").replace("-", "_") for name in words[::2]]
    settings = load_server_settings(dict(zip(names, words[1::2], strict=True)), {})
    assert settings.cluster == "redis://redis"
    policy = re.search(r"redis-server (.*)", block("yaml"))
    assert policy is not None
    assert "--maxmemory-policy noeviction" in policy[1]


@pytest.mark.skipif(
    shutil.which("haproxy") is None and "CI" not in os.environ,
    reason="haproxy is not installed (Debian: apt-get install haproxy)",
)
def test_haproxy_takes_its_configuration(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    # There is no name to look up here.
    file.write_text(block("haproxy").replace("server:8888", "127.0.0.1:8888"))
    checked = subprocess.run(["haproxy", "-c", "-f", str(file)], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode()


def test_the_metrics_of_the_page_are_those_of_the_server() -> None:
    from trio_rtc.server.metrics import METRICS

    told = set(re.findall(r"`(trio_rtc_\w+)`", PAGE)) - {"trio_rtc"}
    names = {metric.name for metric in METRICS}
    assert {name for name in told if name.startswith("trio_rtc_cluster_")} <= names
