"""What is added to a call that stands, by either side, or by both at once."""

from __future__ import annotations

import pytest
import trio

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.errors import CallError, SignalingError
from trio_rtc.rtc import open_media
from trio_rtc.signaling import Peer
from trio_rtc.testing import MemoryHub, describe
from trio_rtc.wire.messages import SessionDescription, encode

from ..rtc.backend.jsep.test_descriptions import OFFER, VIDEO_OFFER
from ..rtc.virtual import in_virtual_time
from .both_sides import next_track, open_both, open_chat, works


async def test_either_side_adds_a_track() -> None:
    async with open_media(video="pattern", audio="tone") as [video, audio], open_both() as ends:
        ours, theirs = await open_chat(ends)
        await ends.alice.add_track(video)
        assert (await next_track(ends.bob)).kind == "video"
        await works(ours, theirs)
        await ends.bob.add_track(audio)
        assert (await next_track(ends.alice)).kind == "audio"
        await works(ours, theirs)


async def test_both_sides_add_a_track_at_once() -> None:
    async with open_media(video="pattern", audio="tone") as [video, audio], open_both() as ends:
        ours, theirs = await open_chat(ends)
        # Both offers are under way before either arrives.
        meeting = [trio.Event(), trio.Event()]

        async def meet(sender: Peer, data: bytes) -> None:
            if describe(data) == "offer" and not all(event.is_set() for event in meeting):
                meeting[sender.id - 1].set()
                for event in meeting:
                    await event.wait()

        ends.hub.delay = meet
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ends.alice.add_track, video)
            nursery.start_soon(ends.bob.add_track, audio)
        assert (await next_track(ends.bob)).kind == "video"
        assert (await next_track(ends.alice)).kind == "audio"
        await works(ours, theirs)
        assert ends.hub.log.count("alice offer") + ends.hub.log.count("bob offer") == 4


async def test_several_tracks_at_once() -> None:
    async with (
        open_media(video="pattern", audio="tone") as first,
        open_media(video="pattern", audio="tone") as second,
        open_both() as ends,
    ):
        async with trio.open_nursery() as nursery:
            for track in (*first, *second):
                nursery.start_soon(ends.alice.add_track, track)
                nursery.start_soon(ends.bob.add_track, track)
        for call in (ends.alice, ends.bob):
            kinds = sorted([(await next_track(call)).kind for _ in range(4)])
            assert kinds == ["audio", "audio", "video", "video"]


async def test_a_callee_sends_what_the_offer_had_no_place_for() -> None:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        async with open_media(audio="tone") as tracks:
            await serve_calls(Call.wait_ended, bob, tracks=tracks, task_status=task_status)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            async with open_call(alice, "bob", receive=()) as call:
                assert (await next_track(call)).kind == "audio"
            nursery.cancel_scope.cancel()


@in_virtual_time
async def test_an_offer_that_is_not_answered_is_taken_back() -> None:
    async with open_media(video="pattern") as [video], open_both(connect_timeout=5) as ends:
        ours, theirs = await open_chat(ends)

        async def lose(sender: Peer, data: bytes) -> None:
            if describe(data) == "answer":
                await trio.sleep_forever()

        ends.hub.delay = lose
        with pytest.raises(CallError) as caught:
            await ends.alice.add_track(video)
        assert caught.value.code == "negotiation_failed"
        await works(ours, theirs)
        assert ends.alice.end is None


async def test_an_offer_that_cannot_be_sent_is_taken_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_media(video="pattern", audio="tone") as [video, audio], open_both() as ends:
        ours, theirs = await open_chat(ends)

        async def fail(sender: Peer, data: bytes) -> None:
            raise SignalingError("no way today")

        ends.hub.delay = fail
        with pytest.raises(CallError) as caught:
            await ends.alice.add_track(video)
        assert caught.value.code == "negotiation_failed"
        assert "no way today" in caplog.text
        await works(ours, theirs)
        ends.hub.delay = None
        # The next offer brings both.
        await ends.alice.add_track(audio)
        kinds = sorted([(await next_track(ends.bob)).kind for _ in range(2)])
        assert kinds == ["audio", "video"]


async def test_an_offer_of_other_sections_ends_neither_this_call_nor_others() -> None:
    async with open_both() as ends:
        ours, theirs = await open_chat(ends)
        for call in (ends.alice._controls._negotiation.call, None):  # type: ignore[attr-defined]
            for sdp in (OFFER, VIDEO_OFFER):
                offer = SessionDescription(type="offer", sdp=sdp, call=call)
                await ends.alice_signaling.send("bob", encode(offer))
                await works(ours, theirs)
        await ends.alice.restart()
        await works(ours, theirs)
        assert ends.bob.end is None


async def test_a_call_that_ends_while_a_track_is_added() -> None:
    async with open_media(video="pattern") as [video], open_both() as ends:

        async def hang_up(sender: Peer, data: bytes) -> None:
            if describe(data) == "offer":
                await ends.bob.hang_up("not now")

        ends.hub.delay = hang_up
        with pytest.raises(CallError) as caught:
            await ends.alice.add_track(video)
        assert caught.value.code == "call_ended"
        with pytest.raises(CallError, match="not now"):
            await ends.alice.add_track(video)
