"""What is sent in a call, by a function of it; and what comes, by its kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.calls.takers import UNACCEPTED, Takers
from trio_rtc.rtc import AudioTrack, MediaTrack, VideoTrack, open_media
from trio_rtc.testing import MemoryHub

from .both_sides import open_both


async def wait(call: Call) -> None:
    await call.wait_ended()


async def test_each_caller_gets_what_is_opened_for_it() -> None:
    hub = MemoryHub()
    alice, carol, bob = (hub.sign_in(name) for name in ("alice", "carol", "bob"))
    log: list[str] = []
    give, take = trio.open_memory_channel[None](1)

    @asynccontextmanager
    async def camera(call: Call) -> AsyncIterator[Sequence[MediaTrack]]:
        log.append(f"open for {call.peer.name}")
        async with open_media(video="pattern") as tracks:
            yield tracks
        log.append(f"closed for {call.peer.name}")
        give.send_nowait(None)

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_calls, wait, bob, tracks=camera))
        for caller in (alice, carol):
            async with open_call(caller, "bob") as call:
                track = await anext(call.video_tracks)
                assert (await anext(aiter(track))).width == 640
            await take.receive()
        nursery.cancel_scope.cancel()
    assert log == ["open for alice", "closed for alice", "open for carol", "closed for carol"]


async def test_a_function_may_give_tracks_that_are_there() -> None:
    async with (
        open_media(audio="tone") as tracks,
        open_both(("audio",), tracks=lambda _: tracks) as ends,
    ):
        assert isinstance(await anext(ends.bob.audio_tracks), AudioTrack)
        assert isinstance(await anext(ends.alice.audio_tracks), AudioTrack)


async def test_a_function_that_fails_ends_its_call_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")
    fails = True

    def give(_: Call) -> list[MediaTrack]:
        if fails:
            raise OSError("no camera")
        return []

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_calls, wait, bob, tracks=give))
        with pytest.raises(Exception, match="declined the call: internal_error"):
            async with open_call(alice, "bob"):
                pass
        assert "no camera" in caplog.text
        fails = False
        async with open_call(alice, "bob"):
            pass
        nursery.cancel_scope.cancel()


async def test_tracks_by_their_kind() -> None:
    async with (
        open_media(video="pattern", audio="tone") as tracks,
        open_both(("audio", "video"), tracks=tracks) as ends,
    ):
        video = await anext(ends.alice.video_tracks)
        assert isinstance(video, VideoTrack)
        assert video.kind == "video"
        # The others are where they were.
        audio = await anext(aiter(ends.alice.tracks))
        assert isinstance(audio, AudioTrack)
        assert (await anext(aiter(audio))).sample_rate == 48000
        await ends.alice.hang_up()
        with pytest.raises(StopAsyncIteration):
            await anext(ends.alice.video_tracks)


async def test_what_waits_goes_to_who_begins_to_take_it() -> None:
    takers = Takers[str](lambda arrived: arrived[0], UNACCEPTED)
    for arrived in ("a1", "b1", "a2"):
        takers.give(arrived)
    assert await takers.take("a") == "a1"
    takers.give("a3")
    takers.give("b2")
    takers.close()
    assert [await takers.take("a") for _ in range(2)] == ["a2", "a3"]
    assert [each async for each in takers.rest] == ["b1", "b2"]
    with pytest.raises(trio.EndOfChannel):
        await takers.take("a")
    with pytest.raises(trio.EndOfChannel):
        await takers.take("b")
    with pytest.raises(trio.ClosedResourceError):
        takers.give("a4")


async def test_what_is_reserved_is_for_who_asks_for_it_whoever_looks_first() -> None:
    takers = Takers[str](lambda arrived: arrived[0], UNACCEPTED, reserved="ab")
    for arrived in ("a1", "b1", "c1", "b2"):
        takers.give(arrived)
    assert takers.rest.receive_nowait() == "c1"
    with pytest.raises(trio.WouldBlock):
        takers.rest.receive_nowait()
    assert takers.is_taken("c1")
    assert not takers.is_taken("a1")
    assert await takers.take("a") == "a1"
    assert takers.is_taken("a1")
    takers.give("a2")
    assert takers.give_up("a2") == []
    assert takers.give_up("b1") == ["b1", "b2"]
    assert takers.give_up("b2") == []
    takers.give("b3")
    takers.close()
    assert [await takers.take(key) for key in "ab"] == ["a2", "b3"]
    for key in "ab":
        with pytest.raises(trio.EndOfChannel):
            await takers.take(key)


async def test_who_takes_one_kind_is_not_held_up_by_another() -> None:
    takers = Takers[str](lambda arrived: arrived[0], UNACCEPTED)
    for _ in range(UNACCEPTED):
        takers.give("b")
    with pytest.raises(trio.WouldBlock):
        takers.give("a1")
    async with trio.open_nursery() as nursery:
        taken: list[str] = []

        async def take() -> None:
            taken.append(await takers.take("a"))

        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        takers.give("a2")
    assert taken == ["a2"]
