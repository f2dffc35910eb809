"""Media sections that are used again: tracks that come and go, in a call that stands."""

from __future__ import annotations

import gc
import re
import weakref
from typing import Any

import trio

from trio_rtc.calls.call import Call
from trio_rtc.rtc import MediaTrack, TrackSender, open_track

from ..rtc.media.pictures import grey, tone, until_level
from ..waiting import until
from .both_sides import next_track, open_both, open_chat, works


def sections(call: Call) -> list[str]:
    """The kinds of media that its description has sections for."""
    description = call._connection.local_description
    assert description is not None
    return re.findall(r"^m=(audio|video)", description.sdp, re.M)


async def ended(track: MediaTrack) -> None:
    async for _ in track:
        pass


async def until_agreed(*calls: Call) -> None:
    """Nothing is being negotiated any more, on either side."""
    while any(  # noqa: ASYNC110
        call._connection.negotiation_needed or call._connection.signaling_state != "stable"
        for call in calls
    ):
        await trio.sleep(0.001)


async def test_a_hundred_times() -> None:
    async with open_track("audio", tone()) as track, open_both() as ends:
        ours, theirs = await open_chat(ends)
        for _ in range(100):
            sender = await ends.alice.add_track(track)
            assert ends.alice.senders == (sender,)
            received = await anext(aiter(ends.bob.tracks))
            await sender.stop()
            await ended(received)
        await until_agreed(ends.alice, ends.bob)
        # One that is added before the other side knows of the end needs a place of its own.
        assert len(sections(ends.alice)) <= 2
        assert ends.alice.senders == ()
        await works(ours, theirs)
        await ends.alice.add_track(track)
        await next_track(ends.bob)


async def test_what_is_negotiated_frees_its_place() -> None:
    async with (
        open_track("video", grey(50)) as dark,
        open_track("video", grey(200)) as bright,
        open_both() as ends,
    ):
        for _ in range(3):
            for track, level in ((dark, 50), (bright, 200)):
                sender = await ends.alice.add_track(track)
                received = await anext(aiter(ends.bob.tracks))
                await until_level(received, level)
                await sender.stop()
                await ended(received)
                await until_agreed(ends.alice, ends.bob)
                assert sections(ends.alice) == sections(ends.bob) == ["video"]
        # The other way it is free as well.
        await ends.bob.add_track(bright)
        await until_level(await anext(aiter(ends.alice.tracks)), 200)
        await ends.alice.add_track(dark)
        await until_level(await anext(aiter(ends.bob.tracks)), 50)
        assert sections(ends.alice) == sections(ends.bob) == ["video"]


async def test_a_second_track_beside_the_first_comes_and_goes() -> None:
    """As a screen beside a camera."""
    async with (
        open_track("video", grey(50)) as camera,
        open_track("video", grey(200)) as screen,
        open_both() as ends,
    ):
        await ends.bob.add_track(camera)
        theirs = await next_track(ends.alice)
        for _ in range(3):
            sharing = await ends.bob.add_track(screen)
            shared = await anext(aiter(ends.alice.tracks))
            await until_level(shared, 200)
            await sharing.stop()
            await ended(shared)
            await until_level(theirs, 50)
            await until_agreed(ends.alice, ends.bob)
        assert sections(ends.alice) == ["video", "video"]


async def test_a_source_that_ends_gives_its_place_back() -> None:
    async def short() -> object:
        frames = grey(90)
        for _ in range(5):
            yield await anext(frames)
        await frames.aclose()  # type: ignore[attr-defined]

    async with open_both() as ends:
        for _ in range(3):
            async with open_track("video", short()) as track:  # type: ignore[arg-type]
                await ends.alice.add_track(track)
                await ended(await anext(aiter(ends.bob.tracks)))
                await until_agreed(ends.alice, ends.bob)
            assert ends.alice.senders == ()
        assert sections(ends.alice) == ["video"]


async def test_a_track_that_is_stopped_before_it_is_offered() -> None:
    async with open_track("video", grey(50)) as track, open_both() as ends:
        sender = await ends.alice._connection.add_track(track)
        await sender.stop()
        await ends.alice.open_channel("chat")
        await until_agreed(ends.alice, ends.bob)
        assert sections(ends.alice) == []
        await ends.alice.add_track(track)
        await next_track(ends.bob)


async def test_both_take_tracks_away_at_once() -> None:
    async with (
        open_track("video", grey(50)) as video,
        open_track("audio", tone()) as audio,
        open_both() as ends,
    ):
        tracks = (video, audio)
        for _ in range(3):
            senders: list[TrackSender] = []
            for call in (ends.alice, ends.bob):
                for track in tracks:
                    senders.append(await call.add_track(track))
            received = [await next_track(call) for call in (ends.bob, ends.alice) for _ in tracks]
            async with trio.open_nursery() as nursery:
                for sender in senders:
                    nursery.start_soon(sender.stop)
                for theirs in received:
                    nursery.start_soon(ended, theirs)
            await until_agreed(ends.alice, ends.bob)
        assert sorted(sections(ends.alice)) == ["audio", "video"]
        await works(*await open_chat(ends))


async def test_a_call_keeps_nothing_of_what_has_ended() -> None:
    kept: weakref.WeakSet[Any] = weakref.WeakSet()
    async with open_track("video", grey(90)) as track, open_both() as ends:
        for _ in range(6):
            sender = await ends.alice.add_track(track)
            received = await anext(aiter(ends.bob.tracks))
            kept.update(ends.bob._connection._loop_connection._pc.getReceivers())
            await sender.stop()
            await ended(received)
            await until_agreed(ends.alice, ends.bob)
        # That of the section, and one that may have ended just now; others end when they like.
        await until(lambda: gc.collect() >= 0 and len(kept) <= 2)
