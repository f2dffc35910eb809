"""What one connection does ends none beside it, whatever it is; and there are only so many."""

from __future__ import annotations

import errno
import logging
from typing import Any

import pytest
import trio

from trio_rtc import UnknownPeer, open_media
from trio_rtc.peerjs import DataConnection, MediaConnection, open_peerjs, serve_peerjs
from trio_rtc.peerjs import peer as peers
from trio_rtc.peerjs.peer import MAX_OF_ONE_PEER
from trio_rtc.rtc import PeerConnection

from ..server.harness import tcp_server
from .scripted import scripted_server
from .test_peer import echo, two_peers


async def works(connection: DataConnection) -> None:
    await connection.send("still there?")
    assert await connection.receive() == "still there?"


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), KeyError("bug")])
async def test_an_error_while_a_connection_is_set_up_ends_only_that(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*args: object) -> None:
        raise error

    async with two_peers() as (alice, _), alice.connect("bob") as standing:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PeerConnection, "set_remote_description", fail)
            with pytest.raises(UnknownPeer, match="bob"):
                async with alice.connect("bob"):
                    pass
        [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert record.exc_info is not None
        await works(standing)
        async with alice.connect("bob") as another:
            await works(another)


async def test_who_connects_above_the_limit_is_declined(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        tcp_server() as port,
        open_peerjs(f"http://127.0.0.1:{port}/", "bob") as bob,
        open_peerjs(f"http://127.0.0.1:{port}/") as alice,
        trio.open_nursery() as nursery,
    ):

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_peerjs(echo, bob, max_calls=1, task_status=task_status)

        await nursery.start(serve)
        async with alice.connect("bob") as standing:
            for _ in range(2):
                with pytest.raises(UnknownPeer):
                    async with alice.connect("bob"):
                        pass
            assert caplog.text.count("declined as busy") == 1
            await works(standing)
        async with alice.connect("bob") as another:
            await works(another)
        nursery.cancel_scope.cancel()


async def test_a_limit_that_is_none() -> None:
    async with scripted_server() as server, trio.open_nursery() as nursery:

        async def open_bob() -> None:
            async with open_peerjs(server.url, "bob") as bob:
                with pytest.raises(ValueError, match="max_calls"):
                    await serve_peerjs(echo, bob, max_calls=0)

        nursery.start_soon(open_bob)
        guest = await server.guest()
        await guest.say(type="OPEN")


def offer(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "sdp": {"type": "offer", "sdp": "v=0"},
        "type": "data",
        "connectionId": f"dc_{number}",
        "serialization": "binary",
        **fields,
    }


async def test_one_peer_may_not_have_all_places(caplog: pytest.LogCaptureFixture) -> None:
    with trio.fail_after(20):
        async with scripted_server() as server, trio.open_nursery() as nursery:
            done = trio.Event()

            async def open_bob() -> None:
                async with open_peerjs(server.url, "bob") as bob:
                    # Nobody serves: they wait.
                    await done.wait()
                    assert len(bob._links) == MAX_OF_ONE_PEER + 1

            nursery.start_soon(open_bob)
            guest = await server.guest()
            await guest.say(type="OPEN")
            for number in range(MAX_OF_ONE_PEER + 20):
                await guest.say(type="OFFER", src="mallory", payload=offer(number))
            assert await guest.hear("HEARTBEAT") == {"type": "EXPIRE", "dst": "mallory"}
            large = offer(0, metadata="x" * peers.MAX_OFFER_BYTES)
            await guest.say(type="OFFER", src="carol", payload=large)
            await guest.say(type="OFFER", src="alice", payload=offer(0))
            told: list[dict[str, Any]] = []
            while {"type": "EXPIRE", "dst": "carol"} not in told:
                told.append(await guest.hear("HEARTBEAT"))
            # Said once more each second at most.
            declined = [r for r in caplog.records if "declined" in r.getMessage()]
            assert len([r for r in declined if r.levelno == logging.WARNING]) <= 6
            await guest.say(type="OFFER", src="dave", payload=offer(0, serialization="none"))
            while {"type": "EXPIRE", "dst": "dave"} not in told:
                told.append(await guest.hear("HEARTBEAT"))
            done.set()


async def test_a_second_channel_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    async with two_peers() as (alice, _), alice.connect("bob") as connection:
        ours = connection._link.session.connection
        for _ in range(2):
            second = await ours.create_data_channel("second")
            with pytest.raises(trio.EndOfChannel):
                await second.receive()
        assert caplog.text.count("has one channel") == 1
        await works(connection)


async def test_the_limits_of_a_peer_are_those_of_its_connections() -> None:
    got: list[object] = []

    async def handler(connection: DataConnection | MediaConnection) -> None:
        assert isinstance(connection, MediaConnection)
        async for track in connection.tracks:
            got.append(track)

    async with (
        open_media(video="pattern") as tracks,
        two_peers(handler, max_frame_pixels=640 * 479, max_unread_bytes=1000) as (alice, bob),
        alice.call("bob", tracks),
    ):
        refused = 0
        while not refused:
            for link in bob._links.values():
                if link.connected:
                    stats = await link.session.connection.get_stats()
                    refused = sum(track.frames_refused for track in stats.tracks)
            await trio.sleep(0.01)
    assert len(got) == 1
