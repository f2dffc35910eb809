"""Several servers that are one to their clients: another is tried when one does not let us in."""

from __future__ import annotations

import pytest
import trio

from trio_rtc.cli.commands.declare import DEFAULT_SERVER, urls
from trio_rtc.errors import SignalingError, SignalingLost
from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import shared_secret
from trio_rtc.signaling import address, open_signaling
from trio_rtc.signaling.address import Servers
from trio_rtc.wire.close_codes import REASONS, CloseCode

from ..ports import free_port
from ..rtc.virtual import in_virtual_time
from ..server.harness import tcp_server
from .scripted_native import native_script

SCHEMES = ("ws", "http")


def lose_patience(monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    """Give this one a moment to let us in, and each other one all the time that it takes."""

    def patience(servers: Servers) -> float:
        return 0.1 if servers.current == silent else 30.0

    monkeypatch.setattr(Servers, "patience", property(patience))


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_one_that_is_not_there(scheme: str) -> None:
    with trio.fail_after(30):
        async with tcp_server() as port:
            there, gone = f"{scheme}://127.0.0.1:{port}", f"{scheme}://127.0.0.1:{free_port()}"
            for servers in ([gone, there], [there, gone], [gone, gone, there]):
                async with open_signaling(servers, name="alice") as signaling:
                    assert signaling.server == there


@pytest.mark.parametrize("scheme", SCHEMES)
@in_virtual_time
async def test_one_that_says_nothing(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with silent:
        with trio.fail_after(30):
            async with tcp_server() as port:
                port_of_silent = silent.socket.getsockname()[1]
                servers = [f"{scheme}://127.0.0.1:{one}" for one in (port_of_silent, port)]
                lose_patience(monkeypatch, servers[0])
                async with open_signaling(servers, name="alice") as signaling:
                    assert signaling.server == servers[1]


@in_virtual_time
async def test_one_that_does_not_welcome(monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(30):
        async with native_script() as script, tcp_server() as port:
            servers = [script.url, f"ws://127.0.0.1:{port}"]
            lose_patience(monkeypatch, servers[0])
            async with open_signaling(servers, name="alice") as signaling:
                assert signaling.server == servers[1]


@pytest.mark.parametrize("scheme", SCHEMES)
@in_virtual_time
async def test_one_that_is_full(scheme: str) -> None:
    with trio.fail_after(30):
        async with tcp_server(limits=ServerLimits(peers=1)) as full, tcp_server() as other:
            servers = [f"{scheme}://127.0.0.1:{one}" for one in (full, other)]
            async with (
                open_signaling(servers, name="alice") as alice,
                open_signaling(servers, name="bob") as bob,
            ):
                assert (alice.server, bob.server) == tuple(servers)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_none_of_them(scheme: str) -> None:
    with trio.fail_after(30):
        async with tcp_server(limits=ServerLimits(peers=1)) as full:
            servers = [f"{scheme}://127.0.0.1:{one}" for one in (full, free_port())]
            async with open_signaling(servers[0], name="alice"):
                with pytest.raises(SignalingError) as caught:
                    async with open_signaling(servers, name="bob"):
                        pass
    assert caught.value.code == "server_unreachable"
    for url in servers:
        assert url in str(caught.value)
    assert "place" in str(caught.value)


@in_virtual_time
async def test_what_every_other_one_would_say_too() -> None:
    with trio.fail_after(30):
        async with tcp_server(authorize=shared_secret("x")) as port, tcp_server() as other:
            servers = [f"ws://127.0.0.1:{one}" for one in (port, other)]
            with pytest.raises(SignalingError) as caught:
                async with open_signaling(servers, name="bob", token="y"):
                    pass
            assert caught.value.code == "not_authorized"
    for wrong, code in (([], "bad_url"), (["ws://127.0.0.1:1", "x"], "bad_url")):
        with pytest.raises(SignalingError) as caught:
            async with open_signaling(wrong, name="bob"):
                pass
        assert caught.value.code == code


@in_virtual_time
async def test_a_session_goes_on_with_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of a cluster have it."""
    with trio.fail_after(30):
        async with native_script() as first, native_script() as second, trio.open_nursery() as ours:

            async def be_there() -> None:
                async with open_signaling([first.url, second.url], name="alice") as signaling:
                    opened.set()
                    await resumed.wait()
                    await signaling.wait_for_state("connected")
                    assert signaling.server == second.url

            opened, resumed = trio.Event(), trio.Event()
            ours.start_soon(be_there)
            guest = await first.guest()
            await guest.welcome()
            await opened.wait()
            # The one it had is asked first; it says nothing any more.
            lose_patience(monkeypatch, first.url)
            guest.vanish()
            await first.guest()
            other = await second.guest()
            assert (await other.hear())["type"] == "resume"
            await other.say(type="resumed", received=0)
            resumed.set()
            assert (await other.hear())["type"] == "leave"
            await other.close(CloseCode.LEFT, REASONS[CloseCode.LEFT])


@pytest.mark.parametrize("place", [True, False])
@in_virtual_time
async def test_a_session_goes_on_until_all_of_them_are_full(place: bool) -> None:
    """One that drains and one that is full say nothing about the next."""
    full, going = CloseCode.NO_PLACE, CloseCode.GOING_AWAY
    with trio.fail_after(600):
        async with (
            native_script() as first,
            native_script() as second,
            native_script() as third,
            trio.open_nursery() as nursery,
        ):
            servers = [first, second, third]

            async def talk() -> None:
                guest = await first.guest()
                await guest.welcome()
                await guest.close(going, REASONS[going])
                # The one that is going is not asked first, and counts for none that is full.
                for server, code in ((second, full), (third, full), (first, going), (second, full)):
                    guest = await server.guest()
                    assert (await guest.hear())["type"] == "resume"
                    await guest.close(code, REASONS[code])
                guest = await third.guest()
                assert (await guest.hear())["type"] == "resume"
                if place:
                    await guest.say(type="resumed", received=0)
                    assert (await guest.hear())["type"] == "leave"
                    await guest.close(CloseCode.LEFT, REASONS[CloseCode.LEFT])
                    return
                await guest.close(full, REASONS[full])
                await (await first.guest()).close(full, REASONS[full])

            nursery.start_soon(talk)
            async with open_signaling([one.url for one in servers], name="alice") as signaling:
                await signaling.wait_for_state("reconnecting")
                await signaling.wait_for_state("connected" if place else "lost")
                assert place == (signaling.server == third.url)
                if not place:
                    with pytest.raises(SignalingLost) as caught:
                        await signaling.send(signaling.peer_id, b"x")
                    assert caught.value.code == "no_place"


@in_virtual_time
async def test_who_has_one_is_as_patient_as_ever() -> None:
    assert address.Servers(["ws://a"]).patience is None
    servers = address.Servers(["ws://a", "ws://b"])
    assert servers.patience == address.PATIENCE_SECONDS
    assert [servers.current, servers.turn(), servers.current] == ["ws://a", None, "ws://b"]  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], [DEFAULT_SERVER]),
        (["ws://a"], ["ws://a"]),
        (["ws://a", "ws://b"], ["ws://a", "ws://b"]),
        (["ws://a,ws://b wss://c/d,e"], ["ws://a", "ws://b", "wss://c/d,e"]),
        ([" ws://a, ws://b ,"], ["ws://a", "ws://b"]),
        (["localhost:8888"], ["localhost:8888"]),
    ],
)
def test_how_they_are_given(given: list[str], meant: list[str]) -> None:
    assert urls(given) == meant
