"""Several servers that are one to a peer: another is asked when one does not let it in."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import trio

from trio_rtc import SignalingError
from trio_rtc.peerjs import open_peerjs
from trio_rtc.server import ServerLimits
from trio_rtc.wire.close_codes import CloseCode

from ..ports import free_port
from ..server.harness import tcp_server
from ..signaling.test_several_servers import lose_patience
from .scripted import Guest, scripted_server

IDS = (None, "alice")


def local(*ports: int) -> list[str]:
    return [f"http://127.0.0.1:{port}/" for port in ports]


@pytest.mark.parametrize("id_", IDS)
async def test_one_that_is_not_there(id_: str | None) -> None:
    with trio.fail_after(30):
        async with tcp_server() as port:
            for ports in ([free_port(), port], [port, free_port()]):
                async with open_peerjs(local(*ports), id_) as peer:
                    assert peer.id == (id_ or peer.id)


@pytest.mark.parametrize("id_", IDS)
async def test_one_that_says_nothing(id_: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with silent, tcp_server() as port:
        servers = local(silent.socket.getsockname()[1], port)
        lose_patience(monkeypatch, servers[0])
        with trio.fail_after(30):
            async with open_peerjs(servers, id_):
                pass


async def test_one_that_does_not_say_that_it_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_server() as mute, tcp_server() as port:
        lose_patience(monkeypatch, mute.url)
        with trio.fail_after(30):
            async with open_peerjs([mute.url, *local(port)], "alice"):
                pass


async def test_one_that_is_full() -> None:
    with trio.fail_after(30):
        async with tcp_server(limits=ServerLimits(peers=1)) as full, tcp_server() as other:
            servers = local(full, other)
            async with open_peerjs(servers, "alice"), open_peerjs(servers, "bob"):
                pass


@pytest.mark.parametrize("id_", IDS)
async def test_none_of_them(id_: str | None) -> None:
    servers = local(free_port(), free_port())
    with trio.fail_after(30), pytest.raises(SignalingError) as caught:
        async with open_peerjs(servers, id_):
            pass
    assert (caught.value.code, caught.value.fault) == ("server_unreachable", "network")
    for url in servers:
        assert url in str(caught.value)


async def test_what_every_other_one_would_say_too() -> None:
    with trio.fail_after(30):
        async with tcp_server() as port, tcp_server() as other:
            servers = local(port, other)
            async with open_peerjs(servers, "alice"):
                for id_, key, code in (
                    ("alice", "peerjs", "id_taken"),
                    ("bob", "other", "invalid_key"),
                ):
                    with pytest.raises(SignalingError) as caught:
                        async with open_peerjs(servers, id_, key=key):
                            pass
                    assert caught.value.code == code


@pytest.mark.parametrize("servers", [[], ["http://127.0.0.1:1", "here"]])
async def test_what_is_no_list_of_servers(servers: list[str]) -> None:
    with pytest.raises(SignalingError) as caught:
        async with open_peerjs(servers, "alice"):
            pass
    assert caught.value.code == "bad_url"


async def test_a_peer_goes_on_with_another_one() -> None:
    """With its id and its token, as those of a cluster have it."""

    def shown(guest: Guest) -> tuple[list[str], list[str]]:
        query = parse_qs(urlsplit(guest.path).query)
        return query["id"], query["token"]

    async with (
        scripted_server() as first,
        scripted_server() as second,
        trio.open_nursery() as nursery,
    ):

        async def talk() -> None:
            guest = await first.guest()
            await guest.say(type="OPEN")
            guest.leave()
            # The one that it had is asked first; that one has no place any more.
            await (await first.guest()).close(CloseCode.GOING_AWAY)
            other = await second.guest()
            assert shown(other) == shown(guest) == (["alice"], ["mine"])
            await other.say(type="OPEN")
            # Once more: now it has that one.
            other.leave()
            again = await second.guest()
            await again.say(type="OPEN")
            done.set()

        done = trio.Event()
        nursery.start_soon(talk)
        with trio.fail_after(20):
            async with open_peerjs([first.url, second.url], "alice", token="mine"):
                await done.wait()


@pytest.mark.parametrize("place", [True, False])
async def test_a_peer_goes_on_until_all_of_them_are_full(place: bool) -> None:
    """One that drains and one that is full say nothing about the next."""
    full, going, done = CloseCode.NO_PLACE, CloseCode.GOING_AWAY, trio.Event()
    async with (
        scripted_server() as first,
        scripted_server() as second,
        trio.open_nursery() as nursery,
    ):

        async def talk() -> None:
            guest = await first.guest()
            await guest.say(type="OPEN")
            await guest.close(going)
            # The one that is going is not asked first, and is not full.
            for server, code in ((second, full), (first, going), (second, full)):
                guest = await server.guest()
                await guest.say(type="ERROR", payload={"msg": "No place"})
                await guest.close(code)
            guest = await first.guest()
            if place:
                await guest.say(type="OPEN")
            else:
                await guest.say(type="ERROR", payload={"msg": "No place"})
                await guest.close(full)
            done.set()

        nursery.start_soon(talk)
        with trio.fail_after(30):
            async with open_peerjs([first.url, second.url], "alice", token="mine") as peer:
                await done.wait()
                if not place:
                    await peer._server.wait_lost()
                    assert peer._server.lost is not None
                    assert peer._server.lost.code == "refused"
