"""``trio-rtc forward``: sockets through a call, for those who have the code."""

from __future__ import annotations

from functools import partial

import trio

from ...calls.call import Call
from ...calls.calling import open_call, serve_calls
from ...errors import CallError, TrioRTCError
from ...forwarding import forward_to, serve_forward
from ...forwarding.endpoints import parse_allowed, parse_forward
from ...tasks import open_background_nursery
from ..commands.declare import urls
from ..commands.sharing_options import ForwardOptions
from .meeting import MeetingPlace, coming_to, waiting_at
from .narrated import run_narrated
from .narrator import Narrator
from .phrases import read_phrase


def run_forward(options: ForwardOptions) -> int:
    """Forward until the call ends; the exit status."""
    return run_narrated(
        "forward",
        lambda narrator: _Forwarder(options, narrator).run(),
        as_json=options.json,
    )


class _Forwarder:
    def __init__(self, options: ForwardOptions, narrator: Narrator):
        self._options = options
        self._place = MeetingPlace(servers=urls(options.server), token=options.token, ca=options.ca)
        self._narrator = narrator

    async def run(self) -> None:
        options = self._options
        # Nobody should be given a code for what cannot be done.
        for text in (*options.local, *options.remote):
            parse_forward(text)
        parse_allowed(options.allow)
        if not options.code:
            await self._wait()
            return
        phrase = read_phrase(" ".join(options.code))
        self._narrator.say(f"looking for the one with {phrase.text}; Ctrl-C ends it")
        async with (
            coming_to(self._place, phrase) as (signaling, other),
            open_call(signaling, other, receive=(), code=phrase.text) as call,
        ):
            await self._forward(call)

    async def _wait(self) -> None:
        done = trio.Event()
        failed: list[TrioRTCError] = []

        async def handle(call: Call) -> None:
            try:
                await self._forward(call)
            except TrioRTCError as error:
                failed.append(error)
            finally:
                done.set()

        async with waiting_at(self._place) as (signaling, phrase):
            local = ["-L", "8080:localhost:80"]
            words = ["trio-rtc", "forward", *self._place.words, *local, phrase.text]
            async with open_background_nursery() as nursery:
                await nursery.start(partial(serve_calls, handle, signaling, code=phrase.text))
                self._narrator.offer_code(phrase.text, " ".join(words), "")
                await done.wait()
        if failed:
            raise failed[0]

    async def _forward(self, call: Call) -> None:
        try:
            await self._forward_until_over(call)
        except CallError as error:
            if error.code != "call_ended":
                raise
        end = await call.wait_ended()
        if end.reason not in ("hung_up", "peer_hung_up"):
            raise CallError(f"the call is over: {end}", code="connection_lost", fault="network")

    async def _forward_until_over(self, call: Call) -> None:
        options = self._options
        self._narrator.connected("the other end")
        async with open_background_nursery() as nursery:
            await nursery.start(
                partial(serve_forward, call, options.allow, allow_listen=options.allow_listen)
            )
            for texts, remote in [(options.local, False), (options.remote, True)]:
                for text in texts:
                    at, to = parse_forward(text)
                    await nursery.start(partial(forward_to, call, str(to), str(at), remote=remote))
                    where = "the other end" if remote else "here"
                    self._narrator.forwarding(str(at), str(to), where)
            self._narrator.say("Ctrl-C ends it")
            await call.wait_ended()
