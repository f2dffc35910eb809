"""What may be typed instead of a line for the other side: ``/who``, ``/call`` and the like."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from ...calls.call import Call
from ...calls.options import CallStats
from ...errors import TrioRTCError
from ...files import send_files
from ...rtc import MediaTrack
from ...signaling import Peer, Signaling


class Commandable(Protocol):
    """What the commands are about."""

    signaling: Signaling | None
    tracks: list[MediaTrack]

    @property
    def calls(self) -> Sequence[Call]: ...
    @property
    def ringing(self) -> Sequence[Peer]: ...
    def start(self, work: Callable[[], Awaitable[None]]) -> None: ...
    def answer(self, peer: Peer, *, yes: bool) -> None: ...
    def start_call(self, whom: str) -> None: ...
    def quit(self) -> None: ...


class BadCommand(Exception):
    """A command that is none, or cannot be done; in words."""


class SlashCommands:
    """Does what is typed.

    Args:
        client: about which it is.
        tell: shows an answer.
    """

    def __init__(self, client: Commandable, tell: Callable[[str], None]):
        self._client = client
        self._tell = tell

    def perform(self, line: str) -> None:
        """Do it, or tell why that cannot be."""
        name, _, rest = line[1:].partition(" ")
        try:
            if name not in COMMANDS:
                raise BadCommand(f"there is no /{name}; /help tells what there is")
            COMMANDS[name][2](self, rest.strip())
        except (BadCommand, TrioRTCError) as error:
            self._tell(str(error))

    def help(self, _: str) -> None:
        for name, (argument, text, _command) in COMMANDS.items():
            self._tell(f"  {f'/{name} {argument}':18}{text}")
        self._tell("  //...             a line that begins with /")

    def who(self, _: str) -> None:
        signaling = self._client.signaling
        if signaling is None or signaling.state == "lost":
            raise BadCommand("there is no session with the server now")
        talking = {call.peer.id for call in self._client.calls}
        for peer in signaling.peers.values():
            self._tell(f"  {peer}{', in a call with us' if peer.id in talking else ''}")
        if not signaling.peers:
            self._tell("  nobody else is there")

    def call(self, whom: str) -> None:
        if not whom:
            raise BadCommand("/call needs the name or id of somebody: /who tells who is there")
        self._client.start_call(whom)

    def answer(self, whom: str) -> None:
        self._client.answer(self._caller(whom), yes=True)

    def decline(self, whom: str) -> None:
        self._client.answer(self._caller(whom), yes=False)

    def _caller(self, whom: str) -> Peer:
        found = [peer for peer in self._client.ringing if whom in ("", peer.name, str(peer.id))]
        if not found:
            raise BadCommand(f"{whom} is not calling" if whom else "nobody is calling")
        if len(found) > 1:
            raise BadCommand(f"which of them? {', '.join(map(str, found))}")
        return found[0]

    def _calls(self, whom: str = "") -> Sequence[Call]:
        found = [
            call for call in self._client.calls if whom in ("", call.peer.name, str(call.peer.id))
        ]
        if not found:
            raise BadCommand(f"there is no call{f' with {whom}' if whom else ''}")
        return found

    def hang_up(self, whom: str) -> None:
        for call in self._calls(whom):
            self._client.start(call.hang_up)

    def stats(self, whom: str) -> None:
        for call in self._calls(whom):

            async def tell(call: Call = call) -> None:
                for line in described(call.peer, await call.stats()):
                    self._tell(f"  {line}")

            self._client.start(tell)

    def mute(self, _: str) -> None:
        tracks = self._client.tracks
        if not tracks:
            raise BadCommand("we send neither sound nor pictures: --audio and --video do")
        muted = any(track.enabled for track in tracks)
        for track in tracks:
            track.enabled = not muted
        self._tell("muted; /mute again undoes it" if muted else "not muted any more")

    def send(self, words: str) -> None:
        try:
            paths = [Path(word).expanduser() for word in shlex.split(words)]
        except ValueError as error:
            raise BadCommand(f"{words}: {error}") from error
        if not paths:
            raise BadCommand("/send needs files or folders")
        for call in self._calls():

            async def send(call: Call = call) -> None:
                await send_files(call, paths)
                self._tell(f"{call.peer.name} has {', '.join(path.name for path in paths)}")

            self._client.start(send)

    def quit(self, _: str) -> None:
        self._client.quit()


def described(peer: Peer, stats: CallStats) -> Sequence[str]:
    """A call at one moment, in lines for people."""
    trip = stats.round_trip_time
    ends = [
        "?" if end is None else f"{end.type} {end.address}:{end.port}"
        for end in (stats.local_candidate, stats.remote_candidate)
    ]
    lines = [
        f"{peer}: {' <-> '.join(ends)}, "
        f"{'no answer' if trip is None else f'{trip * 1000:.1f} ms there and back'}",
        f"  sent {stats.bytes_sent} bytes, received {stats.bytes_received}",
    ]
    lines += [
        f"  {track.kind} {track.direction}: {track.bytes} bytes, {track.packets_lost} packets lost"
        for track in stats.tracks
    ]
    return lines


COMMANDS: Final[dict[str, tuple[str, str, Callable[[SlashCommands, str], None]]]] = {
    "help": ("", "this list", SlashCommands.help),
    "who": ("", "who is there", SlashCommands.who),
    "call": ("PEER", "call somebody, by name or id", SlashCommands.call),
    "answer": ("[PEER]", "answer a call (with --ask)", SlashCommands.answer),
    "decline": ("[PEER]", "do not", SlashCommands.decline),
    "hangup": ("[PEER]", "end a call, or all", SlashCommands.hang_up),
    "stats": ("[PEER]", "how a call is doing", SlashCommands.stats),
    "mute": ("", "send silence and black, or no more", SlashCommands.mute),
    "send": ("PATH...", "send files or folders to those we are in a call with", SlashCommands.send),
    "quit": ("", "end everything, as Ctrl-D", SlashCommands.quit),
}
