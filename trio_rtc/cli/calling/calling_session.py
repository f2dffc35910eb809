"""A command's session with the server, and the one call or the calls that it is about."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

from ...calls.call import Call
from ...errors import TrioRTCError
from ...signaling import Peer, Signaling
from ...signaling.address import shown
from ...tasks import open_background_nursery
from ..commands.calling_options import PlaceOptions, SessionOptions
from .server_session import open_session, run_session
from .told_events import Events

Handler = Callable[[Call], Awaitable[None]]
Serve = Callable[[Handler], Awaitable[object]]


def run_calling(
    command: str,
    options: PlaceOptions,
    work: Callable[[Events, ssl.SSLContext | None], Awaitable[None]],
) -> int:
    """Do the work of a command; the exit status."""
    events = Events(command, options.json)
    return run_session(options.ca, partial(work, events), events.error)


@asynccontextmanager
async def sign_in(
    options: SessionOptions, context: ssl.SSLContext | None, events: Events
) -> AsyncIterator[Signaling]:
    """Sign in for the length of the block, and say so."""
    async with open_session(options, context) as signaling:
        events.say(
            "signed_in",
            f"signed in to {shown(signaling.server)} as {signaling.name} ({signaling.peer_id})",
            peer_id=signaling.peer_id,
            name=signaling.name,
        )
        yield signaling


async def find(signaling: Signaling, whom: str, seconds: float, events: Events) -> Peer | str:
    """The one to be called, once it is there; its name, if it does not come in time."""
    if seconds and not any(whom in (peer.name, str(peer.id)) for peer in signaling.peers.values()):
        events.hint(f"waiting up to {seconds:g} s for {whom}; Ctrl-C ends it")
    with trio.move_on_after(seconds):
        return await signaling.wait_for_peer(whom)
    return whom


async def take_one(serve: Serve, handler: Handler) -> None:
    """Serve calls until the first is over; what has failed in it is raised here."""
    done = trio.Event()
    failed: list[TrioRTCError] = []

    async def handle(call: Call) -> None:
        if done.is_set():
            return
        try:
            await handler(call)
        except TrioRTCError as error:
            failed.append(error)
        finally:
            done.set()

    async with open_background_nursery() as nursery:
        nursery.start_soon(serve, handle)
        await done.wait()
    if failed:
        raise failed[0]


def say_connected(events: Events, call: Call) -> None:
    """Tell that a call stands."""
    took = call.setup_seconds * 1000
    events.say(
        "call_connected",
        f"connected to {call.peer} in {took:.0f} ms",
        peer_id=call.peer.id,
        name=call.peer.name,
        setup_ms=round(took, 1),
    )


def say_over(events: Events, call: Call) -> None:
    """Tell why a call is over, if it is."""
    if call.end is not None:
        events.say(
            "hung_up",
            f"the call with {call.peer} is over: {str(call.end).replace('_', ' ')}",
            peer_id=call.peer.id,
            reason=call.end.reason,
            detail=call.end.detail,
        )
