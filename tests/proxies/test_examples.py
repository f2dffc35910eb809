"""The configurations in examples/deploy, as they are but for ports and files."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme

import trio_rtc
from trio_rtc.peerjs import open_peerjs

from ..ports import free_port
from ..server.harness import tcp_server
from .proxies import haproxy_file, nginx_servers

EXAMPLES = Path(__file__).parents[2] / "examples" / "deploy"
SERVER = "127.0.0.1:8888"


@asynccontextmanager
async def nginx_example(
    folder: Path, upstream: int, certificate: trustme.LeafCert
) -> AsyncIterator[int]:
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    text = (EXAMPLES / "nginx.conf").read_text()
    port = free_port()
    assert text.count(SERVER) == 2
    text = text.replace(SERVER, f"127.0.0.1:{upstream}").replace("/etc/nginx", str(folder))
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}")
    async with nginx_servers(folder, text, port):
        yield port


@asynccontextmanager
async def haproxy_example(
    folder: Path, upstream: int, certificate: trustme.LeafCert
) -> AsyncIterator[int]:
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "certificate-and-key.pem")
    text = (EXAMPLES / "haproxy.cfg").read_text()
    port = free_port()
    assert text.count(SERVER) == 1
    text = text.replace(SERVER, f"127.0.0.1:{upstream}").replace("/etc/haproxy", str(folder))
    text = text.replace("bind :443", f"bind 127.0.0.1:{port}")
    async with haproxy_file(folder, text, port):
        yield port


Example = Callable[[Path, int, trustme.LeafCert], AbstractAsyncContextManager[int]]


@pytest.mark.parametrize("path", ["/", "/rtc/"])
@pytest.mark.parametrize("example", [nginx_example, haproxy_example], ids=["nginx", "haproxy"])
async def test_all_protocols_through_it(example: Example, path: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with trio.fail_after(200):
        async with tcp_server() as server, example(tmp_path, server, certificate) as port:
            where = f"://localhost:{port}{path}"
            async with (
                trio_rtc.open_signaling(f"wss{where}", name="alice", ssl_context=context) as alice,
                trio_rtc.open_signaling(f"https{where}", name="bob", ssl_context=context) as bob,
                open_peerjs(f"https{where}", ssl_context=context) as carol,
            ):
                await alice.wait_for_peer(carol.id)
                await bob.wait_for_peer(carol.id)
                await alice.send(await alice.wait_for_peer("bob"), "x" * 200_000)
                await bob.send(await bob.wait_for_peer("alice"), "y" * 200_000)
                for one, text in ((bob, b"x"), (alice, b"y")):
                    async for event in one:
                        if isinstance(event, trio_rtc.MessageReceived):
                            assert event.data == text * 200_000
                            break
