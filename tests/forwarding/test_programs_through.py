"""What others wrote, through ``trio-rtc forward``: ssh, curl and psql, each with its own server."""

from __future__ import annotations

import functools
import getpass
import hashlib
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

from ..listening import listening
from ..ports import free_port
from ..processes import command, server_here

IS_CI = "CI" in os.environ
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), None)


def needs(what: object, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not what and not IS_CI, reason=f"not installed (Debian: apt-get install {package})"
    )


@asynccontextmanager
async def forwarded(port: int) -> AsyncIterator[int]:
    """A port that leads to the one on this machine, by way of two commands and a code."""
    at, to = free_port(), f"127.0.0.1:{port}"
    async with server_here() as http_url:
        words = ["forward", "--json", "--server", http_url.replace("http", "ws")]
        async with command(*words, "--allow", to) as waiting:
            code = (await waiting.event("code"))["code"]
            async with command(*words, "-L", f"{at}:{to}", code) as caller:
                await caller.event("forwarding")
                yield at
                caller.interrupt()
                assert await caller.exit_status() == 130
            assert await waiting.exit_status() == 0, waiting.errors


async def output_of(*words: str, said: bytes = b"") -> str:
    """What a program prints that has nothing to complain of."""
    done = await trio.run_process(
        list(words), stdin=said, capture_stdout=True, capture_stderr=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def sshd_command(folder: Path, port: int) -> list[str]:
    """What runs an SSH server that lets in who has the key ``user`` of this folder."""
    assert SSHD is not None
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nPasswordAuthentication no\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    return [SSHD, "-D", "-e", "-f", str(folder / "config")]


@needs(SSHD, "openssh-server")
async def test_ssh(tmp_path: Path) -> None:
    port = free_port()
    sshd = sshd_command(tmp_path, port)
    async with (
        listening(sshd, tmp_path, tmp_path / "log", ("127.0.0.1", port)),
        forwarded(port) as at,
    ):
        ssh = ["ssh", "-F", "none", "-p", str(at), "-i", str(tmp_path / "user")]
        for option in (
            f"UserKnownHostsFile={tmp_path}/known", "StrictHostKeyChecking=no", "BatchMode=yes",
            "LogLevel=ERROR", "IdentitiesOnly=yes",
        ):  # fmt: skip
            ssh += ["-o", option]
        ssh += [f"{getpass.getuser()}@127.0.0.1"]
        # The end of what is typed has to arrive, and the rest of the answer after it.
        assert await output_of(*ssh, "tr a-z A-Z", said=b"hello\n" * 20_000) == "HELLO\n" * 20_000


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def web_server(folder: Path) -> Iterator[int]:
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            yield served.server_port
        finally:
            served.shutdown()
            thread.join()


@needs(shutil.which("curl"), "curl")
async def test_curl(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    await trio.Path(tmp_path / "file").write_bytes(content)
    with web_server(tmp_path) as port:
        async with forwarded(port) as at:
            url = f"http://127.0.0.1:{at}/file"
            names = [str(tmp_path / f"copy{number}") for number in range(3)]
            words = [word for name in names for word in ("--output", name, url)]
            await output_of("curl", "--silent", "--show-error", "--fail", "--parallel", *words)
    wanted = hashlib.sha256(content).digest()
    assert {hashlib.sha256(await trio.Path(one).read_bytes()).digest() for one in names} == {wanted}


@contextmanager
def postgres_folder() -> Iterator[tuple[Path, list[str]]]:
    """A folder for PostgreSQL, which does not run as root, and what runs it as somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            yield folder, ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        else:
            yield folder, []
    finally:
        shutil.rmtree(folder)


def postgres_command(folder: Path, as_who: list[str], port: int) -> list[str]:
    """What runs a new database for everybody on this machine."""
    data = str(folder / "data")
    initdb = [f"{POSTGRES}/initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", data]
    subprocess.run([*as_who, *initdb], check=True, capture_output=True, cwd=folder)
    postgres = [f"{POSTGRES}/postgres", "-D", data, "-p", str(port), "-k", str(folder)]
    return [*as_who, *postgres, "-h", "127.0.0.1", "-c", "fsync=off"]


@needs(POSTGRES, "postgresql")
async def test_psql() -> None:
    port = free_port()
    with postgres_folder() as (folder, as_who):
        postgres = postgres_command(folder, as_who, port)
        async with (
            listening(postgres, folder, folder / "log", ("127.0.0.1", port)),
            forwarded(port) as at,
        ):
            psql = [f"{POSTGRES}/psql", "-X", "-h", "127.0.0.1", "-p", str(at), "-U", "postgres"]
            query = "SELECT sum(i), max(repeat('x', 100000)) FROM generate_series(1, 1000) AS i"
            total, text = (await output_of(*psql, "-At", "-c", query)).split("|")
    assert (total, text.strip()) == ("500500", "x" * 100_000)
