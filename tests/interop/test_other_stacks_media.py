"""Media with werift, which sends back what it gets, and with GStreamer, which decodes it."""

from __future__ import annotations

import pytest

from trio_rtc import Call, NegotiationError, open_call, open_media
from trio_rtc.testing import MemoryHub

from .foreign import Foreign, called_by, open_foreign

KINDS = ("video", "audio")


async def flow(call: Call, foreign: Foreign, stack: str) -> None:
    """Media arrive here, and where they are looked at, there."""
    kinds = set()
    async for track in call.tracks:
        frames = aiter(track)
        for _ in range(10):
            await anext(frames)
        kinds.add(track.kind)
        if len(kinds) == len(KINDS):
            break
    if stack.startswith("webrtcbin"):
        await foreign.event("frames", kind="video", width=640)
        await foreign.event("frames", kind="audio")


@pytest.mark.parametrize("stack", ["werift", "webrtcbin"])
async def test_we_call(stack: str) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with (
        open_foreign(hub, stack, "alice") as foreign,
        open_media(video="pattern", audio="tone") as tracks,
        open_call(alice, stack, tracks=tracks) as call,
    ):
        await flow(call, foreign, stack)


@pytest.mark.parametrize("stack", ["werift", "webrtcbin", "webrtcbin, not bundled"])
async def test_it_calls(stack: str) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with (
        open_foreign(hub, stack, "alice") as foreign,
        open_media(video="pattern", audio="tone") as tracks,
        called_by(foreign, alice, media=KINDS, tracks=tracks) as call,
    ):
        await flow(call, foreign, stack)


@pytest.mark.parametrize("stack", ["webrtcbin", "webrtcbin, not bundled"])
async def test_we_add_tracks(stack: str) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with (
        open_foreign(hub, stack, "alice") as foreign,
        open_media(video="pattern", audio="tone") as tracks,
        open_call(alice, stack, receive=(), bundle_policy="balanced") as call,
        await call.open_channel("echo") as channel,
    ):
        for track in tracks:
            await call.add_track(track)
            await channel.send("still there?")
            assert await channel.receive() == "still there?"
        await flow(call, foreign, stack)


async def test_it_does_not_bundle() -> None:
    stack = "webrtcbin, not bundled"
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with open_media(video="pattern", audio="tone") as tracks:
        async with open_foreign(hub, stack, "alice") as foreign:
            with pytest.raises(NegotiationError, match="several transports") as caught:
                async with open_call(alice, stack, tracks=tracks):
                    pass
            assert (caught.value.code, caught.value.fault) == ("not_bundled", "remote")
            await foreign.event("bye")
        async with (
            open_foreign(hub, stack, "alice") as foreign,
            open_call(alice, stack, tracks=tracks, bundle_policy="balanced") as call,
        ):
            await flow(call, foreign, stack)
