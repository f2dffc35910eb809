"""What docs/server.md says is run as it stands there, and so are the examples it goes with."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trio_rtc.cli.server import BAD_SETTINGS
from trio_rtc.cli.server_settings import LIMITS, SETTINGS, load_server_settings
from trio_rtc.server import ServerLimits
from trio_rtc.server.metrics import METRICS

from ..consoles import sleep_until_listening
from ..coturn import needs_coturn, started
from ..ports import free_port
from ..processes import command

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "server.md").read_text()
SECTIONS = dict(re.findall(r"^##? (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)
EXAMPLES = ROOT / "examples" / "deploy"

SYSTEMD = shutil.which("systemd-analyze") or ""

IMAGE_PYTHON = "3.11"

#: What the commands of a section run in: whatever they leave running is ended.
PRELUDE = """
set -eu
trap 'trap - EXIT; kill $(jobs -p) 2>/dev/null || true; wait' EXIT
"""


def settings_table() -> str:
    """The table of all settings, as the page has it between its two comments."""
    lines = ["| setting | default | |", "|---|---|---|"]
    for setting in SETTINGS:
        if setting.name == next(iter(LIMITS)):
            lines += ["", "The limits:", "", "| setting | default | |", "|---|---|---|"]
        default = setting.shown_default
        if default != setting.unset:
            default = f"`{default}`"
        lines.append(f"| `{setting.name}` | {default} | {setting.help} |")
    return "\n".join(lines)


def metrics_table() -> str:
    """The table of all metrics of ours, likewise."""
    lines = ["| metric | |", "|---|---|"]
    for metric in METRICS:
        label = f"{{{metric.label}}}" if metric.label else ""
        lines.append(f"| `{metric.name}{label}` | {metric.help} |")
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["settings", "metrics"])
def test_the_tables_are_those_of_the_code(name: str) -> None:
    match = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", PAGE, re.S)
    assert match
    assert match[1] == f"{globals()[f'{name}_table']()}\n"


def environment() -> dict[str, str]:
    """One in which our Python and our commands come first."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def at_root(commands: str, root: Path) -> str:
    """The commands with another root for the folders that they write to.

    They install no dependencies, which would take minutes and test nothing of ours.
    """
    if "--require-hashes" in commands:
        return "true"
    commands = commands.replace("pip install ", "pip install --no-deps ")
    return re.sub(r"(^|(?<= ))/(?=etc/|opt/|source)", f"{root}/", commands, flags=re.M)


def run_section(
    title: str,
    folder: Path,
    prelude: str = "",
    root: Path | None = None,
    sections: Mapping[str, str] = SECTIONS,
) -> str:
    """Run all blocks of a section as one script, and compare what it prints.

    TOML is put into ``server.toml``; Python is run; lines of a console that do not begin with
    a prompt are what the commands before them print, as is a block of text. With ``root`` the
    script finds /etc and /opt there.
    """
    # A second is as long as it takes until the servers listen.
    ports = [port for port in (8888, 8443) if f"{port}" in sections[title]]
    script, expected = [PRELUDE, sleep_until_listening(*ports), prelude], []
    for language, text in BLOCK.findall(sections[title]):
        if language == "toml":
            (folder / "server.toml").write_text(text)
        elif language == "python":
            script.append(f"python -W error - <<'END_OF_PROGRAM'\n{text}END_OF_PROGRAM")
        elif language == "text":
            expected += text.splitlines()
        else:
            assert language == "console", f"nothing runs a block of {language}"
            for line in text.splitlines():
                if match := re.match(r"[$#>] (.*)", line):
                    script.append(match[1])
                else:
                    expected.append(line)
    whole = "\n".join(script)
    for port in ("8888", "8443"):
        whole = whole.replace(port, str(free_port()))
    if root is not None:
        whole = at_root(whole, root)
    done = subprocess.run(
        ["bash", "-c", whole],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = iter(done.stdout.splitlines())
    for line in expected:
        # The server's own lines may stand between those.
        assert line in printed, f"{line!r} is not, or too early, in\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


#: What of the commands for root cannot be done here: they are told to ``root.log`` instead.
ROOT_PRELUDE = """
useradd() { echo "useradd $*" >> "$ROOT_LOG"; }
systemctl() { echo "systemctl $*" >> "$ROOT_LOG"; }
install() { command install "${@/#trio-rtc/$(id -gn)}"; }
mkdir -p /etc/systemd/system
"""

PODMAN_PRELUDE = """
podman() {
    case "$1" in
        build)
            test "$*" = "build --file $3 --tag trio-rtc ." && test -f "$3" ;;
        run)
            test "$*" = "run --rm --publish 8888:8888 --env $6 trio-rtc"
            env "$6" trio-rtc server --host 127.0.0.1 --port 8888 &
            sleep 1
            kill -TERM $! && wait $! ;;
    esac
}
"""

PLAIN = [title for title, text in SECTIONS.items() if BLOCK.search(text)]
PLAIN = [title for title in PLAIN if title not in ("systemd", "Containers")]


@pytest.mark.parametrize("title", PLAIN)
def test_the_commands(title: str, tmp_path: Path) -> None:
    assert "Traceback" not in run_section(title, tmp_path)


def test_the_commands_for_containers() -> None:
    output = run_section("Containers", ROOT, PODMAN_PRELUDE)
    assert "setting host=127.0.0.1" in output


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the commands of the section on systemd have been run as if it were /."""
    monkeypatch.setenv("ROOT_LOG", str(tmp_path / "root.log"))
    run_section("systemd", ROOT, ROOT_PRELUDE, root=tmp_path)
    return tmp_path


@pytest.mark.timeout(300)
def test_the_commands_for_systemd(installed: Path) -> None:
    assert (installed / "root.log").read_text().splitlines() == [
        "useradd --system --no-create-home --shell /usr/sbin/nologin trio-rtc",
        "systemctl daemon-reload",
        "systemctl enable --now trio-rtc",
        "systemctl reload trio-rtc",
    ]
    assert (installed / "opt/trio-rtc/bin/trio-rtc").stat().st_mode & 0o111
    assert (installed / "etc/trio-rtc/server.toml").stat().st_mode & 0o777 == 0o640
    if not SYSTEMD and "CI" not in os.environ:
        pytest.skip("systemd-analyze is not installed")
    unit = installed / "etc/systemd/system/trio-rtc.service"
    text = unit.read_text()
    unit.write_text(text.replace("/opt/", f"{installed}/opt/"))
    verified = subprocess.run([SYSTEMD, "verify", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


def test_the_unit_has_next_to_no_rights() -> None:
    if not SYSTEMD and "CI" not in os.environ:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [SYSTEMD, "security", "--offline=true", "--threshold=20", EXAMPLES / "trio-rtc.service"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_goes_with_its_settings() -> None:
    unit = (EXAMPLES / "trio-rtc.service").read_text()
    settings = load_example_settings()
    stop = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)
    assert stop
    assert int(stop[1]) > settings["drain_seconds"]
    assert "--settings /etc/trio-rtc/server.toml" in unit
    assert f"RestartPreventExitStatus={BAD_SETTINGS}\n" in unit
    limits = ServerLimits()
    assert f"LimitNOFILE={2**16}" in unit
    assert "Type=notify\n" in unit
    assert "AF_UNIX" in unit
    assert re.search(r"^MemoryMax=", unit, re.M)
    assert re.search(r"^TasksMax=", unit, re.M)
    assert limits.peers < 2**16


def load_example_settings() -> dict[str, Any]:
    return tomllib.loads((EXAMPLES / "server.toml").read_text())


async def test_a_server_with_the_example_settings(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "certificate.pem").write_bytes(issued.cert_chain_pems[0].bytes())
    (tmp_path / "key.pem").write_bytes(issued.private_key_pem.bytes())
    (tmp_path / "jwt_key.pem").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    (tmp_path / "turn_secret").write_text("a secret\n")
    text = (EXAMPLES / "server.toml").read_text().replace("/etc/trio-rtc", str(tmp_path))
    (tmp_path / "server.toml").write_text(text)
    async with command(
        "server", "--settings", str(tmp_path / "server.toml"), "--host", "127.0.0.1", "--port", "0"
    ) as running:
        url = (await running.line("listening on")).split()[-1]
        context = ssl.create_default_context()
        authority.configure_trust(context)
        async with httpx.AsyncClient(verify=context) as http:
            assert (await http.get(f"{url}/healthz")).text == "ok"
            origin = {"Origin": "https://elsewhere.example"}
            assert (await http.get(f"{url}/healthz", headers=origin)).status_code == 403
            assert (await http.get(f"{url}/sign_in?alice")).status_code == 401
        running.process.terminate()
        assert await running.exit_status() == 0


def test_the_turn_servers_configuration_goes_with_the_settings() -> None:
    text = (EXAMPLES / "turnserver.conf").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    options = dict(line.partition("=")[::2] for line in lines)
    urls = load_example_settings()["turn_urls"]
    assert "use-auth-secret" in options
    assert options["static-auth-secret"]
    assert {url.rpartition(":")[2].partition("?")[0] for url in urls} == {
        options["listening-port"],
        options["tls-listening-port"],
    }


@needs_coturn
async def test_coturn_reads_its_configuration(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("turn.example.org")
    (tmp_path / "certificate.pem").write_bytes(issued.cert_chain_pems[0].bytes())
    (tmp_path / "key.pem").write_bytes(issued.private_key_pem.bytes())
    port, tls_port = free_port(), free_port()
    text = (EXAMPLES / "turnserver.conf").read_text()
    text = text.replace("/etc/coturn", str(tmp_path)).replace("syslog", "log-file=stdout")
    text = text.replace("=3478", f"={port}").replace("=5349", f"={tls_port}")
    text += f"listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\npidfile={tmp_path}/pid\n"
    text += f"userdb={tmp_path}/db\n"
    (tmp_path / "turnserver.conf").write_text(text)
    # It listens with TLS after all else.
    configuration = str(tmp_path / "turnserver.conf")
    async with started(tmp_path, "-c", configuration, awaited=("127.0.0.1", tls_port)):
        pass
    printed = (tmp_path / "coturn.log").read_text()
    complaints = [line for line in printed.splitlines() if re.search("WARN|ERROR|Bad", line)]
    assert [line for line in complaints if "CHANGE_REQUEST" not in line] == []


@pytest.mark.timeout(300)
def test_the_containerfile(tmp_path: Path) -> None:
    """All of its steps but those that need an image to start from."""
    text = (EXAMPLES / "Containerfile").read_text().replace("\\\n", "")
    steps = [line.partition(" ")[::2] for line in text.splitlines() if re.match("[A-Z]", line)]
    images = [rest.split()[0] for step, rest in steps if step == "FROM"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(images) == {f"python:{IMAGE_PYTHON}-slim"}
    assert f"Programming Language :: Python :: {IMAGE_PYTHON}" in project["classifiers"]
    values = {step: rest for step, rest in steps if step not in ("COPY", "RUN", "FROM")}
    assert values["EXPOSE"] == str(load_server_settings({}, {}).port)
    assert values["USER"] != "0:0"
    program, *arguments = json.loads(values["ENTRYPOINT"])
    assert arguments == ["server"]
    checker, *check = json.loads(values["HEALTHCHECK"].removeprefix("CMD "))
    assert Path(checker).parent == Path(program).parent
    is_healthy(check)
    for step, rest in steps:
        if step == "COPY" and not rest.startswith("--from=build "):
            *sources, target = rest.split()
            copy_into_image(sources, target, tmp_path)
        elif step == "RUN":
            subprocess.run(
                ["bash", "-c", at_root(rest, tmp_path)],
                env={**environment(), "PIP_QUIET": "1"},
                check=True,
                timeout=280,
            )
        elif step == "COPY":
            source, target = rest.removeprefix("--from=build ").split()
            assert source == target
            assert Path(program).is_relative_to(target)
    assert (tmp_path / program.removeprefix("/")).stat().st_mode & 0o111


def is_healthy(arguments: list[str]) -> None:
    """The check finds a server, and finds out that there is none."""
    port = free_port()
    script = f"""
{sleep_until_listening(port)}
check() {{ python "$@" 2>/dev/null; }}
! check "$@"
trio-rtc server --host 127.0.0.1 --port {port} &
sleep 1
check "$@"
kill -TERM $! && wait $!
"""
    arguments = [one.replace("8888", str(port)) for one in arguments]
    subprocess.run(["bash", "-ec", script, "-", *arguments], env=environment(), check=True)


def test_what_is_installed_in_the_image_is_locked() -> None:
    text = (EXAMPLES / "requirements.txt").read_text()
    locked = {
        match[1]: match[2].count("--hash=sha256:")
        for match in re.finditer(r"^([\w-]+)==\S+ \\\n((?: .+\n)+)", text, re.M)
    }
    assert len(locked) == len(re.findall(r"^\w", text, re.M))
    assert all(locked.values())
    server = tomllib.loads((ROOT / "packaging" / "server" / "pyproject.toml").read_text())
    for name in (*server["tool"]["server"]["dependencies"], "hiredis"):
        assert name in locked, "run scripts/lock"
    assert not {"av", "aiortc"} & locked.keys()


def copy_into_image(sources: list[str], target: str, root: Path) -> None:
    folder = root / target.removeprefix("/")
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder)
        else:
            assert target.endswith("/")
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, folder)
