"""What a call tells of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from trio_rtc.errors import CallError
from trio_rtc.rtc import open_media

from ..coturn import needs_coturn
from ..rtc.cutting import cut
from ..rtc.turn_server import turn_server
from ..rtc.virtual import in_virtual_time
from .both_sides import next_track, open_both, open_chat, works


async def test_a_call_tells_of_its_connection_and_its_channels() -> None:
    async with open_both() as ends:
        ours, theirs = await open_chat(ends)
        await works(ours, theirs)
        await ours.send(b"12345")
        await theirs.receive()
        here, there = await ends.alice.stats(), await ends.bob.stats()
        assert here.state == there.state == "connected"
        assert here.local_candidate is not None
        assert here.local_candidate.type == "host"
        assert here.local_candidate == there.remote_candidate
        assert here.remote_candidate == there.local_candidate
        assert here.round_trip_time is not None
        assert here.round_trip_time > 0
        assert 0 < there.bytes_received <= here.bytes_sent
        assert 0 < there.packets_received <= here.packets_sent
        [sent], [received] = here.channels, there.channels
        assert (sent.label, sent.id) == (received.label, received.id) == ("chat", ours.id)
        assert (sent.messages_sent, sent.bytes_sent) == (2, len("still there?") + 5)
        assert (received.messages_received, received.bytes_received) == (2, 17)
        assert sent.messages_received == received.messages_sent == 1
        await ours.aclose()
        assert (await ends.alice.stats()).channels == []
    with pytest.raises(CallError) as caught:
        await ends.alice.stats()
    assert caught.value.code == "connection_closed"


@in_virtual_time
async def test_a_call_tells_how_it_came_about() -> None:
    async with open_both() as ends:
        for call, first in ((ends.alice, "offer_sent"), (ends.bob, "offer_received")):
            steps = (await call.stats()).steps
            assert min(steps, key=lambda name: steps[name]) == first
            assert steps[first] <= steps["ice_connected"] <= steps["connected"]
            assert steps["connected"] == call.setup_seconds
        assert {"answer_received", "candidate_sent", "candidate_received"} <= {
            *(await ends.alice.stats()).steps
        }


async def test_a_call_tells_of_its_tracks() -> None:
    async with open_media(video="pattern", audio="tone") as [video, audio], open_both() as ends:
        await ends.alice.add_track(video)
        await ends.bob.add_track(audio)
        seen, heard = await next_track(ends.bob), await next_track(ends.alice)
        tracks = {(t.kind, t.direction): t for t in (await ends.alice.stats()).tracks}
        assert set(tracks) == {("video", "sent"), ("audio", "received")}
        others = {(t.kind, t.direction): t for t in (await ends.bob.stats()).tracks}
        assert set(others) == {("video", "received"), ("audio", "sent")}
        for of_sender, of_receiver in (
            (tracks["video", "sent"], others["video", "received"]),
            (others["audio", "sent"], tracks["audio", "received"]),
        ):
            assert of_sender.packets > 0
            assert of_receiver.packets > 0
            assert of_receiver.bytes > 0
            assert of_sender.jitter is None
            assert of_receiver.jitter is not None
        assert others["video", "received"].id == seen.id
        assert tracks["audio", "received"].id == heard.id


@needs_coturn
async def test_a_call_tells_that_it_is_relayed(tmp_path: Path) -> None:
    async with (
        turn_server(tmp_path) as server,
        open_both(ice_servers=[server.turn()], ice_transport_policy="relay") as ends,
    ):
        stats = await ends.alice.stats()
        assert stats.local_candidate is not None
        assert stats.remote_candidate is not None
        assert stats.local_candidate.type == stats.remote_candidate.type == "relay"


@in_virtual_time
async def test_a_call_that_is_silent_has_no_round_trip() -> None:
    async with open_both(silence_timeout=0.5, restart_timeout=20) as ends:

        async def lose(*_: object) -> None:
            await trio.sleep_forever()

        ends.hub.delay = lose
        with cut(ends.alice._connection, ends.bob._connection):
            stats = await ends.alice.stats()
            assert stats.round_trip_time is None
            assert stats.state == "disconnected"
        ends.hub.delay = None
