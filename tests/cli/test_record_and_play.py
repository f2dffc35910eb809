"""``trio-rtc record`` and ``trio-rtc play``, with each other and with programs."""

from __future__ import annotations

import math
import struct
import wave
from functools import partial
from pathlib import Path

import av
import pytest
import trio
from typer.testing import CliRunner

from trio_rtc import Call, open_call, open_signaling, serve_calls
from trio_rtc.cli.app import app

from ..processes import Command, besides_slowness, command
from ..server.harness import tcp_server

RATE = 48_000


def make_tone(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        samples = (int(9000 * math.sin(i * 0.06)) for i in range(int(RATE * seconds)))
        file.writeframes(b"".join(struct.pack("<h", one) for one in samples))


async def until_there_is(file: Path) -> None:
    path = trio.Path(file)
    while not (await path.exists() and (await path.stat()).st_size > 1000):  # noqa: ASYNC110
        await trio.sleep(0.05)


def one_error(running: Command, name: str) -> str:
    assert running.errors.startswith(f"trio-rtc {name}: "), running.errors
    assert running.errors.count("\n") == 1, running.errors
    return running.errors


async def test_a_camera_is_recorded_and_a_file_finished_at_an_interrupt(tmp_path: Path) -> None:
    file = tmp_path / "view.mp4"
    async with tcp_server() as port:
        at = ["--server", f"ws://127.0.0.1:{port}", "--json"]
        async with (
            command("play", "pattern", "--name", "camera", "--once", *at) as camera,
            command("record", str(file), "--from", "camera", "--wait", "30", *at) as recording,
        ):
            await recording.event("track", kind="video")
            await recording.event("track", kind="audio")
            await camera.event("playing", kinds=["audio", "video"])
            await until_there_is(file)
            recording.interrupt()
            assert await recording.exit_status() == 130
            told = await recording.event("recorded", path=str(file))
            assert told["bytes"] == file.stat().st_size
            assert besides_slowness(recording.errors) == ""
            # Who calls may leave.
            assert await camera.exit_status() == 0
    with av.open(str(file)) as container:
        assert {stream.type for stream in container.streams} == {"audio", "video"}
        assert next(container.decode(video=0)).width == 640


async def test_a_file_is_played_to_its_end(tmp_path: Path) -> None:
    make_tone(tmp_path / "tone.wav", 2.0)
    async with tcp_server() as port:
        at = ["--server", f"ws://127.0.0.1:{port}"]
        target = str(tmp_path / "call-{n}.wav")
        async with command("record", target, "--name", "mailbox", *at, "--json") as mailbox:
            await mailbox.event("signed_in")
            for number in (1, 2):
                async with command(
                    "play", str(tmp_path / "tone.wav"), "--to", "mailbox", *at
                ) as playing:
                    assert await playing.exit_status() == 0, playing.errors
                assert any("sending audio" in line for line in playing.lines)
                await mailbox.event("recorded", path=str(tmp_path / f"call-{number}.wav"))
            mailbox.interrupt()
            assert await mailbox.exit_status() == 130
    for number in (1, 2):
        with wave.open(str(tmp_path / f"call-{number}.wav")) as file:
            # What is on its way at the end of a call is not waited for.
            assert 0.5 < file.getnframes() / file.getframerate() < 10


async def test_nothing_to_record_is_an_error(tmp_path: Path) -> None:
    async def say_nothing(call: Call) -> None:
        await call.wait_ended()

    async with tcp_server() as port, trio.open_nursery() as nursery:
        url = f"ws://127.0.0.1:{port}"
        async with open_signaling(url, name="bob") as bob:
            await nursery.start(partial(serve_calls, say_nothing, bob))
            file = tmp_path / "bob.wav"
            async with command(
                "record", str(file), "--from", "bob", "--seconds", "0.2", "--server", url
            ) as recording:
                assert await recording.exit_status() == 1
            assert "nothing was recorded" in one_error(recording, "record")
            assert not file.exists()
            nursery.cancel_scope.cancel()


async def test_who_is_called_and_hangs_up_has_not_seen_the_end() -> None:
    async def leave(call: Call) -> None:
        await anext(aiter(call.tracks))

    async with tcp_server() as port, trio.open_nursery() as nursery:
        url = f"ws://127.0.0.1:{port}"
        async with open_signaling(url, name="bob") as bob:
            await nursery.start(partial(serve_calls, leave, bob))
            async with command("play", "pattern", "--to", "bob", "--server", url) as playing:
                assert await playing.exit_status() == 1
            assert "has not seen the end" in one_error(playing, "play")
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (["record", "no/view.mp4"], "no/view.mp4"),
        (["record", "view.unknown"], "view.unknown"),
        (["play", "notes.txt"], "notes.txt"),
        (["play", "nothing.mp4"], "nothing.mp4"),
        (["play", "pattern"], "no signaling server answers"),
    ],
)
def test_what_cannot_be_is_said_before_anybody_sees_us(
    words: list[str], about: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("no media")
    done = CliRunner().invoke(app, [*words, "--server", "ws://127.0.0.1:1"])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"trio-rtc {words[0]}: ")
    assert about in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


async def test_who_plays_tells_whom_it_plays_to() -> None:
    async with tcp_server() as port:
        url = f"ws://127.0.0.1:{port}"
        async with command("play", "pattern", "--name", "tv", "--server", url) as tv:
            await tv.line("signed in")
            async with open_signaling(url, name="ann") as ann, open_call(ann, "tv") as call:
                kinds = {(await anext(call.tracks)).kind, (await anext(call.tracks)).kind}
                assert kinds == {"audio", "video"}
            await tv.line("the call with ann")
            # Who leaves before the end is nothing unusual where there is none.
            tv.interrupt()
            assert await tv.exit_status() == 130
            assert "waiting for calls to tv; Ctrl-C ends it" in tv.errors
