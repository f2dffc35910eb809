"""What examples/deploy has for other programs is read by these, or by what they are made of."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from trio_rtc.cli.server_settings import load_server_settings
from trio_rtc.server.metrics import METRICS

from ..coturn import needs_coturn, started
from ..listening import listening
from ..ports import free_port
from .pages import ROOT

DEPLOY = ROOT / "examples" / "deploy"
PROMTOOL = shutil.which("promtool")
COMPOSE = shutil.which("docker-compose")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None and "CI" not in os.environ,
    reason="promtool is not installed (Debian: apt-get install prometheus)",
)

METRIC = re.compile(r"\b(?:trio_rtc|process)_\w+")

#: What Prometheus knows by itself.
OF_ITS_OWN = {"up"}


def promtool(*arguments: str, folder: Path = DEPLOY) -> None:
    done = subprocess.run(
        [str(PROMTOOL), *arguments], cwd=folder, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr


def dashboard() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    return panels


def expressions() -> list[str]:
    """What the panels ask for, with something in the place of their variables."""
    found = [target["expr"] for panel in dashboard() for target in panel["targets"]]
    return [one.replace("$job", ".+").replace("$instance", ".+") for one in found]


@needs_promtool
def test_the_alerts_and_what_they_say() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts.test.yml")
    promtool("check", "config", "prometheus.yml")


@needs_promtool
def test_the_dashboard_asks_in_prometheus_language(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": one} for n, one in enumerate(expressions())]
    groups = {"groups": [{"name": "dashboard", "rules": rules}]}
    # All JSON is YAML.
    (tmp_path / "rules.yml").write_text(json.dumps(groups))
    promtool("check", "rules", "rules.yml", folder=tmp_path)


async def test_what_they_ask_for_is_there() -> None:
    port = free_port()
    command = [sys.executable, "-m", "trio_rtc", "server", "--host", "127.0.0.1", "--port"]
    folder = Path(os.devnull).parent
    with trio.fail_after(200):
        async with (
            listening([*command, str(port)], folder, Path(os.devnull), ("127.0.0.1", port)),
            httpx.AsyncClient(timeout=60) as client,
        ):
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    there = {metric.name for metric in METRICS}
    for family in text_string_to_metric_families(text):
        there |= {family.name, *(sample.name for sample in family.samples)}
    alerts = await trio.Path(DEPLOY / "alerts.yml").read_text()
    asked = set(METRIC.findall("\n".join([*expressions(), alerts])))
    # Names of this package, and what is no metric but a name of a file.
    assert asked - {"trio_rtc"} <= there
    shown = set(METRIC.findall("\n".join(expressions())))
    # What a server alone counts; of a cluster, what one looks at first.
    alone = [metric for metric in METRICS if not metric.field.startswith("cluster_")]
    assert [metric.name for metric in alone if metric.name not in shown] == []


def test_every_alert_is_in_the_table() -> None:
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "alerts.yml").read_text())
    page = (ROOT / "docs" / "howto" / "monitoring.md").read_text()
    assert re.findall(r"^\| `(Signaling\w+)` \|", page, re.M) == alerts
    tested = (DEPLOY / "alerts.test.yml").read_text()
    assert sum(alert in tested for alert in alerts) >= 5


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def composed() -> dict[str, Any]:
    """The compose file, with values for its variables."""
    if "CI" not in os.environ:
        pytest.importorskip("yaml", reason="PyYAML is not installed (pip install -e .[docs])")
    import yaml

    text = (DEPLOY / "compose.yml").read_text()
    text = text.replace("${TURN_SECRET:?}", "secret").replace("${TURN_HOST:?}", "127.0.0.1")
    assert "$" not in text.replace("$(openssl", "")
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def test_the_compose_file() -> None:
    services = composed()
    signaling = services["signaling"]
    build = signaling["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    settings = load_server_settings({}, signaling["environment"])
    assert settings.turn_secret == "secret"
    assert settings.drain_seconds < float(signaling["stop_grace_period"].removesuffix("s"))
    for service in services.values():
        for volume in service.get("volumes", ()):
            assert (DEPLOY / volume.split(":")[0]).is_file()


@pytest.mark.skipif(
    COMPOSE is None and "CI" not in os.environ,
    reason="docker-compose is not installed (Debian: apt-get install docker-compose)",
)
def test_compose_can_read_it() -> None:
    command = [str(COMPOSE), "--file", str(DEPLOY / "compose.yml"), "config", "--services"]
    given = {"TURN_SECRET": "secret", "TURN_HOST": "turn.example.com"}

    def read(**environment: str) -> subprocess.CompletedProcess[str]:
        own = {"PATH": os.environ["PATH"], **environment}
        return subprocess.run(command, env=own, capture_output=True, text=True, timeout=200)

    done = read(**given)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(composed())
    # Without a secret nothing is started.
    assert "TURN_SECRET" in read(TURN_HOST="turn.example.com").stderr


@needs_coturn
async def test_its_servers_know_each_other(tmp_path: Path) -> None:
    """The two, with what the file gives them, but for ports; a doctor looks whether it works."""
    services = composed()
    port, turn_port = free_port(), free_port()
    configuration = (DEPLOY / "turnserver.conf").read_text()
    configuration = re.sub(
        r"(?m)^(cert|pkey|syslog|listening-port|tls-listening).*\n", "", configuration
    )
    (tmp_path / "turnserver.conf").write_text(configuration)
    options = [
        option.replace("/etc/turnserver.conf", str(tmp_path / "turnserver.conf"))
        for option in services["turn"]["command"]
    ]
    options += ["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"]
    options += ["--listening-port", str(turn_port), "--pidfile", str(tmp_path / "pid")]
    options += ["--log-file", "stdout"]
    environment = services["signaling"]["environment"] | {
        "TRIO_RTC_METRICS_LISTEN": "",
        "TRIO_RTC_TURN_URLS": services["signaling"]["environment"]["TRIO_RTC_TURN_URLS"].replace(
            "3478", str(turn_port)
        ),
    }
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), sys.executable]
    command += ["-m", "trio_rtc", "server", "--host", "127.0.0.1", "--port", str(port)]
    doctor = [sys.executable, "-m", "trio_rtc", "doctor", "--server", f"ws://127.0.0.1:{port}"]
    with trio.fail_after(200):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(
                started(tmp_path, *options, awaited=("127.0.0.1", turn_port))
            )
            await stack.enter_async_context(
                listening(command, tmp_path, tmp_path / "log", ("127.0.0.1", port))
            )
            done = await trio.run_process(doctor, capture_stdout=True, check=False)
    found = done.stdout.decode()
    assert done.returncode == 0, found
    assert f"{turn_port}" in found
