"""Tracks that are muted, replaced and stopped in a call."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
from av import AudioFrame, VideoFrame

from trio_rtc.errors import CallError, MediaError
from trio_rtc.rtc import open_media, open_track
from trio_rtc.rtc.backend.media.outgoing_media import SEND_FRAMES

from ...calls.both_sides import next_track, open_both, open_chat, works
from .pictures import grey, picture, tone, until_level, until_loud


async def test_muting_shows_black_and_ends_nothing() -> None:
    async with open_track("video", grey(180)) as track, open_both(receive=("video",)) as ends:
        await ends.alice.add_track(track)
        theirs = await next_track(ends.bob)
        await until_level(theirs, 180)
        assert track.enabled
        track.enabled = False
        await until_level(theirs, 0)
        assert not track.enabled
        track.enabled = True
        await until_level(theirs, 180)


async def test_muted_sound_is_silent() -> None:
    async with open_track("audio", tone()) as track, open_both(receive=("audio",)) as ends:
        await ends.alice.add_track(track)
        theirs = await next_track(ends.bob)
        await until_loud(theirs)
        track.enabled = False
        await until_loud(theirs, loud=False)
        track.enabled = True
        await until_loud(theirs)


async def test_a_track_is_replaced_without_an_end() -> None:
    async with (
        open_track("video", grey(50)) as dark,
        open_track("video", grey(200, 320, 240)) as bright,
        open_both(receive=("video",)) as ends,
    ):
        sender = await ends.alice.add_track(dark)
        assert ends.alice.senders == (sender,)
        theirs = await next_track(ends.bob)
        await until_level(theirs, 50)
        offers = ends.hub.log.count("alice offer")
        await sender.replace_track(bright)
        assert sender.track is bright
        frame = await until_level(theirs, 200)
        assert (frame.width, frame.height) == (320, 240)
        await sender.replace_track(None)
        assert sender.track is None
        await sender.replace_track(dark)
        await until_level(theirs, 50)
        assert ends.hub.log.count("alice offer") == offers


async def test_times_go_on_over_a_replacement() -> None:
    async with (
        open_media(video="pattern") as [first],
        open_track("video", grey(200)) as second,
        open_both(receive=("video",)) as ends,
    ):
        sender = await ends.alice.add_track(first)
        theirs = await next_track(ends.bob)
        times = []
        async for frame in theirs:
            times.append(frame.time or 0.0)
            if len(times) == 10:
                await sender.replace_track(second)
            if len(times) == 30:
                break
        assert times == sorted(times)
        assert times[-1] - times[0] < 20


async def test_a_track_of_the_other_kind_cannot_take_its_place() -> None:
    async with (
        open_track("video", grey(50)) as video,
        open_track("audio", tone()) as audio,
        open_both(receive=("video",)) as ends,
    ):
        sender = await ends.alice.add_track(video)
        with pytest.raises(MediaError) as raised:
            await sender.replace_track(audio)
        assert raised.value.code == "wrong_kind"
        await until_level(await next_track(ends.bob), 50)


async def test_a_track_that_is_stopped_ends_at_the_other_side() -> None:
    async with open_track("video", grey(50)) as track, open_both(receive=("video",)) as ends:
        sender = await ends.alice.add_track(track)
        theirs = await next_track(ends.bob)
        await sender.stop()
        async for _ in theirs:
            pass
        await works(*await open_chat(ends))
        again = await ends.alice.add_track(track)
        assert again is not sender
        await until_level(await next_track(ends.bob), 50)


async def test_a_file_that_ends_ends_at_the_other_side() -> None:
    async def short() -> object:
        frames = grey(90)
        for _ in range(10):
            yield await anext(frames)
        await frames.aclose()  # type: ignore[attr-defined]

    async with open_track("video", short()) as track, open_both(receive=("video",)) as ends:  # type: ignore[arg-type]
        await ends.alice.add_track(track)
        theirs = await anext(aiter(ends.bob.tracks))
        assert len([frame async for frame in theirs]) > 0


async def test_what_was_sent_from_the_start_can_be_replaced_too() -> None:
    async with (
        open_track("video", grey(50)) as dark,
        open_track("video", grey(200)) as bright,
        open_both(receive=("video",), tracks=[dark]) as ends,
    ):
        theirs = await next_track(ends.bob)
        await until_level(theirs, 50)
        (sender,) = ends.alice.senders
        await sender.replace_track(bright)
        await until_level(theirs, 200)


async def test_one_track_goes_to_several_readers_and_another_call() -> None:
    """A relay: what Bob receives goes on to Carol while he looks at it himself, twice."""
    async with (
        open_track("video", grey(120)) as track,
        open_both(receive=("video",)) as first,
        open_both(receive=("video",)) as second,
        trio.open_nursery() as nursery,
    ):
        await first.alice.add_track(track)
        received = await next_track(first.bob)
        await second.alice.add_track(received)
        relayed = await next_track(second.bob)
        nursery.start_soon(until_level, received, 120)
        nursery.start_soon(until_level, received, 120)
        nursery.start_soon(until_level, relayed, 120)


async def test_one_who_lags_loses_the_oldest_frames_and_nobody_else_does() -> None:
    async def numbered() -> object:
        for number in range(20):
            frame = VideoFrame(16, 16, "yuv420p")
            frame.pts = number
            yield frame

    async with open_track("video", numbered()) as track:  # type: ignore[arg-type]
        lagging, all_of_them = track.frames(3), track.frames()
        late = [await anext(lagging)]
        early = [frame async for frame in all_of_them]
        late += [frame async for frame in lagging]
    assert [frame.pts for frame in late[-3:]] == [17, 18, 19]
    assert lagging.frames_dropped == 20 - len(late)
    assert len(early) == all_of_them.frames_received - all_of_them.frames_dropped
    assert not isinstance(early[0], AudioFrame)


async def test_an_encoder_that_lags_tells_what_is_not_sent() -> None:
    async with open_track("video", grey(90)) as track, open_both(receive=("video",)) as ends:
        sender = await ends.alice.add_track(track)
        await next_track(ends.bob)
        assert sender.frames_dropped == 0

        async def lag() -> None:
            reader = sender._outgoing._reader
            assert reader is not None
            for _ in range(SEND_FRAMES + 3):
                reader.put(picture(0))

        await sender._bridge.run(lag)
        assert sender.frames_dropped >= 3
        dropped = sender.frames_dropped
        await sender.replace_track(None)
        assert sender.frames_dropped == dropped


async def test_nothing_takes_the_place_of_what_has_ended() -> None:
    async with open_track("video", grey(50)) as track, open_both(receive=("video",)) as ends:
        sender = await ends.alice.add_track(track)
        await sender.stop()
        await sender.stop()
        for another in (track, None):
            with pytest.raises(MediaError) as raised:
                await sender.replace_track(another)
            assert raised.value.code == "sender_ended"
        assert sender.track is None


async def test_when_the_call_is_over() -> None:
    async with open_track("video", grey(50)) as track:
        async with open_both(receive=("video",)) as ends:
            sender = await ends.alice.add_track(track)
            theirs = await next_track(ends.bob)
            await ends.alice.hang_up()
            await ends.bob.wait_ended()
        with pytest.raises(CallError) as raised:
            await sender.replace_track(None)
        assert raised.value.code == "connection_closed"
        await sender.stop()
        # For somebody who begins only now there is nothing more.
        assert [frame async for frame in theirs] == []


async def test_frames_for_one_task_at_a_time() -> None:
    async def slow() -> AsyncIterator[VideoFrame]:
        await go_on.wait()
        while True:
            yield picture(50)

    go_on = trio.Event()
    async with open_track("video", slow()) as track, trio.open_nursery() as nursery:
        frames = track.frames()

        async def take() -> None:
            await anext(frames)

        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await anext(frames)
        go_on.set()
    async with open_track("video", slow()) as track:
        frames = track.frames()
        with trio.move_on_after(0):
            await anext(frames)
        # One who has given up is not in the way.
        await anext(frames)


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_reader_that_keeps_nothing(limit: int) -> None:
    async with open_track("video", grey(50)) as track:
        with pytest.raises(ValueError, match="at least 1"):
            track.frames(limit)
        with pytest.raises(TypeError, match="NoneType"):
            track.frames(None)  # type: ignore[arg-type]
