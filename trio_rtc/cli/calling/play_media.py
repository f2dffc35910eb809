"""``trio-rtc play``: a file, a device or test signals, to one peer or to all who call."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import trio

from ...calls.call import Call
from ...calls.calling import open_call, serve_calls
from ...errors import CallError
from ...rtc import MediaTrack
from ..commands.calling_options import PlayOptions
from .calling_session import find, run_calling, say_connected, say_over, sign_in, take_one
from .media_sources import open_source, until_sent
from .told_events import Events


def run_play(options: PlayOptions) -> int:
    """Send it to its end, or to everybody who calls; the exit status."""

    async def main(events: Events, context: ssl.SSLContext | None) -> None:
        async with AsyncExitStack() as stack:
            given = await _Given.open(options, stack)
            signaling = await stack.enter_async_context(sign_in(options, context, events))
            if options.peer is not None:
                peer = await find(signaling, options.peer, options.wait, events)
                async with open_call(
                    signaling, peer, receive=(), tracks=given.give, codecs=options.codec
                ) as call:
                    await _play(call, given, options, events)
                return
            events.hint(f"waiting for calls to {signaling.name}; Ctrl-C ends it")
            serve = partial(
                serve_calls, signaling=signaling, tracks=given.give, codecs=options.codec
            )
            handler = partial(_play_to_who_may_leave, given=given, options=options, events=events)
            if options.once:
                await take_one(serve, handler)
            else:
                await serve(handler)

    return run_calling("play", options, main)


class _Given:
    """What calls are given to send: a file from its beginning, anything else as it is now."""

    def __init__(self, options: PlayOptions, shared: Iterable[MediaTrack] | None):
        self._options = options
        self._shared = shared
        self._tracks: dict[Call, Iterable[MediaTrack]] = {}

    @classmethod
    async def open(cls, options: PlayOptions, stack: AsyncExitStack) -> _Given:
        if await trio.Path(options.source).is_file():
            # Nobody should see us come and go because of a file that is no media.
            async with open_source(options.source):
                pass
            return cls(options, None)
        return cls(options, await stack.enter_async_context(open_source(options.source)))

    @asynccontextmanager
    async def give(self, call: Call) -> AsyncIterator[Iterable[MediaTrack]]:
        async with AsyncExitStack() as stack:
            tracks = self._shared
            if tracks is None:
                source = open_source(self._options.source, loop=self._options.loop)
                tracks = await stack.enter_async_context(source)
            self._tracks[call] = tracks
            stack.callback(self._tracks.pop, call)
            yield tracks

    def tracks_of(self, call: Call) -> Iterable[MediaTrack]:
        return self._tracks[call]


async def _play(call: Call, given: _Given, options: PlayOptions, events: Events) -> None:
    say_connected(events, call)
    tracks = given.tracks_of(call)
    kinds = sorted(track.kind for track in tracks)
    events.say("playing", f"sending {' and '.join(kinds)}; Ctrl-C ends it", kinds=kinds)
    all_sent = True
    with trio.move_on_after(options.seconds):
        all_sent = await until_sent(call, tracks)
    if call.end is None:
        await call.hang_up()
    say_over(events, call)
    if not all_sent:
        raise CallError(
            f"{call.peer} has not seen the end: {call.end}", code="call_ended", fault="remote"
        )


async def _play_to_who_may_leave(
    call: Call, given: _Given, options: PlayOptions, events: Events
) -> None:
    try:
        await _play(call, given, options, events)
    except CallError as error:
        if error.code != "call_ended":
            raise
