"""``trio-rtc call``: what it measures, what it shows, and both with a call."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from rich.cells import cell_len

from trio_rtc import (
    Call,
    CallStats,
    CandidateStats,
    ChannelStats,
    Peer,
    TrackStats,
    open_call,
    open_media,
    open_signaling,
    serve_calls,
)
from trio_rtc.cli.calling.call_screen import CallView, lines
from trio_rtc.cli.calling.meters import BLOCKS, KEPT, LETTERS, Meters, bitrate, plot

from ..processes import command
from ..server.harness import tcp_server
from .terminals import Terminal


def stats(sent: int, *, packets_lost: int = 0, messages: int = 0, tracks: int = 1) -> CallStats:
    return CallStats(
        state="connected",
        local_candidate=CandidateStats("host", "192.0.2.1", 5000),
        remote_candidate=CandidateStats("relay", "2001:db8::1", 6000),
        round_trip_time=0.0123,
        mtu=1200,
        packets_sent=1,
        bytes_sent=sent,
        packets_received=1,
        bytes_received=0,
        channels=[ChannelStats("chat", 1, messages, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0)],
        tracks=[
            TrackStats("video", "v", "sent", 1, sent // 2, packets_lost, None)
            for _ in range(tracks)
        ],
        steps={},
    )


def test_rates_are_of_the_time_between_two_readings() -> None:
    meters = Meters()
    meters.read(10.0, stats(1000))
    assert [meter.now for meter in meters.rates] == [0, 0, 0]
    meters.read(12.0, stats(3000, packets_lost=2, messages=4))
    assert {meter.label: meter.now for meter in meters.rates} == {
        "sent": 8000,
        "received": 0,
        "video sent 0": 4000,
    }
    assert meters.rates[2].note == "2 packets lost"
    (chat,) = meters.channels
    assert (chat.now, chat.note) == (2, "4 sent, 0 received")


def test_a_restored_connection_counts_anew_and_what_has_gone_is_forgotten() -> None:
    meters = Meters()
    for time in range(100):
        meters.read(time, stats(1000 * time, tracks=2))
    assert len(meters.rates[0].values) == KEPT
    meters.read(100, stats(10))
    assert meters.rates[0].now == 0
    assert len(meters.rates) == 3
    meters.read(101, stats(1010, tracks=2))
    assert list(meters.rates[3].values) == []


@pytest.mark.parametrize(
    ("bits", "text"),
    [(0, "0 bit/s"), (999, "999 bit/s"), (1500, "1.5 kbit/s"), (2.5e9, "2500.0 Mbit/s")],
)
def test_bitrates_for_people(bits: float, text: str) -> None:
    assert bitrate(bits) == text


def test_plots() -> None:
    assert plot([0, 1, 4, 8], 4, blocks=True) == " ▁▄█"
    assert plot([0, 1, 4, 8], 4, blocks=False) == " .=@"
    assert plot([8, 0], 5, blocks=True) == "   █ "
    assert plot([1, 2, 3], 2, blocks=True) == plot([2, 3], 2, blocks=True)
    assert plot([], 3, blocks=True) == "   "
    assert plot([1], 0, blocks=True) == ""
    # What is there at all is seen.
    assert plot([1, 1_000_000], 2, blocks=True) == "▁█"
    assert len(BLOCKS) == len(LETTERS)


def a_view(name: str = "bob") -> CallView:
    meters = Meters()
    for time in range(70):
        meters.read(time, stats(1000 * time**4, messages=time))
    others = [Peer(2, name), Peer(3, "carol")]
    return CallView(others[0], 75.5, stats(0), meters, others)


def test_what_is_shown() -> None:
    shown = list(lines(a_view(), 100, blocks=True))
    assert shown[0] == "bob (2)  1:15  connected"
    text = "\n".join(shown)
    assert "12.3 ms" in text
    assert "host 192.0.2.1:5000" in text
    assert "relay [2001:db8::1]:6000" in text
    assert "carol (3)" in text
    assert "68 sent" not in text
    assert "69 sent" in text
    # The last two are next to the top, but of what has not come.
    assert [line.count("█") for line in shown[4:7]] == [2, 0, 2]
    narrow = list(lines(a_view(), 30, blocks=False))
    assert "█" not in "\n".join(narrow)
    assert all(cell_len(line) < 60 for line in narrow)
    hostile = "\n".join(lines(a_view("\x1b[2Jeve\r\n"), 100, blocks=True))
    assert "\x1b" not in hostile
    assert "\r" not in hostile


async def test_a_call_in_lines_for_programs() -> None:
    async with tcp_server() as port:
        at = ["--server", f"ws://127.0.0.1:{port}", "--json"]
        async with command("call", "--name", "ann", *at, "--interval", "0.2") as ann:
            await ann.event("signed_in")
            async with open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob:
                async with (
                    open_call(bob, "ann") as call,
                    await call.open_channel("chat") as channel,
                ):
                    # A bitrate is that since the reading before.
                    await ann.event("stats")
                    # More than may wait where nobody reads.
                    for _ in range(40):
                        await channel.send(bytes(60_000))
                    while True:
                        seen = [e for e in ann.events if e["event"] == "stats"]
                        if seen and seen[-1]["channels"]:
                            (told,) = seen[-1]["channels"]
                            if told["messages_received"] == 40:
                                break
                        await ann.news()
                assert told["label"] == "chat"
                assert seen[-1]["local"].startswith("host ")
                assert max(event["received_bitrate"] for event in seen) > 0
            assert (await ann.event("hung_up"))["reason"] == "peer_hung_up"
            assert await ann.exit_status() == 0
            assert ann.errors == ""


async def test_a_call_that_is_interrupted_is_hung_up() -> None:
    async with tcp_server() as port, trio.open_nursery() as nursery:
        url = f"ws://127.0.0.1:{port}"
        ended = trio.Event()

        async def answer(call: Call) -> None:
            assert (await call.wait_ended()).reason == "peer_hung_up"
            ended.set()

        async with open_signaling(url, name="bob") as bob:
            await nursery.start(partial(serve_calls, answer, bob))
            async with command("call", "bob", "--audio", "tone", "--server", url) as ann:
                await ann.line("<->")
                ann.interrupt()
                assert await ann.exit_status() == 130
            await ended.wait()
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("columns", "locale"), [(100, "C.UTF-8"), (20, "C")])
async def test_on_a_screen(columns: int, locale: str) -> None:
    async with tcp_server() as port, trio.open_nursery() as nursery:
        url = f"ws://127.0.0.1:{port}"

        async def look() -> bytes:
            terminal = Terminal(
                columns, "call", "bob", "--server", url, "--interval", "0.2",
                LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0",
            )  # fmt: skip
            try:
                await terminal.until("Ctrl-C hangs")
                await terminal.until("round trip")
                if columns > 20:
                    await terminal.until("█")
                    await terminal.until("audio received")
            finally:
                terminal.process.send_signal(2)
                status = await terminal.end()
            assert status == 130
            return terminal.shown

        async with open_signaling(url, name="bob") as bob, open_media(audio="tone") as tone:
            await nursery.start(partial(serve_calls, Call.wait_ended, bob, tracks=tone))
            shown = await look()
            nursery.cancel_scope.cancel()
    # The screen that was there before is there again, and the cursor, too.
    assert shown.rindex(b"\x1b[?1049l") > shown.rindex(b"\x1b[?1049h")
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert "█".encode() in shown or columns == 20
    assert b"Traceback" not in shown
