"""Calls of a WHIP and WHEP endpoint of ours by a client of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import av
import pytest
import trio

from trio_rtc import Call, CallError, MediaTrack, SignalingError, open_media, serve_calls
from trio_rtc.server.authorize import shared_secret
from trio_rtc.signaling import open_signaling
from trio_rtc.whip import open_whep, open_whip

from ..server.harness import tcp_server


@dataclass
class Studio:
    """Somebody who takes calls, of a server of ours."""

    port: int
    calls: trio.MemoryReceiveChannel[Call]

    def url(self, protocol: str, name: str = "studio") -> str:
        return f"http://127.0.0.1:{self.port}/{protocol}/{name}"


@asynccontextmanager
async def studio(*, token: str | None = None, **options: Any) -> AsyncIterator[Studio]:
    """Options are those of `serve_calls`."""
    give, take = trio.open_memory_channel[Call](10)

    async def answer(call: Call) -> None:
        await give.send(call)
        await call.wait_ended()

    with trio.fail_after(60):
        server = {} if token is None else {"authorize": shared_secret(token)}
        async with tcp_server(**server) as port, trio.open_nursery() as nursery:
            url = f"ws://127.0.0.1:{port}"
            async with open_signaling(url, name="studio", token=token) as signaling:

                async def serve(task_status: trio.TaskStatus[None]) -> None:
                    await serve_calls(answer, signaling, task_status=task_status, **options)

                await nursery.start(serve)
                yield Studio(port, take)
                nursery.cancel_scope.cancel()


async def frames_of(call: Call, kinds: set[str]) -> dict[str, MediaTrack]:
    """A frame of each of its tracks, which are of these kinds."""
    found: dict[str, MediaTrack] = {}
    async for track in call.tracks:
        found[track.kind] = track
        frame = await anext(aiter(track))
        assert isinstance(frame, av.VideoFrame if track.kind == "video" else av.AudioFrame)
        if found.keys() == kinds:
            return found
    raise AssertionError(f"only {found}")


async def test_media_are_sent_one_way_and_the_call_ends_on_both_sides() -> None:
    async with open_media(video="pattern", audio="tone") as tracks, studio(tracks=tracks) as there:
        async with open_whip(there.url("whip"), tracks=tracks) as call:
            theirs = await there.calls.receive()
            assert (theirs.peer.name, theirs.peer.protocol) == ("whip", "whip")
            await frames_of(theirs, {"audio", "video"})
            # They have tracks to send, and there is no place for them.
            stats = await call.stats()
            assert {track.direction for track in stats.tracks} == {"sent"}
            with pytest.raises(CallError) as caught:
                await call.open_channel("chat")
            assert caught.value.code == "no_data_channels"
            with pytest.raises(CallError) as caught:
                await call.add_track(tracks[0])
            assert caught.value.code == "negotiation_failed"
        assert call.end is not None
        assert call.end.reason == "hung_up"
        assert (await theirs.wait_ended()).reason == "peer_hung_up"


async def test_media_are_watched() -> None:
    async with (
        open_media(video="pattern", audio="tone") as tracks,
        studio(tracks=tracks) as there,
        open_whep(there.url("whep")) as call,
    ):
        theirs = await there.calls.receive()
        assert (theirs.peer.name, theirs.peer.protocol) == ("whep", "whep")
        await frames_of(call, {"audio", "video"})
        assert {each.direction for each in (await theirs.stats()).tracks} == {"sent"}
        await theirs.hang_up()
        # Nobody tells a client of HTTP but the connection itself.
        assert (await call.wait_ended()).reason in ("connection_closed", "connection_lost")


async def test_ice_is_restarted() -> None:
    async with (
        open_media(audio="tone") as tracks,
        studio() as there,
        open_whip(there.url("whip"), tracks=tracks) as call,
    ):
        theirs = await there.calls.receive()
        before = (await call.stats()).local_candidate
        await call.restart()
        after = (await call.stats()).local_candidate
        assert before is not None
        assert after is not None
        assert before.port != after.port
        await frames_of(theirs, {"audio"})


async def test_tokens() -> None:
    async with open_media(audio="tone") as tracks, studio(token="sesame") as there:
        for token in (None, "wrong"):
            with pytest.raises(SignalingError) as caught:
                async with open_whip(there.url("whip"), tracks=tracks, token=token):
                    pass
            assert caught.value.code == "not_authorized"
        async with open_whip(there.url("whip"), tracks=tracks, token="sesame"):
            await there.calls.receive()
        with pytest.raises(SignalingError) as caught:
            async with open_whip(there.url("whip"), tracks=tracks, token="a\nb"):
                pass
        assert caught.value.code == "bad_token"


async def test_nobody_is_there() -> None:
    async with open_media(audio="tone") as tracks, studio() as there:
        for opening in (
            open_whip(there.url("whip", "nobody"), tracks=tracks),
            open_whep(there.url("whep", "nobody")),
        ):
            with pytest.raises(SignalingError, match="Nobody is called 'nobody' there") as caught:
                async with opening:
                    pass
            assert caught.value.code == "not_found"


async def test_the_call_is_declined() -> None:
    async with (
        open_media(audio="tone") as tracks,
        studio(max_calls=1) as there,
        open_whip(there.url("whip"), tracks=tracks),
    ):
        await there.calls.receive()
        with pytest.raises(SignalingError, match="studio has hung up") as caught:
            async with open_whip(there.url("whip"), tracks=tracks):
                pass
        assert caught.value.code == "no_place"


async def test_a_cancelled_call_is_hung_up() -> None:
    async with open_media(audio="tone") as tracks, studio() as there:
        with trio.CancelScope() as scope:
            async with open_whip(there.url("whip"), tracks=tracks):
                theirs = await there.calls.receive()
                scope.cancel()
                await trio.sleep_forever()
        assert (await theirs.wait_ended()).reason == "peer_hung_up"


async def test_there_is_nothing_to_send() -> None:
    with pytest.raises(ValueError, match="no track"):
        async with open_whip("http://localhost/whip/x", tracks=[]):
            pass
