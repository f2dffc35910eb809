"""The end of a native session, and resumes, as a server that plays by a script sees them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from trio_rtc.signaling import open_signaling
from trio_rtc.testing import Host, Network, start_signaling_server

from ..rtc.virtual import in_virtual_time
from ..testing.simulated import URL, run
from .scripted_native import native_script


@in_virtual_time
async def test_a_session_that_is_gone_after_a_leave_was_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with native_script() as server, trio.open_nursery() as nursery:

        async def play() -> None:
            guest = await server.guest()
            await guest.welcome()
            assert (await guest.hear())["type"] == "leave"
            # Its close is lost on the way.
            guest.vanish()
            guest = await server.guest()
            assert (await guest.hear())["type"] == "resume"
            await guest.say(type="error", code="session_lost", message="there is no such session")
            await guest.close(4404, "session_lost")

        nursery.start_soon(play)
        with caplog.at_level(logging.WARNING):
            async with open_signaling(server.url, name="alice"):
                pass
        assert not [record for record in caplog.records if record.name == "trio_rtc.signaling"]


@in_virtual_time
async def test_a_session_that_is_gone_before_the_leave_was_not_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with native_script() as server, trio.open_nursery() as nursery:
        left = trio.Event()

        async def play() -> None:
            guest = await server.guest()
            await guest.welcome()
            guest.vanish()
            guest = await server.guest()
            assert (await guest.hear())["type"] == "resume"
            left.set()
            await trio.testing.wait_all_tasks_blocked(0.1)
            await guest.say(type="error", code="session_lost", message="there is no such session")
            await guest.close(4404, "session_lost")

        nursery.start_soon(play)
        async with open_signaling(server.url, name="alice"):
            await left.wait()
    assert "not left in an orderly way: there is no such session" in caplog.text


@in_virtual_time
async def test_attempts_to_resume_are_counted() -> None:
    async with native_script() as server, trio.open_nursery() as nursery:
        attempts: list[int] = []
        done = trio.Event()

        async def play() -> None:
            guest = await server.guest()
            await guest.welcome()
            guest.vanish()
            for resumes in (False, True, False, True):
                guest = await server.guest()
                attempts.append((await guest.hear())["attempt"])
                if resumes:
                    await guest.say(type="resumed", received=0)
                if len(attempts) < 4:
                    guest.vanish()
            done.set()
            assert (await guest.hear())["type"] == "leave"
            await guest.close(1000, "left")

        nursery.start_soon(play)
        async with open_signaling(server.url, name="alice"):
            await done.wait()
        assert attempts == [1, 2, 3, 4]


def time_to_leave(worsen: Callable[[Network, Host], Awaitable[None]]) -> float:
    """How long the end of a session takes, while this is done to the network of its host."""

    async def program(network: Network) -> float:
        await start_signaling_server(network)
        alice = network.host("alice")

        async def sign_in_and_out() -> float:
            async with trio.open_nursery() as nursery:
                async with open_signaling(URL, name="alice") as signaling:
                    nursery.start_soon(worsen, network, alice)
                    await trio.testing.wait_all_tasks_blocked()
                    await signaling.send(signaling.peer_id, "hello")
                    began = trio.current_time()
                return trio.current_time() - began

        return await alice.run(sign_in_and_out)

    took: float = run(program)
    return took


async def part(network: Network, host: Host) -> None:
    """There is a network, and nothing comes through."""
    network.part([host], [network.hosts["server"]])


async def leave(network: Network, host: Host) -> None:
    host.leave()


async def leave_later(network: Network, host: Host) -> None:
    await part(network, host)
    await trio.sleep(1)
    host.leave()


def test_who_has_no_network_leaves_at_once(caplog: pytest.LogCaptureFixture) -> None:
    assert time_to_leave(leave) < 0.1
    assert "the session was not left in an orderly way: " in caplog.text


def test_who_loses_the_network_meanwhile_leaves_then() -> None:
    assert 0.9 < time_to_leave(leave_later) < 1.1


def test_who_has_a_network_waits_for_the_server() -> None:
    assert 9.9 < time_to_leave(part) < 10.1
