"""Channels and tracks of the other side that nobody takes."""

from __future__ import annotations

import logging

import pytest
import trio

from trio_rtc.calls import call as call_module
from trio_rtc.calls.call import Call
from trio_rtc.calls.takers import UNACCEPTED
from trio_rtc.rtc import DataChannel, open_media

from ...calls.both_sides import Ends, open_both, open_chat, works

FEW = 4


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_module, "UNACCEPTED", FEW)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


async def refused(channel: DataChannel) -> None:
    with pytest.raises(trio.EndOfChannel):
        await channel.receive()
    with pytest.raises(trio.BrokenResourceError):
        await channel.send("is anybody there?")
    await channel.aclose()


async def take(call: Call) -> DataChannel:
    return await anext(aiter(call.channels))


async def open_one(ends: Ends, number: int) -> DataChannel:
    channel = await ends.alice.open_channel(f"number {number}")
    await channel.send(f"hello from {number}")
    return channel


def test_as_many_as_libwebrtc_has() -> None:
    assert UNACCEPTED == 1024


async def test_what_is_above_the_bound_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with open_both() as ends:
        ours, theirs = await open_chat(ends)
        channels = [await open_one(ends, number) for number in range(FEW)]
        for _ in range(2 * FEW):
            await refused(await ends.alice.open_channel("one too many"))
        assert ends.bob.channels.statistics().current_buffer_used == FEW
        assert len(warnings(caplog)) == 1
        assert "alice" in warnings(caplog)[0]
        # What was there before goes on, and so does what waits.
        await works(ours, theirs)
        for number, channel in enumerate(channels):
            other = await take(ends.bob)
            assert other.label == f"number {number}"
            assert await other.receive() == f"hello from {number}"
            await works(channel, other)
        # There is room again.
        await works(*await open_chat(ends))
        assert ends.alice.end is ends.bob.end is None


async def test_channels_that_end_count_until_they_are_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_both() as ends:
        for number in range(FEW):
            await (await open_one(ends, number)).aclose()
        await refused(await ends.alice.open_channel("one too many"))
        for number in range(FEW):
            other = await take(ends.bob)
            assert [message async for message in other] == [f"hello from {number}"]
        for _ in range(FEW):
            await ends.alice.open_channel("once more")
        await refused(await ends.alice.open_channel("one too many"))
        assert len(warnings(caplog)) == 2


async def test_a_flood_is_no_flood_of_warnings(caplog: pytest.LogCaptureFixture) -> None:
    async with open_both() as ends, trio.open_nursery() as nursery:

        async def open_and_close(number: int) -> None:
            await (await ends.alice.open_channel(f"number {number}"))._close()

        for number in range(200):
            nursery.start_soon(open_and_close, number)
    assert len(warnings(caplog)) == 1


async def test_a_call_that_takes_no_channels(caplog: pytest.LogCaptureFixture) -> None:
    async with open_both() as ends:
        ours, theirs = await open_chat(ends)
        await ends.bob.channels.aclose()
        await refused(await ends.alice.open_channel("chat"))
        await works(ours, theirs)
        assert ends.alice.end is ends.bob.end is None
    assert warnings(caplog) == []


async def test_a_call_that_takes_no_tracks() -> None:
    async with open_both(receive=("video",)) as ends, open_media(video="pattern") as [track]:
        await ends.bob.tracks.aclose()
        await ends.alice.add_track(track)
        await works(*await open_chat(ends))


async def test_more_tracks_than_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        open_both(receive=("video",)) as ends,
        open_media(video="pattern") as [video],
        open_media(audio="tone") as [audio],
    ):
        for number in range(FEW + 2):
            await ends.alice.add_track(audio if number % 2 else video)
        assert ends.bob.tracks.statistics().current_buffer_used == FEW
        assert len(warnings(caplog)) == 1
        await works(*await open_chat(ends))
        assert ends.alice.end is ends.bob.end is None


async def test_a_channel_that_comes_when_we_have_hung_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_both() as ends:
        ours, theirs = await open_chat(ends)
        close = ends.bob._connection.aclose

        async def close_later() -> None:
            monkeypatch.undo()
            with trio.CancelScope(shield=True):
                await refused(await ends.alice._connection.create_data_channel("late"))
            await close()

        monkeypatch.setattr(ends.bob._connection, "aclose", close_later)
        await ends.bob.hang_up()
        with pytest.raises(trio.EndOfChannel):
            await ours.receive()
        assert theirs.closed
        await ends.alice.wait_ended()
    assert warnings(caplog) == []
