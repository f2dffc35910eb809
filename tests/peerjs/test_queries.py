"""What PeerJS pages write into a query is taken as it stands there."""

from __future__ import annotations

import pytest

from trio_rtc.peerjs import open_peerjs
from trio_rtc.server import PeerJSSettings
from trio_rtc.server.authorize import shared_secret

from ..server.harness import tcp_server
from .clients import connect, server_for_peers


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        ("ab+cd/ef==", "ab+cd/ef=="),
        ("ab+cd/ef==", "ab%2Bcd%2Fef%3D%3D"),
        ("50%", "50%"),
        ("50%x", "50%x"),
        ("a b", "a%20b"),
        ("caf\u00e9", "caf%C3%A9"),
    ],
)
async def test_a_secret_in_a_query(secret: str, written: str) -> None:
    async with server_for_peers(authorize=shared_secret(secret)) as server:
        client = await connect(server, f"/peerjs?key=peerjs&id=alice&token={written}")
        assert await client.hear() == {"type": "OPEN"}
        await client.stream.aclose()


BAD_ID = "key=peerjs&id=a%2Bb&token=x"


@pytest.mark.parametrize("written", ["a%20b", "a+b"])
async def test_blanks_in_an_id(written: str) -> None:
    async with server_for_peers() as server:
        client = await connect(server, f"/peerjs?key=peerjs&id={written}&token=x")
        assert await client.hear() == {"type": "OPEN"}
        assert server.statistics.peers["peerjs"] == 1
        await client.stream.aclose()


@pytest.mark.parametrize(
    "query", ["", "key=peerjs&id=a&token=", "key=peerjs&id&token=x", "&&=&", BAD_ID]
)
async def test_queries_that_lack_something(query: str) -> None:
    async with server_for_peers() as server:
        client = await connect(server, f"/peerjs?{query}")
        assert (await client.hear())["type"] == "ERROR"
        await client.stream.aclose()


@pytest.mark.parametrize("secret", ["a b", " ", "a+b", "50%", "a%20b", "a&b=c#d", "\u00e9\u3000"])
async def test_a_secret_of_a_program(secret: str) -> None:
    async with (
        tcp_server(authorize=shared_secret(secret)) as port,
        open_peerjs(f"http://127.0.0.1:{port}", "alice", token=secret) as alice,
    ):
        assert alice.id == "alice"


@pytest.mark.parametrize("path", ["/", "/a b", "/a%20b/", "/caf\u00e9", "/~a;b=c"])
@pytest.mark.parametrize("key", ["peerjs", "two words"])
@pytest.mark.parametrize("id_", [None, "al ice"])
async def test_a_path_and_a_key_of_a_program(path: str, key: str, id_: str | None) -> None:
    async with (
        tcp_server(peerjs=PeerJSSettings(path=path, key=key)) as port,
        open_peerjs(f"http://127.0.0.1:{port}{path}", id_, key=key) as alice,
    ):
        assert alice.id == (id_ or alice.id)
