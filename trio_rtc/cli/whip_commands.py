"""``trio-rtc publish`` and ``trio-rtc watch``: media to and from an endpoint of WHIP or WHEP."""

from __future__ import annotations

import math
import ssl
from contextlib import AsyncExitStack
from typing import Any

import trio

from ..calls.call import Call
from ..rtc import MediaTrack, Recorder, record_media
from ..tasks import open_background_nursery
from ..whip import open_whep, open_whip
from .calling.media_sources import open_source, until_sent
from .calling.server_session import run_session
from .calling.told_events import Events
from .commands.whip_options import PublishOptions, WatchOptions


def run_publish(options: PublishOptions) -> int:
    """Send a file, a device or test signals until they end; gives the exit status."""
    events = Events("publish", options.json)

    async def main(context: ssl.SSLContext | None) -> None:
        async with (
            open_source(options.source, loop=options.loop) as tracks,
            open_whip(
                options.url,
                tracks=tracks,
                token=options.token,
                codecs=tuple(options.codec),
                ssl_context=context,
            ) as call,
        ):
            kinds = sorted(track.kind for track in tracks)
            _say_connected(events, call, f"sending {' and '.join(kinds)}", kinds=kinds)
            with trio.move_on_after(options.seconds):
                await until_sent(call, tracks)
        _say_end(events, call)

    return run_session(options.ca, main, events.error)


def run_watch(options: WatchOptions) -> int:
    """Receive what an endpoint sends until it ends; gives the exit status."""
    events = Events("watch", options.json)

    async def main(context: ssl.SSLContext | None) -> None:
        async with AsyncExitStack() as stack:
            recorder = None
            if options.record is not None:
                recorder = await stack.enter_async_context(record_media(options.record))
            call = await stack.enter_async_context(
                open_whep(options.url, token=options.token, ssl_context=context)
            )
            _say_connected(events, call, "watching; Ctrl-C ends it")
            with trio.move_on_after(options.seconds):
                async with open_background_nursery() as nursery:
                    nursery.start_soon(_receive, call, recorder, events)
                    await call.wait_ended()
        _say_end(events, call)

    return run_session(options.ca, main, events.error)


async def _receive(call: Call, recorder: Recorder | None, events: Events) -> None:
    async with trio.open_nursery() as nursery:
        async for track in call.tracks:
            events.say("track", f"receiving {track.kind}", kind=track.kind)
            if recorder is not None:
                await recorder.add_track(track)
            else:
                nursery.start_soon(_count, track, events)


async def _count(track: MediaTrack, events: Events) -> None:
    """Tell of a track each second."""
    count, told = 0, -math.inf
    async for _ in track.frames(1):
        count += 1
        if trio.current_time() >= told + 1:
            told = trio.current_time()
            events.say("frames", f"{count} frames of {track.kind}", kind=track.kind, count=count)


def _say_connected(events: Events, call: Call, what: str, **fields: Any) -> None:
    took = call.setup_seconds * 1000
    text = f"connected to {call.peer.name} in {took:.0f} ms: {what}"
    events.say("connected", text, url=call.peer.name, setup_ms=round(took, 1), **fields)


def _say_end(events: Events, call: Call) -> None:
    assert call.end is not None
    text = f"over: {str(call.end).replace('_', ' ')}"
    events.say("ended", text, reason=call.end.reason, detail=call.end.detail)
