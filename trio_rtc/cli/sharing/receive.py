"""``trio-rtc receive``: files from whoever has told us a code."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing

from ...calls.calling import open_call
from ...errors import CallError
from ...files import FileOffer, receive_files
from ...files.destination import prepare_folder
from ..commands.declare import urls
from ..commands.sharing_options import ReceiveOptions
from ..typed import typed_lines
from .meeting import MeetingPlace, coming_to
from .narrated import run_narrated
from .narrator import Narrator
from .phrases import read_phrase


def run_receive(options: ReceiveOptions) -> int:
    """Receive; the exit status."""
    return run_narrated(
        "receive",
        lambda narrator: _FilesReceiver(options, narrator).run(),
        as_json=options.json,
    )


class _FilesReceiver:
    def __init__(self, options: ReceiveOptions, narrator: Narrator):
        self._options = options
        self._narrator = narrator

    async def run(self) -> None:
        options = self._options
        phrase = read_phrase(" ".join(options.code))
        if not (options.yes or os.isatty(0)):
            raise CallError(
                "there is no terminal to ask on: give --yes to take what comes",
                code="no_terminal",
                fault="local",
            )
        # A code is good for one meeting: what can be wrong here is to be known before.
        prepare_folder(options.folder)
        place = MeetingPlace(servers=urls(options.server), token=options.token, ca=options.ca)
        self._narrator.say(f"looking for the one with {phrase.text}; Ctrl-C ends it")
        async with (
            coming_to(place, phrase) as (signaling, sender),
            open_call(signaling, sender, receive=(), code=phrase.text) as call,
        ):
            self._narrator.connected("the sender")
            paths = await receive_files(
                call, options.folder, accept=self._ask, progress=self._narrator.progress
            )
        self._narrator.received(paths)

    async def _ask(self, offer: FileOffer) -> bool:
        question = self._narrator.offered(offer, "the sender")
        if self._options.yes:
            self._narrator.say(question)
            return True
        self._narrator.say(question)
        print("receive it? [Y/n] ", end="", file=sys.stderr, flush=True)
        async with aclosing(typed_lines()) as lines:
            async for line in lines:
                return line.strip().lower() in ("", "y", "yes")
        return False
