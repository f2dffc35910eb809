"""Real proxies tell for whom they ask, by a header or by the PROXY protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from trio_rtc.server.authorize import Admission, JoinRequest
from trio_rtc.signaling import open_signaling

from ..ports import free_port
from ..server.harness import tcp_server
from .proxies import haproxy, haproxy_file, nginx

#: Where a client comes from; all of 127.0.0.0/8 is this machine.
CLIENT = "127.0.0.77"

#: One that passes on bytes, and headers as they are.
TCP = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server upstream 127.0.0.1:{upstream} {send}
"""


async def by_address(request: JoinRequest) -> Admission:
    return Admission(name=request.address, room=request.room)


@asynccontextmanager
async def through(kind: str, folder: Path) -> AsyncIterator[int]:
    """A server that believes a proxy on this machine; gives the port of that proxy."""
    async with tcp_server(
        trusted_proxies=["127.0.0.1"], proxy_protocol=kind.startswith("send"), authorize=by_address
    ) as upstream:
        if kind == "nginx":
            options = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
            async with nginx(folder, upstream, options) as proxy:
                yield proxy.port
        elif kind == "haproxy":
            async with haproxy(folder, upstream, "option forwardfor") as proxy:
                yield proxy.port
        else:
            port = free_port()
            text = TCP.format(port=port, upstream=upstream, send=kind)
            async with haproxy_file(folder, text, port) as proxy:
                yield proxy.port


@pytest.mark.parametrize("kind", ["nginx", "haproxy", "send-proxy", "send-proxy-v2"])
async def test_the_client_is_seen_behind_a_proxy(kind: str, tmp_path: Path) -> None:
    with trio.fail_after(200):
        async with through(kind, tmp_path) as port:
            transport = httpx.AsyncHTTPTransport(local_address=CLIENT)
            async with httpx.AsyncClient(transport=transport) as http:
                for told in ({}, {"X-Forwarded-For": "6.6.6.6"}):
                    answer = await http.get(f"http://127.0.0.1:{port}/sign_in?x", headers=told)
                    assert answer.text.startswith(f"{CLIENT},")
            async with open_signaling(f"ws://127.0.0.1:{port}", name="x") as signaling:
                assert signaling.name == "127.0.0.1"
