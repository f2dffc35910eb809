"""Data channels with libwebrtc, which knows nothing of what peers of ours agree on."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from trio_rtc.errors import MessageTooLarge
from trio_rtc.rtc import (
    ChannelStream,
    ConnectionStateEvent,
    DataChannel,
    DataChannelEvent,
    IceCandidateEvent,
    PeerConnection,
    open_peer_connection,
)
from trio_rtc.rtc.channels import data_channel
from trio_rtc.rtc.channels.outbox import HIGH_WATER
from trio_rtc.wire.messages import IceCandidate, SessionDescription

from ..processes import Command, python
from .foreign import needs_libwebrtc

pytestmark = needs_libwebrtc

PEER = Path(__file__).parent / "libwebrtc_channel_peer.py"


class Foreign:
    """The connection, and libwebrtc at its other end."""

    def __init__(self, connection: PeerConnection, command: Command):
        self.connection = connection
        self.command = command
        self.event = command.event
        self._give, self.channels = trio.open_memory_channel[DataChannel](100)
        self.connected = trio.Event()

    async def do(self, what: str, **fields: Any) -> None:
        await self.command.type(json.dumps({"do": what, **fields}) + "\n")

    async def open(self, label: str, **options: Any) -> DataChannel:
        channel = await self.connection.create_data_channel(label, **options)
        await channel.wait_open()
        return channel

    async def relay_ours(self) -> None:
        async for event in self.connection:
            match event:
                case IceCandidateEvent(candidate) if not candidate.is_end:
                    await self.do(
                        "candidate",
                        candidate=candidate.candidate,
                        sdp_mid=candidate.sdp_mid,
                        sdp_m_line_index=candidate.sdp_m_line_index,
                    )
                case DataChannelEvent(channel):
                    await self._give.send(channel)
                case ConnectionStateEvent("connected"):
                    self.connected.set()

    async def relay_theirs(self) -> None:
        seen = 0
        while True:
            found = [event for event in self.command.events if event["event"] == "candidate"]
            for event in found[seen:]:
                fields = {name: value for name, value in event.items() if name != "event"}
                await self.connection.add_ice_candidate(IceCandidate(**fields))
            seen = len(found)
            await trio.sleep(0.01)


@asynccontextmanager
async def foreign(
    *, our_limit: int | None = None, their_limit: int | None = None
) -> AsyncIterator[Foreign]:
    """Connected; either side may be told of another limit than the true one."""
    with trio.fail_after(200):
        async with (
            python(str(PEER), stdin=subprocess.PIPE) as command,
            open_peer_connection() as connection,
        ):
            peer = Foreign(connection, command)
            await command.event("ready")
            connection.offer_to_receive(())
            offer = await connection.set_local_description()
            assert "a=x-trio-rtc-channels:" in offer.sdp
            await peer.do("answer", sdp=with_limit(offer, our_limit).sdp)
            answer = SessionDescription(type="answer", sdp=(await peer.event("answer"))["sdp"])
            assert "x-trio-rtc" not in answer.sdp
            await connection.set_remote_description(with_limit(answer, their_limit))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(peer.relay_ours)
                nursery.start_soon(peer.relay_theirs)
                await peer.connected.wait()
                yield peer
                nursery.cancel_scope.cancel()
            await connection.aclose()
            assert command.process.stdin is not None
            await command.process.stdin.aclose()
            assert await command.exit_status() == 0, command.errors


def with_limit(description: SessionDescription, limit: int | None) -> SessionDescription:
    if limit is None:
        return description
    pattern = r"a=max-message-size:\d+"
    assert re.search(pattern, description.sdp)
    return replace(description, sdp=re.sub(pattern, f"a=max-message-size:{limit}", description.sdp))


MESSAGES: list[str | bytes] = ["hello", b"\x00\xff", "", b"", "grüße 🌍", b"x" * 200_000, "last"]


@pytest.mark.parametrize("options", [{}, {"ordered": False}])
async def test_text_and_binary_there_and_back(options: dict[str, Any]) -> None:
    async with foreign() as peer:
        channel = await peer.open("echo", **options)
        for message in MESSAGES:
            await channel.send(message)
            received = await channel.receive()
            assert (type(received), received) == (type(message), message)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ordered": False},
        {"max_retransmits": 0},
        {"ordered": False, "max_packet_life_time": 500},
        {"protocol": "протокол"},
    ],
)
async def test_what_a_channel_is_like(options: dict[str, Any]) -> None:
    expected = {
        "protocol": "",
        "ordered": True,
        "max_retransmits": None,
        "max_packet_life_time": None,
        **options,
    }
    async with foreign() as peer:
        ours = await peer.open("echo grüße 🌍", **options)
        await peer.event("channel", label="echo grüße 🌍", id=ours.id, **expected)
        await peer.do("create", label="theirs", **options)
        theirs = await peer.channels.receive()
        assert theirs.label == "theirs"
        for name, value in expected.items():
            assert getattr(theirs, name) == value
        await peer.event("open", label="theirs")
        await peer.do("send", label="theirs", text="hello")
        assert await theirs.receive() == "hello"
        await theirs.send("hello to you")
        await peer.event("message", label="theirs", data="hello to you")


async def test_negotiated() -> None:
    async with foreign() as peer:
        await peer.do("create", label="echo", negotiated=True, id=17)
        await peer.event("open", label="echo", id=17)
        channel = await peer.open("anything", negotiated=True, id=17)
        await channel.send("hello")
        assert await channel.receive() == "hello"


async def test_its_limit() -> None:
    async with foreign(their_limit=1000) as peer:
        channel = await peer.open("echo")
        assert channel.max_message_size == 1000
        for message in (b"x" * 1001, "é" * 501):
            with pytest.raises(MessageTooLarge, match="1000"):
                await channel.send(message)
        await channel.send("é" * 500)
        assert await channel.receive() == "é" * 500


async def test_our_limit() -> None:
    async with foreign(our_limit=1000) as peer:
        channel = await peer.open("channel")
        await peer.event("channel", label="channel")
        await peer.do("send", label="channel", size=1001)
        await peer.event("refused")
        await peer.do("send", label="channel", size=1000)
        assert await channel.receive() == b"x" * 1000


async def test_over_our_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    # It goes by what our description says, which is more than we take this time.
    monkeypatch.setattr(data_channel, "MAX_MESSAGE_SIZE", 100_000)
    async with foreign() as peer:
        channel = await peer.open("channel")
        await peer.event("channel", label="channel")
        await peer.do("send", label="channel", size=100_001)
        await peer.do("send", label="channel", size=100_000)
        with pytest.raises(MessageTooLarge, match="100001") as caught:
            await channel.receive()
        assert caught.value.fault == "remote"
        assert await channel.receive() == b"x" * 100_000


@pytest.mark.parametrize("closer", ["we", "it"])
@pytest.mark.parametrize("opener", ["we", "it"])
async def test_closing(opener: str, closer: str) -> None:
    async with foreign() as peer:
        for _ in range(2):
            if opener == "we":
                channel = await peer.open("channel")
                await peer.event("channel", label="channel")
            else:
                await peer.do("create", label="channel")
                channel = await peer.channels.receive()
                await peer.event("open", label="channel")
            if closer == "we":
                await channel.send("last words")
                await channel.aclose()
                await peer.event("message", data="last words")
            else:
                await peer.do("send", label="channel", text="last words")
                await peer.do("close", label="channel")
                assert [message async for message in channel] == ["last words"]
                with pytest.raises(trio.BrokenResourceError):
                    await channel.send("more")
            await peer.event("closed", label="channel")
            # The next round is not to find the events of this one.
            peer.command.events.clear()


async def test_a_lot_to_send() -> None:
    async with foreign() as peer:
        channel = await peer.open("channel")
        size, count = 60_000, 100
        for _ in range(count):
            await channel.send(b"x" * size)
            assert channel.statistics().current_buffer_used <= HIGH_WATER
        await channel.aclose()
        await peer.event("closed", label="channel")
        received = [e["size"] for e in peer.command.events if e["event"] == "message"]
        assert received == [size] * count


async def test_a_lot_to_receive() -> None:
    async with foreign() as peer:
        channel = await peer.open("channel")
        await peer.event("channel", label="channel")
        size, count = 60_000, 100
        for _ in range(count):
            await peer.do("send", label="channel", size=size)
        for _ in range(count):
            assert len(await channel.receive()) == size


async def test_a_stream() -> None:
    data = bytes(range(256)) * 2000
    async with foreign() as peer:
        stream = ChannelStream(await peer.open("echo"))
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                await stream.send_all(data)
                await stream.send_eof()

            nursery.start_soon(send)
            assert b"".join([part async for part in stream]) == data
        await stream.aclose()
        await peer.event("closed", label="echo")


async def test_many_channels_after_each_other() -> None:
    async with foreign() as peer:
        ids = set()
        for number in range(600):
            channel = await peer.open("echo")
            assert channel.id is not None
            ids.add(channel.id)
            await channel.send(str(number))
            assert await channel.receive() == str(number)
            await channel.aclose()
        assert len(ids) == 512
        assert max(ids) < 1024
