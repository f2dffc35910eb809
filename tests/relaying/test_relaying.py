"""One publisher, many viewers, and no decoder between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
from aiortc import VideoStreamTrack
from aiortc.codecs import h264, opus, vpx

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.errors import CallError, MediaError
from trio_rtc.relaying import Relay, open_relay, relay
from trio_rtc.rtc import MediaTrack, open_media, open_track
from trio_rtc.rtc.backend.media.congestion.numbered_packets import is_numbered
from trio_rtc.rtc.backend.media.encoded.encoded_format import EncodedFormat
from trio_rtc.rtc.backend.media.encoded.encoded_packets import make_packet
from trio_rtc.rtc.backend.media.receiving import keyframe_collapse
from trio_rtc.rtc.backend.media.receiving.remote_packets import RemotePackets
from trio_rtc.rtc.backend.media.tracks import Source
from trio_rtc.signaling import Signaling
from trio_rtc.testing import MemoryHub

from ..calls.both_sides import next_track
from ..rtc.media.pictures import grey, tone, until_level, until_loud


@dataclass
class Studio:
    """The publisher has called the relay.

    Attributes:
        published: the publisher's end of that call.
        incoming: the relay's.
        viewers: the viewers' ends, by their names.
    """

    hub: MemoryHub
    published: Call
    incoming: Call
    relay_signaling: Signaling
    nursery: trio.Nursery
    viewers: dict[str, Call] = field(default_factory=dict)

    @asynccontextmanager
    async def viewing(self, name: str, **options: Any) -> AsyncIterator[Call]:
        """A viewer whom the relay has called; gives the relay's end."""
        signaling, answered = self.hub.sign_in(name), trio.Event()

        async def keep(call: Call) -> None:
            self.viewers[name] = call
            answered.set()
            await call.wait_ended()

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_calls(keep, signaling, task_status=task_status, **options)

        await self.nursery.start(serve)
        async with open_call(self.relay_signaling, name, receive=()) as call:
            await answered.wait()
            yield call


@asynccontextmanager
async def open_studio(tracks: list[MediaTrack]) -> AsyncIterator[Studio]:
    hub = MemoryHub()
    publisher, middle = hub.sign_in("publisher"), hub.sign_in("relay")
    give, take = trio.open_memory_channel[Call](1)

    async def keep(call: Call) -> None:
        await give.send(call)
        await call.wait_ended()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(keep, middle, task_status=task_status)

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            async with open_call(publisher, "relay", receive=(), tracks=tracks) as call:
                yield Studio(hub, call, await take.receive(), middle, nursery)
            nursery.cancel_scope.cancel()


async def kinds_of(call: Call, count: int) -> dict[str, MediaTrack]:
    theirs = aiter(call.tracks)
    return {(track := await anext(theirs)).kind: track for _ in range(count)}


async def test_viewers_see_and_hear_the_publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        open_track("video", grey(140)) as video,
        open_track("audio", tone()) as audio,
        open_studio([video, audio]) as studio,
        studio.viewing("carol") as carol,
        studio.viewing("dave") as dave,
        open_relay(studio.incoming) as relaying,
    ):
        await relaying.wait_tracks(2)
        for viewer in (carol, dave):
            await relaying.add_viewer(viewer)
        for name in ("carol", "dave"):
            found = await kinds_of(studio.viewers[name], 2)
            await until_level(found["video"], 140)
            await until_loud(found["audio"])
        # The publisher is none of these: it encodes, and a viewer decodes.
        assert all(track._source.packets is track._source for track in relaying.tracks)


def aiortc_connection(call: Call) -> Any:
    return call._connection._loop_connection._pc


async def test_the_relay_decodes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        open_track("video", grey(140)) as video,
        open_studio([video]) as studio,
        studio.viewing("carol") as carol,
        open_relay(studio.incoming) as relaying,
    ):
        await relaying.add_viewer(carol)
        theirs = await anext(aiter(studio.viewers["carol"].tracks))
        packets = theirs.packets()
        await anext(packets)

        def fail(*_: object) -> None:
            raise AssertionError("there is a decoder at work")

        for decoder in (h264.H264Decoder, vpx.Vp8Decoder):
            monkeypatch.setattr(decoder, "decode", fail)
        for encoder in (h264.H264Encoder, opus.OpusEncoder):
            monkeypatch.setattr(encoder, "encode", fail)
        for _ in range(20):
            await anext(packets)
        # Nor does it wait with packets for a path that it cannot have made smaller ones for.
        relayed, decoded = (
            [is_numbered(sender) for sender in connection.getSenders() if sender.track]
            for connection in map(aiortc_connection, (carol, studio.published))
        )
        assert (relayed, decoded) == ([False], [True])


async def test_viewers_come_and_go_and_so_does_the_publisher() -> None:
    async with (
        open_track("video", grey(140)) as video,
        open_studio([video]) as studio,
        open_relay(studio.incoming) as relaying,
        AsyncExitStack() as stack,
    ):
        carol = await stack.enter_async_context(studio.viewing("carol"))
        await relaying.add_viewer(carol)
        seen = await next_track(studio.viewers["carol"])
        async with studio.viewing("dave") as dave:
            await relaying.add_viewer(dave)
            await until_level(await next_track(studio.viewers["dave"]), 140)
        await until_level(seen, 140)
        # What the publisher adds later goes to who is there.
        async with open_track("audio", tone()) as audio:
            await studio.published.add_track(audio)
            async for track in studio.viewers["carol"].audio_tracks:
                await until_loud(track)
                break
        await studio.published.hang_up()
        async for _ in seen:
            pass
        assert carol.end is None
        async with studio.viewing("erin") as erin:
            # What was the publisher's is over, and nothing new comes.
            await relaying.add_viewer(erin)
            assert erin.end is None


async def test_relay_lasts_as_long_as_the_publisher() -> None:
    async with (
        open_track("video", grey(140)) as video,
        open_studio([video]) as studio,
        studio.viewing("carol") as carol,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(relay, studio.incoming, carol)
        await until_level(await next_track(studio.viewers["carol"]), 140)
        await studio.published.hang_up()


async def test_a_publisher_that_leaves_before_there_was_anything() -> None:
    async with (
        open_track("video", grey(140)) as video,
        open_studio([]) as studio,
        studio.viewing("carol") as carol,
        open_relay(studio.incoming) as relaying,
    ):
        await studio.published.hang_up()
        with pytest.raises(CallError, match="publisher") as raised:
            await relaying.add_viewer(carol)
        assert raised.value.code == "call_ended"
        assert video.kind == "video"


async def test_a_viewer_that_does_not_take_the_codec() -> None:
    async with (
        open_track("video", grey(140)) as video,
        open_studio([video]) as studio,
        studio.viewing("carol", codecs=("H264",)) as carol,
        studio.viewing("dave") as dave,
        open_relay(studio.incoming) as relaying,
    ):
        with pytest.raises(CallError) as raised:
            await relaying.add_viewer(carol)
        assert raised.value.code == "negotiation_failed"
        assert carol.end is None
        # Her answer has rejected the section, and she takes what she can.
        async with open_track("video", grey(60)) as other:
            await carol.add_track(other)
            await until_level(await next_track(studio.viewers["carol"]), 60)
        await relaying.add_viewer(dave)
        await until_level(await next_track(studio.viewers["dave"]), 140)


def test_a_viewer_that_lags_loses_its_own_packets_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyframe_collapse, "COLLAPSE_SECONDS", 0)

    async def main() -> None:
        track = VideoStreamTrack()
        packets = RemotePackets(track, Source(track))
        asked: list[int] = []
        packets.on_key_wanted = lambda: asked.append(number)
        number = 0
        quick, slow = packets.subscribe(10), packets.subscribe(10)
        got = []
        for number in range(25):
            packet = make_packet(b"x", number, 90_000, is_key=number in (0, 20))
            packets.feed(packet, EncodedFormat("VP8"))
            taken = quick.take()
            assert taken is not None
            got.append(taken.pts)
        assert got == list(range(25))
        assert quick.dropped == 0
        # It begins again with what can be decoded, for which its publisher was asked once.
        assert [packet.pts for packet in slow.waiting] == [20, 21, 22, 23, 24]
        assert slow.dropped == 20
        assert asked == [10]
        packets.end()

    asyncio.run(main())


async def test_what_is_made_here_is_not_relayed_so() -> None:
    async with open_track("video", grey(140)) as made, open_media(video="pattern") as [pattern]:
        for track in (made, pattern):
            with pytest.raises(MediaError, match="no packets"):
                await track.undecoded()


def test_it_is_public() -> None:
    import trio_rtc

    assert (trio_rtc.Relay, trio_rtc.open_relay, trio_rtc.relay) == (Relay, open_relay, relay)
