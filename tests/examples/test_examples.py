"""Each example does what its first paragraph says."""

from __future__ import annotations

import ast
import math
import re
from array import array
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
import trio
from av import VideoFrame

import trio_rtc
from trio_rtc.peerjs import open_peerjs, serve_peerjs
from trio_rtc.testing import MemoryHub

from ..docs.pages import ROOT, serving_server
from ..ports import free_port
from ..rtc.media.test_voice import wave
from .programs import EXAMPLES, calling, program

#: Where each of them is run.
TESTED_ELSEWHERE = {
    "page_player": "tests/browser/test_example.py",
    "video_filter": "tests/browser/test_example.py",
    "voice_bot": "tests/docs/test_docs_voice.py",
    "recorder": "tests/docs/test_docs_media.py",
}


def test_every_example_has_a_paragraph_and_a_test() -> None:
    here = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    names = sorted(path.stem for path in EXAMPLES.glob("*.py"))
    assert len(names) >= 12
    for name in names:
        text = (EXAMPLES / f"{name}.py").read_text()
        assert len(ast.get_docstring(ast.parse(text)) or "") > 60
        where = TESTED_ELSEWHERE.get(name)
        if where is None:
            assert f'"{name}"' in here or f"{name}.py" in here, name
        else:
            assert re.search(rf"{name}(\.py|\b)", (ROOT / where).read_text()), name


async def test_echo() -> None:
    async with (
        trio_rtc.open_media(video="pattern") as tracks,
        calling(program("echo").answer, tracks=tracks) as call,
        await call.open_channel("one") as one,
        await call.open_channel("two") as two,
    ):
        await two.send("second")
        await one.send(b"first")
        assert (await one.receive(), await two.receive()) == (b"first", "second")
        track = await anext(aiter(call.video_tracks))
        assert (await anext(aiter(track))).width == 640


async def test_chat_room() -> None:
    hub = MemoryHub()
    room = program("chat_room").Room()
    async with trio.open_nursery() as nursery:
        await nursery.start(trio_rtc.serve_calls, room.take, hub.sign_in("example"))
        async with (
            calling(room.take, name="alice", hub=hub) as alice_call,
            await alice_call.open_channel("chat") as alice,
        ):
            assert await alice.receive() == "here: nobody else"
            async with (
                calling(room.take, name="bob", hub=hub) as bob_call,
                await bob_call.open_channel("chat") as bob,
            ):
                assert await bob.receive() == "here: alice"
                assert await alice.receive() == "bob has come"
                await bob.send("hello")
                assert await alice.receive() == "bob: hello"
            assert await alice.receive() == "bob has gone"
        nursery.cancel_scope.cancel()


async def test_who_does_not_read_in_the_chat_room_is_hung_up() -> None:
    module = program("chat_room")
    room = module.Room()
    queue: trio.MemorySendChannel[str]
    queue, waiting = trio.open_memory_channel(module.PATIENCE)
    room._queues["slow"] = queue
    for number in range(module.PATIENCE + 1):
        room.say(f"message {number}")
    assert room._queues == {}
    assert len([text async for text in waiting]) == module.PATIENCE


async def test_file_drop(tmp_path: Path) -> None:
    drop = program("file_drop").Drop(tmp_path / "dropped", 1000)
    await trio.Path(tmp_path / "small.txt").write_text("hello")
    await trio.Path(tmp_path / "large.txt").write_text("x" * 1001)
    async with calling(drop.take, name="al/../ice") as call:
        await trio_rtc.send_files(call, [tmp_path / "small.txt"])
        with pytest.raises(trio_rtc.FileError) as error:
            await trio_rtc.send_files(call, [tmp_path / "large.txt"])
        assert error.value.code == "declined"
    found = await trio.to_thread.run_sync(lambda: [*(tmp_path / "dropped").rglob("*.txt")])
    assert [path.name for path in found] == ["small.txt"]


async def test_camera() -> None:
    camera = program("camera")
    async with (
        trio_rtc.open_media(video="pattern") as [source],
        calling(partial(camera.show, source)) as call,
        await call.open_channel("chat") as chat,
    ):
        track = await anext(aiter(call.video_tracks))
        pictures = track.frames(1)
        normal = (await anext(pictures)).to_ndarray(format="rgb24")
        await chat.send("mirror")
        assert "mirrored True" in str(await chat.receive())
        while True:
            mirrored = (await anext(pictures)).to_ndarray(format="rgb24")
            if abs(normal[:40].astype(int) - mirrored[:40, ::-1]).mean() < 20:
                break
        await chat.send("dance")
        assert await chat.receive() == "brighter, darker, mirror, still or live"


def test_the_view_of_the_camera() -> None:
    view = program("camera").View()
    picture = np.full((2, 2, 3), 100, np.uint8)
    assert "gain 1.50" in view.obey("Brighter ")
    assert view.of(picture).max() == 150
    assert "live False" in view.obey("still")
    assert "live True" in view.obey("live")
    assert "gain 1.00" in view.obey("darker")


async def test_level_meter() -> None:
    meter = program("level_meter")
    assert meter.loudness(array("h", [-32768] * 100).tobytes()) == 0
    assert meter.loudness(bytes(200)) == -math.inf
    assert meter.bar(-math.inf).strip() == "-inf dBFS"
    async with (
        calling(meter.measure, receive=("audio",)) as call,
        trio_rtc.open_voice(call) as voice,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(voice.play, wave(30.0))
        async for channel in call.channels:
            async for line in channel:
                if str(line).count("#") > 10:
                    break
            break
        nursery.cancel_scope.cancel()


async def test_remote_shell() -> None:
    shell = program("remote_shell")
    async with (
        calling(shell.run_commands) as call,
        await call.open_channel("shell") as channel,
    ):
        assert await shell.run_one(channel, "echo hello; exit 3") == (b"hello\n", 3)
        output, status = await shell.run_one(channel, "head -c 300000 /dev/zero")
        assert (len(output), status) == (300000, 0)
        assert await shell.run_one(channel, "echo oops >&2") == (b"oops\n", 0)


async def test_the_code_of_the_remote_shell() -> None:
    shell = program("remote_shell")
    async with serving_server() as url, trio.open_nursery() as nursery:

        async def serve() -> None:
            with pytest.raises(trio_rtc.CallError):
                await shell.serve(url, "shell", "right")
            ended.set()

        ended = trio.Event()
        nursery.start_soon(serve)
        async with trio_rtc.open_signaling(url, name="eve") as eve:
            with pytest.raises(trio_rtc.CallError) as error:
                async with trio_rtc.open_call(eve, await eve.wait_for_peer("shell"), code="wrong"):
                    pass
        assert error.value.code == "wrong_code"
        await ended.wait()


async def test_http_over_a_call() -> None:
    service = program("http_over_a_call").Service({"/": "hello"})
    async with (
        calling(service.answer) as call,
        httpx.AsyncClient(transport=trio_rtc.ChannelTransport(call)) as client,
    ):
        assert (await client.get("http://web/")).json() == {"page": "hello"}
        missing = await client.get("http://web/nothing")
        assert (missing.status_code, "error" in missing.json()) == (404, True)
        assert (await client.post("http://web/", content=b"x" * 100)).status_code == 200


async def test_tunnel() -> None:
    async def shout(stream: trio.SocketStream) -> None:
        async with stream:
            async for data in stream:
                await stream.send_all(bytes(data).upper())

    tunnel = program("tunnel")
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, shout, 0, host="127.0.0.1"))
        target = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        async with calling(partial(tunnel.answer, [target])) as call, trio.open_nursery() as inner:
            number = free_port()
            await inner.start(trio_rtc.forward_to, call, target, str(number))
            async with await trio.open_tcp_stream("127.0.0.1", number) as stream:
                await stream.send_all(b"hello")
                assert await stream.receive_some() == b"HELLO"
            inner.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def test_peerjs_bot() -> None:
    bot = program("peerjs_bot")
    assert "error" in bot.reply({"sum": ["a"]})
    with trio.fail_after(200):
        async with (
            serving_server() as url,
            trio_rtc.open_media(video="pattern") as tracks,
            open_peerjs(url.replace("ws", "http"), "bot") as peer,
            trio.open_nursery() as nursery,
        ):
            await nursery.start(partial(serve_peerjs, bot.answer, peer, tracks=tracks))
            async with open_peerjs(url.replace("ws", "http")) as page:
                async with page.connect("bot") as connection:
                    await connection.send({"sum": [1, 2.5]})
                    assert await connection.receive() == {"sum": 3.5}
                    await connection.send({"reverse": "abc"})
                    assert await connection.receive() == {"reverse": "cba"}
                async with (
                    trio_rtc.open_media(video="pattern") as mine,
                    page.call("bot", mine) as media,
                ):
                    track = await anext(aiter(media.tracks))
                    assert isinstance(await anext(aiter(track)), VideoFrame)
            nursery.cancel_scope.cancel()


async def test_bridge() -> None:
    bridge = program("bridge")
    kitchen, hall = MemoryHub(), MemoryHub()

    async def shout(call: trio_rtc.Call) -> None:
        track = await anext(aiter(call.tracks))
        assert isinstance(await anext(aiter(track)), VideoFrame)
        async for channel in call.channels:
            async for message in channel:
                await channel.send(f"{channel.label}: {message!s}".upper())

    with trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            await nursery.start(trio_rtc.serve_calls, shout, hall.sign_in("bob"))
            over = partial(bridge.connect, hall.sign_in("bridge"), "bob")
            await nursery.start(trio_rtc.serve_calls, over, kitchen.sign_in("bridge"))
            async with (
                trio_rtc.open_media(video="pattern") as tracks,
                trio_rtc.open_call(kitchen.sign_in("alice"), "bridge", tracks=tracks) as call,
                await call.open_channel("chat") as channel,
            ):
                await channel.send("hello")
                assert await channel.receive() == "CHAT: HELLO"
            nursery.cancel_scope.cancel()


def test_the_robot_by_itself() -> None:
    robot = program("robot").Robot()
    robot.steer("[1, -0.5]", 10.0)
    robot.step(0.1, 10.1)
    assert (robot.x, robot.y) == (132.0, 114.0)
    robot.step(0.1, 10.6)
    assert (robot.x, robot.y) == (132.0, 114.0)
    for nonsense in ("", "[]", "[1]", '{"x": 1}', "[null, 1]", "nan"):
        robot.steer(nonsense, 11.0)
    assert robot.stick == (1.0, -0.5)
    robot.steer("[-900, 0]", 12.0)
    robot.step(60, 12.1)
    assert robot.x == 0.0
