"""What is typed, or piped in: lines for the other side, and commands at a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import aclosing

import trio

from ..conversation import Conversation
from ..report import Reporter
from ..typed import typed_lines
from .prompt import Prompt
from .slash_commands import Commandable, SlashCommands


class TypedInput:
    """Reads it, and gives each line to those whom it is for.

    Args:
        client: what commands are about.
        reporter: shows what comes of them; at a terminal it has a prompt.
        conversations: those that there are.

    Attributes:
        over: whether a pipe has ended that had something in it.
    """

    def __init__(
        self, client: Commandable, reporter: Reporter, conversations: Sequence[Conversation]
    ):
        self._client = client
        self._reporter = reporter
        self._conversations = conversations
        self._woken = trio.Event()
        self.over = trio.Event()

    def wake(self) -> None:
        """There are other conversations, or one has a channel now."""
        self._woken.set()
        self._woken = trio.Event()
        if self._reporter.prompt is not None:
            self._reporter.prompt.show()

    async def read(self) -> None:
        """Read all that comes."""
        if self._reporter.prompt is not None:
            self._reporter.told("/help tells what may be typed; Ctrl-D ends everything")
            await self._read_terminal(self._reporter.prompt)
        else:
            await self._read_pipe()

    async def _read_terminal(self, prompt: Prompt) -> None:
        commands = SlashCommands(self._client, self._reporter.told)
        async with aclosing(prompt.lines()) as lines:
            async for line in lines:
                if line.startswith("/") and not line.startswith("//"):
                    commands.perform(line)
                elif line.strip():
                    self._say(line[1:] if line.startswith("//") else line)
        self._client.quit()

    def _able(self) -> list[Conversation]:
        return [conversation for conversation in self._conversations if conversation.can_say]

    def _say(self, line: str) -> None:
        """A line at a terminal is for those whom the prompt names, and for nobody later."""
        able = self._able()
        if able:
            self._reporter.told(f"me: {line}")
        else:
            self._reporter.told("not sent: there is nobody in a call with us")
        for conversation in able:
            conversation.say(line)

    async def _read_pipe(self) -> None:
        """What is piped in waits for somebody to hear it."""
        is_empty = True
        async with aclosing(typed_lines()) as lines:
            async for line in lines:
                is_empty = False
                while not (able := self._able()):
                    await self._woken.wait()
                for conversation in able:
                    conversation.say(line)
        if os.isatty(0):
            self._client.quit()
        elif not is_empty:
            # Without any input at all, as of a service, nobody has ended it.
            self.over.set()
