"""``trio-rtc record``: what others send, into files."""

from __future__ import annotations

import ssl
from functools import partial
from pathlib import Path

import trio

from ...calls.call import Call
from ...calls.calling import open_call, serve_calls
from ...errors import CallError, MediaError
from ...rtc import MediaTrack, Recorder, record_media
from ...rtc.media.recorder import NUMBER
from ...tasks import open_background_nursery
from ..commands.calling_options import RecordOptions
from .calling_session import find, run_calling, say_connected, say_over, sign_in, take_one
from .told_events import Events


def run_record(options: RecordOptions) -> int:
    """Record a call, or with a number in the name of the file all of them; the exit status."""

    async def main(events: Events, context: ssl.SSLContext | None) -> None:
        work = _CallRecorder(options, events)
        # Nobody should see us come and go because of a file that cannot be written.
        async with record_media(options.file):
            pass
        async with sign_in(options, context, events) as signaling:
            if options.peer is not None:
                peer = await find(signaling, options.peer, options.wait, events)
                async with open_call(signaling, peer) as call:
                    await work.record(call)
                return
            events.hint(f"waiting for calls to {signaling.name}; Ctrl-C ends it")
            if NUMBER in options.file.name:
                await serve_calls(work.record, signaling)
            else:
                await take_one(partial(serve_calls, signaling=signaling, max_calls=1), work.record)

    return run_calling("record", options, main)


class _CallRecorder:
    def __init__(self, options: RecordOptions, events: Events):
        self._options = options
        self._events = events

    async def record(self, call: Call) -> None:
        events = self._events
        say_connected(events, call)
        tracks = 0
        path = self._options.file
        began = trio.current_time()
        try:
            async with record_media(path) as recorder, open_background_nursery() as nursery:
                path = recorder.path

                async def take_tracks() -> None:
                    nonlocal tracks
                    async for track in call.tracks:
                        self._say_track(track)
                        tracks += await self._add(recorder, track)

                nursery.start_soon(take_tracks)
                with trio.move_on_after(self._options.seconds):
                    await call.wait_ended()
            await call.hang_up()
        finally:
            say_over(events, call)
            if tracks:
                self._say_recorded(path, trio.current_time() - began)
        if not tracks:
            raise CallError(
                f"nothing was recorded: {call.peer} sent nothing that {path.name} could take",
                code="nothing_recorded",
                fault="remote",
            )

    async def _add(self, recorder: Recorder, track: MediaTrack) -> bool:
        try:
            await recorder.add_track(track)
        except MediaError as error:
            if error.code != "recording_full":
                raise
            # One that has no room in the file is no reason to lose the others.
            self._events.error(error.code, str(error))
            return False
        return True

    def _say_track(self, track: MediaTrack) -> None:
        self._events.say("track", f"recording {track.kind}; Ctrl-C ends it", kind=track.kind)

    def _say_recorded(self, path: Path, seconds: float) -> None:
        size = path.stat().st_size if path.exists() else 0
        self._events.say(
            "recorded",
            f"{path}: {size} bytes, {seconds:.1f} s",
            path=str(path),
            bytes=size,
            seconds=round(seconds, 3),
        )
