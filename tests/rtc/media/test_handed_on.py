"""What comes encoded, written to files and sent on as RTP, without a decoder."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import trio
from av import VideoFrame

from trio_rtc.errors import MediaError
from trio_rtc.rtc import forward_rtp, open_media, open_track, record_media
from trio_rtc.rtc.backend.media.encoded.encoded_format import EncodedFormat
from trio_rtc.rtc.backend.media.encoded.encoded_packets import make_packet
from trio_rtc.rtc.backend.media.encoded.rtp_stream import RtpStream
from trio_rtc.rtc.backend.media.recording import packet_recording
from trio_rtc.rtc.backend.media.recording.packet_recording import PacketRecording

from ...calls.both_sides import open_both
from ...ports import free_even_port
from .films import FILM_FPS, make_film
from .pictures import grey, level


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {
        "h264": make_film(folder / "film.mp4", 4),
        "vp8": make_film(folder / "film.webm", 4, video="libvpx"),
    }


def read(path: Path) -> dict[str, list[Any]]:
    """The frames of a file, by their kind."""
    found: dict[str, list[Any]] = {"video": [], "audio": []}
    with av.open(str(path)) as container:
        for packet in container.demux():
            for frame in packet.decode():
                found["video" if isinstance(frame, VideoFrame) else "audio"].append(frame)
    return found


@pytest.mark.parametrize(
    ("film", "name"), [("h264", "a.mp4"), ("h264", "a.mkv"), ("vp8", "a.webm"), ("vp8", "a.mkv")]
)
async def test_a_recording(
    films: dict[str, Path], film: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    # However long this machine takes to add the second track.
    monkeypatch.setattr(packet_recording, "START_SECONDS", 60)
    async with (
        open_media(video=films[film], audio=films[film], loop=True, encoded=True) as tracks,
        open_both(receive=("audio", "video"), tracks=tracks) as ends,
        record_media(path, encoded=True) as recorder,
    ):
        theirs = aiter(ends.bob.tracks)
        seen = {(track := await anext(theirs)).kind: track for _ in range(2)}
        for track in seen.values():
            await recorder.add_track(track)
        pictures = seen["video"].packets()
        for _ in range(2 * FILM_FPS):
            await anext(pictures)
    found = read(path)
    # From the first keyframe on, which may be the second one.
    assert len(found["video"]) >= FILM_FPS
    assert all(abs(level(frame) - 140) < 12 for frame in found["video"])
    times = [frame.time for frame in found["video"]]
    assert times == sorted(times)
    # Where one came late, or the clock of the other side became known, there may be a leap.
    steps = sorted(after - before for before, after in pairwise(times))
    assert abs(steps[len(steps) // 2] * FILM_FPS - 1) < 0.1
    assert len(found["audio"]) >= 40


async def test_what_is_not_recorded_so(
    films: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_recording, "START_SECONDS", 0)
    async with (
        open_media(video=films["h264"], loop=True, encoded=True) as [encoded],
        open_media(video=films["h264"], loop=True, encoded=True) as [late],
        open_track("video", grey(60)) as made,
    ):
        with trio.fail_after(30):
            async with record_media(tmp_path / "a.mkv", encoded=True) as recorder:
                with pytest.raises(MediaError, match="no packets") as raised:
                    await recorder.add_track(made)
                assert raised.value.code == "not_encoded"
                await recorder.add_track(encoded)
                packets = encoded.packets()
                recording = recorder._recording
                assert isinstance(recording, PacketRecording)
                while recording._container is None:
                    await anext(packets)
                with pytest.raises(MediaError, match="has begun without") as raised:
                    await recorder.add_track(late)
                assert raised.value.code == "recording_full"
            async with record_media(tmp_path / "empty.mkv", encoded=True):
                pass
        assert not (tmp_path / "empty.mkv").exists()
        with pytest.raises(MediaError) as raised:
            async with record_media(tmp_path / "a.webm", encoded=True) as recorder:
                await recorder.add_track(late)
                packets = late.packets()
                for _ in range(3):
                    await anext(packets)
        assert raised.value.code == "media_unwritable"


@pytest.mark.parametrize("film", ["h264", "vp8"])
async def test_ffmpeg_sees_what_is_forwarded(
    films: dict[str, Path], film: str, tmp_path: Path
) -> None:
    port, sdp = free_even_port(), tmp_path / "film.sdp"
    options = {"protocol_whitelist": "file,udp,rtp", "probesize": "5000000"}

    def look() -> float:
        with av.open(str(sdp), options=options, timeout=60) as container:
            return level(next(container.decode(video=0)))

    async with (
        open_media(video=films[film], loop=True, encoded=True) as tracks,
        open_both(receive=("video",), tracks=tracks) as ends,
        trio.open_nursery() as nursery,
    ):
        track = await anext(aiter(ends.bob.tracks))
        sdp.write_text(await nursery.start(forward_rtp, track, f"127.0.0.1:{port}"))
        assert abs(await trio.to_thread.run_sync(look) - 140) < 12
        nursery.cancel_scope.cancel()


async def test_it_ends_with_the_track(tmp_path: Path) -> None:
    film = make_film(tmp_path / "short.mp4", 1)
    async with open_media(audio=film, encoded=True) as [track]:
        with trio.fail_after(30):
            await forward_rtp(track, f"127.0.0.1:{free_even_port()}")


@pytest.mark.parametrize("address", ["127.0.0.1", ":5004", "127.0.0.1:0", "127.0.0.1:x", "h:65535"])
async def test_addresses_that_are_none(films: dict[str, Path], address: str) -> None:
    async with open_media(video=films["vp8"], encoded=True) as [track]:
        with pytest.raises(MediaError, match="is not HOST:PORT") as raised:
            await forward_rtp(track, address)
        assert raised.value.code == "bad_address"
        with pytest.raises(ValueError, match="0 to 127"):
            await forward_rtp(track, "127.0.0.1:5004", payload_type=128)


def test_numbers_and_reports_of_a_stream() -> None:
    stream = RtpStream(EncodedFormat("opus"), ssrc=0x01020304, number=0xFFFF)
    first, second = (
        next(stream.pack(make_packet(b"x" * 40, time, 48_000, is_key=True))) for time in (0, 960)
    )
    assert first[:4].hex() == "8060ffff"
    assert second.hex().startswith("80600000000003c001020304")
    report = stream.report(0.5)
    # Seconds from 1900 and their parts, the timestamp of the last packet, packets and octets.
    assert report[8:28].hex() == "83aa7e8080000000000003c00000000200000050"
    assert len(report) % 4 == 0
    assert b"trio-rtc" in report
    sdp = stream.describe("::1", 5004, make_packet(b"x", 0, 48_000, is_key=True))
    assert "c=IN IP6 ::1\r\n" in sdp
    assert "a=rtpmap:96 opus/48000/2\r\n" in sdp
