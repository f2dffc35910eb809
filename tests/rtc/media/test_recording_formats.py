"""Each file that FFmpeg can write gets encoders that it takes, and all others an error at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import av
import pytest
import trio
from av import AudioFrame, VideoFrame

from trio_rtc.errors import MediaError
from trio_rtc.rtc import open_track, record_media
from trio_rtc.rtc.backend.media.recording.formats import find_format, has_number

from ..test_media import streams
from ..virtual import in_virtual_time
from .pictures import grey, level, picture, tone

#: Names of files that hold picture and sound, sound only, and pictures only.
BOTH = "mp4 webm mkv mov avi flv ts mpg wmv nut ogv 3gp 3g2 mxf vob swf"
SOUND = "wav mp3 ogg oga opus flac aac mka m4a caf aiff w64 au ac3 mp2 wv tta voc"
PICTURES = "gif apng ivf h264 m2v"


@in_virtual_time
async def record(*paths: Path, seconds: float = 0.1) -> None:
    """Record the same to several files at once, whose encoders may take their time."""
    async with (
        open_track("video", grey(90)) as pictures,
        open_track("audio", tone()) as sound,
        AsyncExitStack() as stack,
    ):
        for path in paths:
            recorder = await stack.enter_async_context(record_media(path))
            await recorder.add_track(pictures)
            await recorder.add_track(sound)
        for track in (pictures, sound):
            frames = track.frames()
            for _ in range(round(seconds * 50)):
                await anext(frames)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_every_format_has_what_it_takes(tmp_path: Path) -> None:
    expected = {
        name: kinds
        for names, kinds in ((BOTH, {"audio", "video"}), (SOUND, {"audio"}), (PICTURES, {"video"}))
        for name in names.split()
    }
    paths = {name: tmp_path / f"call.{name}" for name in expected}
    record(*paths.values())
    found = {
        name: {kind for kind, count in streams(path).items() if count}
        for name, path in paths.items()
    }
    assert found == expected


def test_pictures_one_by_one(tmp_path: Path) -> None:
    names = ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "tga", "ppm", "webp"]
    record(*(tmp_path / f"{name}-%03d.{name}" for name in names), seconds=0.3)
    for name in names:
        found = [file for file in files(tmp_path) if file.name.startswith(f"{name}-")]
        assert [file.name for file in found][:3] == [f"{name}-{n:03}.{name}" for n in (1, 2, 3)]
        with av.open(str(found[-1])) as container:
            frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == (160, 120)
        assert abs(level(frame) - 90) < 5, name


NAMES = ["2026-11-28T14:30:05.mp4", "md5:a.mp4", "f:%02d.png", "50%/f%02d.png", "a%02d/f%02d.png"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_that_of_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To FFmpeg a colon ends the name of a protocol, and each % is of a number."""
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    record(path)
    assert path.with_name(path.name.replace("%02d", "01")) in path.parent.iterdir()


async def brighter() -> AsyncIterator[VideoFrame]:
    for number in range(6):
        yield picture(40 * number)
        await trio.sleep(0.05)


@pytest.mark.parametrize("name", ["png", "jpg"])
async def test_a_picture_without_a_number_is_the_newest(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"now.{name}"
    async with open_track("video", brighter()) as track, record_media(path) as recorder:
        await recorder.add_track(track)
        async for _ in track:
            pass
    with av.open(str(path)) as container:
        assert abs(level(next(container.decode(video=0))) - 200) < 5
    assert files(tmp_path) == [path]


@pytest.mark.parametrize(
    "name",
    [
        "a.srt",
        "a.xyz",
        "a",
        "a.y4m",
        "a%02d.xyz",
        "missing/a.png",
        "a" * 300 + ".mp4",
        "a.h261",
        "a.rm",
        "a.gxf",
    ],
)
async def test_what_cannot_be_written_is_told_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=name) as caught:
        async with record_media(tmp_path / name):
            raise AssertionError("begun")
    assert caught.value.code == "media_unwritable"
    assert files(tmp_path) == []


def test_no_format_leaves_out_sound_or_pictures_without_a_word(tmp_path: Path) -> None:
    """Of all that FFmpeg knows: what could have both has both, or there is an error."""
    silent = {}
    for name in sorted(av.formats_available):
        with suppress(ValueError):
            for extension in av.ContainerFormat(name, "w").extensions:
                path = tmp_path / f"a.{extension}"
                with av.open(str(path), "w") as container:
                    codecs = container.default_video_codec, container.default_audio_codec
                if "none" not in codecs:
                    with suppress(ValueError, av.FFmpegError):
                        silent[extension] = set(find_format(path).encodings) ^ {"video", "audio"}
    assert len(silent) > 30
    # Those of sound, whose pictures would be covers.
    sound = {"afc", "aif", "aifc", "aiff", "flac", "m4a", "mp3", "oga", "ogg", "ra", "wma"}
    assert {extension for extension, missing in silent.items() if missing} <= sound


async def test_what_can_be_no_name_is_told_at_once() -> None:
    with pytest.raises(MediaError, match="null byte"):
        async with record_media("a\0.mp4"):
            raise AssertionError("begun")


@pytest.mark.parametrize(
    ("name", "kinds", "fits"),
    [
        ("a.wav", ["audio", "audio"], False),
        ("a.mp3", ["audio", "audio"], False),
        ("a.mka", ["audio", "audio"], True),
        ("a.mp4", ["audio", "audio", "video", "video"], True),
        ("a.webm", ["video", "audio", "video"], True),
        ("a%d.png", ["video", "video"], False),
        ("a%d.png", ["audio"], False),
    ],
)
def test_how_many_tracks_there_can_be(name: str, kinds: list[str], fits: bool) -> None:
    assert find_format(Path(name)).holds(kinds) is fits


async def test_a_second_sound_in_a_file_for_one(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    async with (
        open_track("audio", tone()) as one,
        open_track("audio", tone()) as two,
        record_media(path) as recorder,
    ):
        await recorder.add_track(one)
        with pytest.raises(MediaError, match="for another audio track") as caught:
            await recorder.add_track(two)
        assert caught.value.code == "recording_full"
        await anext(one.frames())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f%03d.png", True), ("f%d.png", True), ("f.png", False), ("100%.png", False),
        ("%s.png", True), ("f%d-%d.png", False), ("%%.png", False),
    ],
)  # fmt: skip
def test_whether_a_name_has_a_number(name: str, expected: bool) -> None:
    assert has_number(Path(name)) is expected


async def odd_sound() -> AsyncIterator[AudioFrame]:
    """At a rate and in a form that few encoders take."""
    while True:
        frame = AudioFrame("s32p", "5.1", 441)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = 44100
        yield frame
        await trio.sleep(0.01)


@pytest.mark.parametrize("name", ["wav", "mp4", "webm"])
async def test_sound_of_an_odd_form(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"call.{name}"
    async with open_track("audio", odd_sound()) as track, record_media(path) as recorder:
        await recorder.add_track(track)
        frames = track.frames()
        for _ in range(20):
            await anext(frames)
    assert streams(path)["audio"] > 0
