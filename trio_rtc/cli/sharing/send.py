"""``trio-rtc send``: files to whoever has the code, or to a peer."""

from __future__ import annotations

import trio

from ...calls.call import Call
from ...calls.calling import open_call, serve_calls
from ...errors import TrioRTCError
from ...files import FileProgress, send_files
from ...files.sources import Source, list_sources
from ...tasks import open_background_nursery
from ...world import world
from ..commands.declare import urls
from ..commands.sharing_options import SendOptions
from .meeting import MeetingPlace, waiting_at
from .narrated import run_narrated
from .narrator import Narrator
from .standard_input import StandardInput

PEER_SECONDS = 10.0
"""How long the one whom we send to may take to be there."""


def run_send(options: SendOptions) -> int:
    """Send; the exit status."""
    return run_narrated(
        "send",
        lambda narrator: _FilesSender(options, narrator).run(),
        as_json=options.json,
    )


class _FilesSender:
    def __init__(self, options: SendOptions, narrator: Narrator):
        self._options = options
        self._place = MeetingPlace(
            servers=urls(options.server), room=options.room, token=options.token, ca=options.ca
        )
        self._narrator = narrator
        self._size: int | None = 0
        self._count = 0

    async def run(self) -> None:
        # Nobody should be given a code for what cannot be sent.
        await world().run_in_thread(self._look)
        if self._options.to is not None:
            await self._send_to(self._options.to)
        else:
            await self._send_with_code()

    def _look(self) -> None:
        if paths := [path for path in self._options.paths if path != "-"]:
            list_sources(paths, lambda skipped: None)

    def _sources(self) -> list[Source]:
        return [("stdin", StandardInput()) if path == "-" else path for path in self._options.paths]

    async def _send(self, call: Call) -> None:
        await send_files(call, self._sources(), progress=self._progress)
        self._narrator.sent(self._size, self._count)

    def _progress(self, done: FileProgress) -> None:
        self._size = done.size if done.size is not None else done.bytes
        self._count = done.count
        self._narrator.progress(done)

    async def _send_to(self, whom: str) -> None:
        async with self._place.open(self._options.name, self._place.room) as signaling:
            self._narrator.say(f"waiting for {whom}; Ctrl-C ends it")
            with trio.move_on_after(PEER_SECONDS):
                await signaling.wait_for_peer(whom)
            async with open_call(signaling, whom, receive=()) as call:
                await self._send(call)

    async def _send_with_code(self) -> None:
        done = trio.Event()
        failed: list[TrioRTCError] = []

        async def handle(call: Call) -> None:
            try:
                self._narrator.connected("the other end")
                await self._send(call)
            except TrioRTCError as error:
                failed.append(error)
            finally:
                done.set()

        async with waiting_at(self._place) as (signaling, phrase):
            command = " ".join(["trio-rtc", "receive", *self._place.words, phrase.text])
            async with open_background_nursery() as nursery:

                async def serve(task_status: trio.TaskStatus[None]) -> None:
                    await serve_calls(handle, signaling, code=phrase.text, task_status=task_status)

                await nursery.start(serve)
                self._narrator.offer_code(phrase.text, command, self._place.link(phrase.text))
                await done.wait()
        if failed:
            raise failed[0]
