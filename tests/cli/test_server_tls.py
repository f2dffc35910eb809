"""TLS out of files: the server as a process, and certificates that are renewed while it runs."""

from __future__ import annotations

import re
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing
import trustme
from cryptography.hazmat.primitives import serialization

from trio_rtc.cli.settings import SettingsError
from trio_rtc.cli.tls import Certificate

from ..processes import Command, command

PASSWORD = serialization.BestAvailableEncryption(b"password")


class Files:
    """An authority, and a certificate of its with the key in files."""

    def __init__(self, folder: Path):
        self.authority = trustme.CA()
        self.certificate = folder / "certificate.pem"
        self.key = folder / "key.pem"
        self.renew()

    def renew(self) -> None:
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))

    def encrypt_key(self) -> None:
        key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        form = serialization.PrivateFormat.PKCS8
        self.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, PASSWORD))

    @property
    def client_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@asynccontextmanager
async def tls_server(files: Files, *arguments: str) -> AsyncIterator[tuple[Command, str]]:
    async with command(
        "server", "--host", "127.0.0.1", "--port", "0", "--tls-certificate",
        str(files.certificate), "--tls-key", str(files.key), *arguments,
    ) as running:  # fmt: skip
        url = (await running.line("listening on")).split()[-1]
        yield running, url
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_status() == 0
        assert "Traceback" not in running.errors


async def shown_certificate(files: Files, url: str) -> bytes:
    """The certificate that a new connection is shown."""
    stream = await trio.open_ssl_over_tcp_stream(
        "127.0.0.1", int(url.rpartition(":")[2]), ssl_context=files.client_context
    )
    async with stream:
        await stream.do_handshake()
        shown = stream.getpeercert(binary_form=True)
    assert isinstance(shown, bytes)
    return shown


async def test_the_server_speaks_tls(files: Files) -> None:
    async with tls_server(files) as (_, url):
        assert re.fullmatch(r"https://127\.0\.0\.1:\d+", url)
        async with httpx.AsyncClient(verify=files.client_context) as http:
            assert (await http.get(f"{url}/sign_in?alice")).text == "alice,1,1\n"


async def test_the_key_may_be_in_the_same_file(files: Files) -> None:
    both = files.certificate.read_bytes() + files.key.read_bytes()
    files.certificate.write_bytes(both)
    async with command(
        "server", "--host", "127.0.0.1", "--port", "0", "--tls-certificate", str(files.certificate)
    ) as running:
        url = (await running.line("listening on")).split()[-1]
        async with httpx.AsyncClient(verify=files.client_context) as http:
            assert (await http.get(f"{url}/sign_in?alice")).status_code == 200


async def test_a_client_without_tls_disturbs_nobody(files: Files) -> None:
    async with tls_server(files) as (_, url):
        port = int(url.rpartition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as plain:
            await plain.send_all(b"GET /sign_in?mallory HTTP/1.1\r\n\r\n")
            with trio.fail_after(200):
                while await plain.receive_some():
                    pass
        # One that says nothing at all is still there while the next one is served.
        async with (
            await trio.open_tcp_stream("127.0.0.1", port),
            httpx.AsyncClient(verify=files.client_context) as http,
        ):
            assert (await http.get(f"{url}/sign_in?alice")).text == "alice,1,1\n"


async def test_a_hangup_reads_the_certificate_again(files: Files) -> None:
    async with (
        tls_server(files, "--log-level", "info") as (running, url),
        httpx.AsyncClient(verify=files.client_context) as http,
    ):
        await http.get(f"{url}/sign_in?alice")
        before = await shown_certificate(files, url)
        files.renew()
        assert await shown_certificate(files, url) == before
        running.process.send_signal(signal.SIGHUP)
        await running.error("the certificate has been read again")
        assert await shown_certificate(files, url) != before
        # Connections from before that go on.
        assert (await http.get(f"{url}/sign_out?peer_id=1")).status_code == 200


async def test_a_certificate_that_is_no_good_changes_nothing(files: Files) -> None:
    async with tls_server(files) as (running, url):
        before = await shown_certificate(files, url)
        files.key.write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
        running.process.send_signal(signal.SIGHUP)
        await running.error("the certificate stays as it was: --tls-certificate: ")
        assert await shown_certificate(files, url) == before
        files.key.unlink()
        running.process.send_signal(signal.SIGHUP)
        await running.error(f"cannot read {files.key}")
        assert await shown_certificate(files, url) == before


async def test_a_wrong_file_is_one_line(files: Files) -> None:
    files.key.unlink()
    async with command(
        "server", "--tls-certificate", str(files.certificate), "--tls-key", str(files.key)
    ) as running:
        assert await running.exit_status() == 2
    assert running.errors == (
        f"trio-rtc server: --tls-certificate: cannot read {files.key}: No such file or directory\n"
    )


def problem(files: Files, *, key: bool = True) -> str:
    with pytest.raises(SettingsError) as caught:
        Certificate(str(files.certificate), str(files.key) if key else None, "file.toml: tls")
    return str(caught.value)


def test_files_that_do_not_go_together(files: Files) -> None:
    files.key.write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
    assert problem(files) == (
        f"file.toml: tls: cannot use {files.certificate} and {files.key} as a certificate "
        "with its key: KEY_VALUES_MISMATCH"
    )


def test_files_that_hold_something_else(files: Files) -> None:
    for key in (False, True):
        assert problem(files, key=key).startswith("file.toml: tls: cannot use ")
        files.certificate.write_text("nothing")


def test_an_encrypted_key_asks_nobody(files: Files) -> None:
    files.encrypt_key()
    assert "there is no key, or an encrypted one" in problem(files)


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_files_that_are_not_there(files: Files, missing: str) -> None:
    path: Path = getattr(files, missing)
    path.unlink()
    assert problem(files) == f"file.toml: tls: cannot read {path}: No such file or directory"
    path.mkdir()
    assert str(path) in problem(files)


async def test_a_reload_takes_what_is_good_and_nothing_else(files: Files) -> None:
    certificate = Certificate(str(files.certificate), str(files.key), "tls")
    context = certificate.context

    async def shown() -> bytes:
        one, other = trio.testing.memory_stream_pair()
        server = trio.SSLStream(one, context, server_side=True)
        client = trio.SSLStream(other, files.client_context, server_hostname="localhost")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.do_handshake)
            nursery.start_soon(client.do_handshake)
        binary = client.getpeercert(binary_form=True)
        assert isinstance(binary, bytes)
        await trio.aclose_forcefully(client)
        await trio.aclose_forcefully(server)
        return binary

    first = await shown()
    shutil.copy(files.key, f"{files.key}.old")
    files.renew()
    certificate.reload()
    second = await shown()
    assert second != first
    shutil.copy(f"{files.key}.old", files.key)
    with pytest.raises(SettingsError, match="KEY_VALUES_MISMATCH"):
        certificate.reload()
    assert await shown() == second
    assert context is certificate.context
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
