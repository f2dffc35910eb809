"""``trio-rtc call``: a call, and how it is doing."""

from __future__ import annotations

import os
import ssl
import sys
from contextlib import nullcontext
from functools import partial

import trio

from ...calls.call import Call
from ...calls.calling import open_call, serve_calls
from ...calls.options import CallStats
from ...errors import CallError
from ...rtc import DataChannel, open_media
from ...signaling import Signaling
from ...tasks import open_background_nursery
from ..commands.calling_options import CallCommandOptions
from .call_screen import CallScreen, CallView, end, open_call_screen
from .calling_session import find, run_calling, say_connected, say_over, sign_in, take_one
from .meters import Meters, bitrate
from .told_events import Events


def run_call(options: CallCommandOptions) -> int:
    """Make a call, or take one, and show it until it ends; the exit status."""

    async def main(events: Events, context: ssl.SSLContext | None) -> None:
        async with (
            open_media(video=options.video, audio=options.audio) as tracks,
            sign_in(options, context, events) as signaling,
        ):
            work = _CallViewer(options, events, signaling)
            if options.peer is not None:
                peer = await find(signaling, options.peer, options.wait, events)
                async with open_call(signaling, peer, tracks=tracks) as call:
                    await work.view(call)
            else:
                events.hint(f"waiting for a call to {signaling.name}; Ctrl-C ends it")
                serve = partial(serve_calls, signaling=signaling, tracks=tracks, max_calls=1)
                await take_one(serve, work.view)

    return run_calling("call", options, main)


class _CallViewer:
    def __init__(self, options: CallCommandOptions, events: Events, signaling: Signaling):
        self._options = options
        self._events = events
        self._signaling = signaling
        self._meters = Meters()

    async def view(self, call: Call) -> None:
        """Show a call until it is over."""
        say_connected(self._events, call)
        # A terminal that cannot move its cursor gets lines, as a pipe does.
        is_screen = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        on_screen = is_screen and not self._options.json
        try:
            with open_call_screen() if on_screen else nullcontext() as screen:
                with trio.move_on_after(self._options.seconds):
                    async with open_background_nursery() as nursery:
                        nursery.start_soon(_drain, call)
                        nursery.start_soon(self._look, call, screen)
                        await call.wait_ended()
                await call.hang_up()
        finally:
            say_over(self._events, call)
        assert call.end is not None
        if call.end.reason not in ("hung_up", "peer_hung_up"):
            raise CallError(
                f"the call is over: {call.end}", code="connection_lost", fault="network"
            )

    async def _look(self, call: Call, screen: CallScreen | None) -> None:
        began = trio.current_time()
        while True:
            try:
                stats = await call.stats()
            except CallError:
                # It is over, and its end says why.
                return
            now = trio.current_time()
            self._meters.read(now, stats)
            if screen is not None:
                others = list(self._signaling.peers.values())
                screen.show(CallView(call.peer, now - began, stats, self._meters, others))
            else:
                self._say(stats)
            await trio.sleep(self._options.interval)

    def _say(self, stats: CallStats) -> None:
        sent, received, *tracks = self._meters.rates
        trip = stats.round_trip_time
        told = "no answer" if trip is None else f"{trip * 1000:.1f} ms"
        self._events.say(
            "stats",
            f"{end(stats.local_candidate)} <-> {end(stats.remote_candidate)}  {told}  "
            f"sent {bitrate(sent.now)}, received {bitrate(received.now)}",
            round_trip_ms=None if trip is None else round(trip * 1000, 3),
            local=end(stats.local_candidate),
            remote=end(stats.remote_candidate),
            sent_bitrate=round(sent.now),
            received_bitrate=round(received.now),
            tracks=[
                {"kind": track.kind, "direction": track.direction, "bitrate": round(meter.now)}
                for track, meter in zip(stats.tracks, tracks, strict=True)
            ],
            channels=[
                {
                    "label": channel.label,
                    "messages_sent": channel.messages_sent,
                    "messages_received": channel.messages_received,
                }
                for channel in stats.channels
            ],
        )


async def _drain(call: Call) -> None:
    """Take what comes in channels, so that nobody waits for us."""

    async def read(channel: DataChannel) -> None:
        try:
            async for _ in channel:
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async with trio.open_nursery() as nursery:
        async for channel in call.channels:
            nursery.start_soon(read, channel)
