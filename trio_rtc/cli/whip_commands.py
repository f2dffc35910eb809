"""``trio-rtc publish`` and ``trio-rtc watch``: media to and from an endpoint of WHIP or WHEP."""

from __future__ import annotations

import json as json_
import math
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from ..calls.call import Call
from ..errors import CallError, MediaError
from ..rtc import MediaTrack, Recorder, open_media, record_media
from ..tasks import open_background_nursery
from ..text import escaped
from ..whip import open_whep, open_whip
from .client import BAD_OPTIONS
from .commands.whip_options import PublishOptions, WatchOptions
from .run import run
from .tls import client_context

LOOK_SECONDS = 0.2
"""Until it is looked again whether a file has been sent."""


class Events:
    """Says what happens: a line for people, or a JSON object for programs.

    Args:
        command: which command this is.
        as_json: whether programs read it.
    """

    def __init__(self, command: str, as_json: bool):
        self._command = command
        self._as_json = as_json

    def say(self, event: str, text: str, **fields: Any) -> None:
        if self._as_json:
            text = json_.dumps({"event": event, "time": time.time(), **fields})
        print(text if self._as_json else escaped(text), flush=True)

    def error(self, code: str, message: str) -> None:
        print(f"trio-rtc {self._command}: {escaped(message)}", file=sys.stderr, flush=True)
        if self._as_json:
            self.say("error", "", code=code, message=message)


def run_publish(options: PublishOptions) -> int:
    """Send a file, a device or test signals until they end; gives the exit status."""
    events = Events("publish", options.json)

    async def main(context: ssl.SSLContext | None) -> None:
        async with (
            _open_source(options.source, options.loop) as tracks,
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
                await _until_sent(call)
        _say_end(events, call)

    return _run(main, options.ca, events)


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

    return _run(main, options.ca, events)


def _run(
    main: Callable[[ssl.SSLContext | None], Awaitable[None]], ca: Path | None, events: Events
) -> int:
    try:
        context = client_context(ca)
    except CallError as error:
        events.error(error.code, str(error))
        return BAD_OPTIONS
    return run(partial(main, context), events.error, interrupted=lambda number: 128 + number)


@asynccontextmanager
async def _open_source(source: str, loop: bool) -> AsyncIterator[list[MediaTrack]]:
    """What there is of pictures and sound in it."""
    if source == "pattern":
        async with open_media(video="pattern", audio="tone") as tracks:
            yield tracks
        return
    async with AsyncExitStack() as stack:
        opened: list[MediaTrack] = []
        for video, audio in ((source, source), (source, None), (None, source)):
            try:
                opened = await stack.enter_async_context(
                    open_media(video=video, audio=audio, loop=loop)
                )
                break
            except MediaError as error:
                if error.code != "media_no_stream" or video is None:
                    raise
        yield opened


async def _until_sent(call: Call) -> None:
    # A track that has ended is no sender's any more, of which nobody tells.
    while call.senders and call.end is None:  # noqa: ASYNC110
        await trio.sleep(LOOK_SECONDS)


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
