"""Media that are sent as they are encoded, and read so."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import trio
from aiortc.codecs import h264, opus, vpx
from av.bitstream import BitStreamFilterContext
from av.packet import Packet

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call
from trio_rtc.errors import CallError, MediaError, NegotiationError
from trio_rtc.rtc import MediaTrack, open_media, open_track
from trio_rtc.rtc.backend.media.encoded.h264 import split
from trio_rtc.testing import MemoryHub

from ...calls.both_sides import next_track, open_both, open_chat, serving, works
from .films import FILM_FPS, make_film
from .pictures import grey, level, loudness, until_level, until_loud


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    high = {"profile": "high"}
    return {
        "mp4": make_film(folder / "film.mp4", options=high),
        "ts": make_film(folder / "film.ts", audio=None, options=high),
        "webm": make_film(folder / "film.webm", video="libvpx"),
        "baseline": make_film(folder / "baseline.mp4", options={"profile": "baseline"}),
    }


def access_units(path: Path) -> list[list[bytes]]:
    """The NAL units of each picture of a film, by FFmpeg; VP8 has none, and its data instead."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        is_h264 = stream.codec_context.name == "h264"
        packets: Any = container.demux(stream)
        if is_h264:
            to_annex_b = BitStreamFilterContext("h264_mp4toannexb", stream)
            packets = [out for packet in packets for out in to_annex_b.filter(packet)]
        found = [bytes(packet) for packet in packets if packet.size]
    return [list(split(data)) if is_h264 else [data] for data in found]


def time(packet: Packet[Any]) -> float:
    assert packet.pts is not None
    return float(packet.pts * packet.time_base)


async def of_kinds(call: Call) -> dict[str, MediaTrack]:
    """The track of sound, and that of pictures."""
    found: dict[str, MediaTrack] = {}
    async for track in call.tracks:
        found[track.kind] = track
        if len(found) == 2:
            return found
    raise AssertionError("the call is over")


def forbid_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whoever encodes or decodes fail."""

    def fail(*_: object) -> None:
        raise AssertionError("there is a codec at work")

    for encoder in (h264.H264Encoder, vpx.Vp8Encoder, opus.OpusEncoder):
        monkeypatch.setattr(encoder, "encode", fail)
    for decoder in (h264.H264Decoder, vpx.Vp8Decoder):
        monkeypatch.setattr(decoder, "decode", fail)
    monkeypatch.setattr("trio_rtc.rtc.backend.media.receiving.sound.opus.OpusDecoder.decode", fail)


@pytest.mark.parametrize("form", ["mp4", "webm"])
async def test_a_film_is_seen_and_heard(films: dict[str, Path], form: str) -> None:
    async with (
        open_media(video=films[form], audio=films[form], loop=True, encoded=True) as tracks,
        open_both(receive=("audio", "video"), tracks=tracks) as ends,
    ):
        found = await of_kinds(ends.bob)
        await until_level(found["video"], 140)
        await until_loud(found["audio"])


@pytest.mark.parametrize("form", ["mp4", "ts", "webm"])
async def test_pictures_come_as_they_are_in_the_file(films: dict[str, Path], form: str) -> None:
    expected = access_units(films[form])
    async with (
        open_media(video=films[form], encoded=True) as [track],
        open_both(receive=("video",), tracks=[track]) as ends,
    ):
        theirs = await anext(aiter(ends.bob.tracks))
        packets = theirs.packets()
        got = [await anext(packets) for _ in range(FILM_FPS + 3)]
        assert packets.packets_dropped == 0
    found = [list(split(bytes(p))) if form != "webm" else [bytes(p)] for p in got]
    # FFmpeg's filter has parameter sets in other places.
    plain = [[u for u in units if u[0] & 0x1F not in (7, 8)] for units in expected]
    stripped = [[u for u in units if u[0] & 0x1F not in (7, 8)] for units in found]
    place = plain.index(stripped[0])
    assert stripped == plain[place : place + len(found)]
    keys = [bool(packet.is_keyframe) for packet in got]
    assert keys == [number % FILM_FPS == 0 for number in range(len(got))]
    if form != "webm":
        for units, is_key in zip(found, keys, strict=True):
            assert ({7, 8} <= {unit[0] & 0x1F for unit in units}) is is_key
    steps = [time(b) - time(a) for a, b in pairwise(got)]
    assert {round(step * FILM_FPS) for step in steps} == {1}


async def test_nobody_encodes_or_decodes(
    films: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        open_media(video=films["mp4"], audio=films["mp4"], loop=True, encoded=True) as tracks,
        open_both(receive=("audio", "video"), tracks=tracks) as ends,
    ):
        readers = [
            track.packets()
            for call in (ends.alice, ends.bob)
            for track in (await of_kinds(call)).values()
        ]
        for packets in readers:
            await anext(packets)
        forbid_codecs(monkeypatch)
        for packets in readers:
            for _ in range(20):
                await anext(packets)


async def test_frames_begin_again_when_they_are_wanted(films: dict[str, Path]) -> None:
    async with (
        open_media(video=films["mp4"], loop=True, encoded=True) as [track],
        open_both(receive=("video",), tracks=[track]) as ends,
    ):
        theirs = await anext(aiter(ends.bob.tracks))
        packets = theirs.packets()
        for _ in range(5):
            await anext(packets)
        frame = await anext(aiter(theirs))
        assert abs(level(frame) - 140) < 12
        assert (await anext(packets)).size


async def test_sound_alone(tmp_path: Path) -> None:
    """In pieces of 20 ms, whatever there is in the file."""
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_mulaw", rate=8000, layout="mono")
        frame = av.AudioFrame("s16", "mono", 8000)
        frame.planes[0].update((b"\x00\x10" * 40 + b"\x00\xf0" * 40) * 100)
        frame.sample_rate, frame.pts = 8000, 0
        for _ in range(5):
            container.mux(stream.encode(frame))
            frame.pts += 8000
    async with (
        open_media(audio=path, encoded=True) as [track],
        open_both(receive=("audio",), tracks=[track]) as ends,
    ):
        theirs = await anext(aiter(ends.bob.tracks))
        packets = theirs.packets()
        assert [(await anext(packets)).size for _ in range(3)] == [160] * 3
        async for heard in theirs:
            if loudness(heard) > 1000:
                break


async def test_a_film_that_begins_again(tmp_path: Path) -> None:
    film = make_film(tmp_path / "short.mp4", 1)
    async with open_media(video=film, audio=film, loop=True, encoded=True) as [video, audio]:
        with trio.fail_after(30):
            for track, count in ((video, 2 * FILM_FPS + 2), (audio, 110)):
                packets = track.packets()
                times = [time(await anext(packets)) for _ in range(count)]
                assert times == sorted(set(times))


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"video": "mpeg4", "audio": None}, "its video is mpeg4"),
        ({"audio": "aac"}, "its audio is aac"),
        ({"options": {"bf": "2"}, "audio": None}, "B-frames"),
    ],
)
async def test_what_cannot_be_sent_as_it_is(tmp_path: Path, what: dict[str, Any], why: str) -> None:
    path = make_film(tmp_path / "film.mp4", 2, **what)
    audio = path if what["audio"] else None
    with pytest.raises(MediaError, match=why) as raised:
        async with open_media(video=path, audio=audio, encoded=True):
            pass
    assert raised.value.code == "not_sendable"


async def test_a_test_signal_is_not_encoded() -> None:
    with pytest.raises(MediaError, match="'pattern' is made here"):
        async with open_media(video="pattern", encoded=True):
            pass


async def test_frames_or_packets(films: dict[str, Path]) -> None:
    async with (
        open_media(video=films["mp4"], encoded=True) as [encoded],
        open_track("video", grey(100)) as made,
    ):
        with pytest.raises(MediaError, match="packets of H264") as raised:
            aiter(encoded)
        assert raised.value.code == "only_encoded"
        with pytest.raises(MediaError, match="no packets") as raised:
            made.packets()
        assert raised.value.code == "not_encoded"


async def test_who_is_called_takes_other_codecs(films: dict[str, Path]) -> None:
    hub = MemoryHub()
    async with (
        open_media(video=films["mp4"], encoded=True) as tracks,
        serving(hub, codecs=("VP8",)) as (alice, _),
    ):
        with pytest.raises(CallError, match="declined the call: no_common_codec"):
            async with open_call(alice, "bob", tracks=tracks):
                pass


async def test_who_calls_takes_other_codecs(films: dict[str, Path]) -> None:
    hub = MemoryHub()
    async with (
        open_media(video=films["mp4"], encoded=True) as tracks,
        serving(hub, tracks=tracks) as (alice, _),
    ):
        with pytest.raises(CallError, match="declined the call: no_common_codec"):
            async with open_call(alice, "bob", codecs=("VP8",)):
                pass


async def test_who_calls_sees_it(films: dict[str, Path]) -> None:
    hub = MemoryHub()
    async with (
        open_media(video=films["mp4"], audio=films["mp4"], loop=True, encoded=True) as tracks,
        serving(hub, tracks=tracks) as (alice, _),
        open_call(alice, "bob") as call,
    ):
        async for track in call.tracks:
            if track.kind == "video":
                await until_level(track, 140)
                break


async def test_a_track_is_added_that_the_other_side_does_not_take(films: dict[str, Path]) -> None:
    async with (
        open_media(video=films["mp4"], encoded=True) as [track],
        open_both(receive=("video",), codecs=("VP8",)) as ends,
    ):
        with pytest.raises((CallError, NegotiationError)) as raised:
            await ends.alice.add_track(track)
        assert raised.value.code == "negotiation_failed"
        await works(*await open_chat(ends))
        async with open_track("video", grey(60)) as another:
            await ends.alice.add_track(another)
            await until_level(await next_track(ends.bob), 60)


async def test_another_track_in_its_place(films: dict[str, Path]) -> None:
    async with (
        open_media(video=films["mp4"], loop=True, encoded=True) as [first],
        open_media(video=films["ts"], loop=True, encoded=True) as [second],
        open_media(video=films["webm"], loop=True, encoded=True) as [other],
        open_both(receive=("video",), tracks=[first]) as ends,
    ):
        theirs = await next_track(ends.bob)
        (sender,) = ends.alice.senders
        with pytest.raises(MediaError, match="VP8 cannot go where H264") as raised:
            await sender.replace_track(other)
        assert raised.value.code == "wrong_kind"
        packets = theirs.packets()
        before = await anext(packets)
        await sender.replace_track(second)
        async with open_track("video", grey(60)) as made:
            for _ in range(FILM_FPS):
                after = await anext(packets)
                assert time(after) > time(before)
                before = after
            # Where an encoder is needed there is one.
            await sender.replace_track(made)
            await until_level(theirs, 60)


async def test_muted(films: dict[str, Path]) -> None:
    async with open_media(video=films["mp4"], loop=True, encoded=True) as [track]:
        with trio.fail_after(30):
            packets = track.packets()
            before = await anext(packets)
            track.enabled = False
            # Until a picture has been left out; what has come before it still waits.
            reader: Any = packets._reader
            while not reader._waits_for_key:  # noqa: ASYNC110
                await trio.sleep(0.01)
            track.enabled = True
            while time(after := await anext(packets)) - time(before) < 1.5 / FILM_FPS:
                before = after
            assert after.is_keyframe
