"""Send queue of a data channel: what is on its way, and the wait for room for more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from ..backend.sctp.channel import LoopChannel
from ..bridge.bridge import Bridge
from .credit import SendWindow
from .framing import BLOCKED_FRAME, CREDIT, GROWN, PART_SIZE, Splitter, cost, whole
from .inbox import ChannelInbox

HIGH_WATER: Final = 1024 * 1024
"""Bytes that may be buffered for the network before `DataChannel.send` waits, as long as nothing is
known of the path."""


SMALL: Final = 4 * 1024
"""Bytes of a message up to which it may be handed over together with others."""

TOGETHER: Final = 16 * 1024
"""Bytes that are handed over together: packets are hardly larger."""

AT_ONCE: Final = 2
"""Messages after a pause of the program that are handed over at once: a question, or the head and
the body of one."""


class ChannelOutbox:
    """Hands messages over to the loop's side, for one task at a time.

    Small ones that a program sends without a pause are handed over together, and share packets.

    A peer of ours gives credit for what it has read. For others, and where messages may be lost,
    the network's buffer is what counts.

    Args:
        check_usable: raises what a send raises if the channel has ended meanwhile.

    Attributes:
        send_window: what the other side gives, if it does.
    """

    def __init__(self, bridge: Bridge, loop_channel: LoopChannel, check_usable: Callable[[], None]):
        self.send_window: SendWindow | None = None
        self._bridge = bridge
        self._loop_channel = loop_channel
        self._check_usable = check_usable
        self._splitter = Splitter()
        self._room = trio.lowlevel.ParkingLot()
        self._unsent = 0
        self._most_unsent = HIGH_WATER
        self._together: list[str | bytes] = []
        self._together_size = 0
        self._pauses = 0
        self._at_once = AT_ONCE

    @property
    def used(self) -> int:
        """Bytes on their way, at most."""
        return self._unsent if self.send_window is None else self.send_window.used

    async def send(self, message: str | bytes, size: int) -> None:
        """Send it as it is."""
        await self.make_room(size)
        self._hand_over(message, size)

    async def send_split(self, data: bytes, *, is_text: bool) -> None:
        """Send it to a peer of ours. Cancelled, it is taken back."""
        size = len(data)
        if size <= PART_SIZE:
            await self.make_room(size)
            self._hand_over(whole(data, is_text=is_text), size)
            return
        message = self._splitter.split(data, is_text=is_text)
        try:
            while not message.is_complete:
                size = message.next_size()
                await self.make_room(size)
                self._hand_over(message.next_frame(), size)
        finally:
            if message.sent and not message.is_complete:
                self.post(message.abandon())

    async def make_room(self, size: int) -> None:
        """Wait until so many bytes may be sent."""
        if self.send_window is not None:
            while self.send_window.room < cost(size):
                if (frame := self.send_window.blocked()) is not None:
                    self.post(frame)
                await self._room.park()
                self._check_usable()
        if self._unsent + size > self._most_unsent:
            # A count of what was handed over is enough below the mark, and costs nothing.
            self._unsent, self._most_unsent = await self._bridge.run(
                self._loop_channel.drained, size
            )
            self._check_usable()

    def post(self, frame: bytes) -> None:
        """Send what costs nothing."""
        self.flush()
        self._bridge.call_soon(self._loop_channel.send, frame)

    def take(self, frame: str | bytes, inbox: ChannelInbox) -> bool:
        """Take a frame of flow control, if it is one.

        Raises:
            FramingError: it is not what a peer of ours sends.
        """
        window = self.send_window
        if window is None or isinstance(frame, str):
            return False
        if frame == BLOCKED_FRAME:
            if (answer := inbox.blocked()) is not None:
                self.post(answer)
            return True
        if not frame or frame[0] not in (CREDIT, GROWN):
            return False
        window.receive(frame)
        self.wake()
        return True

    def wake(self) -> None:
        """There may be room, or none any more."""
        self._room.unpark_all()

    def _hand_over(self, wire: str | bytes, size: int) -> None:
        if self.send_window is not None:
            self.send_window.take(cost(size))
        self._unsent += size
        pauses = self._bridge.pauses
        if pauses.count != self._pauses:
            self._pauses = pauses.count
            self._at_once = AT_ONCE
        if self._at_once:
            self._at_once -= 1
            self.flush()
            self._bridge.call_soon(self._loop_channel.send, wire)
            return
        if size > SMALL:
            self.flush()
            # Its last packet is hardly full: what follows shares it.
            self._bridge.call_soon(self._loop_channel.send_of_more, wire)
            pauses.at_end(self._send_rest)
            return
        self._together.append(wire)
        self._together_size += cost(size)
        if self._together_size < TOGETHER:
            pauses.at_end(self.flush)
        else:
            # The last of them may be all that is in a packet: what follows shares that, too.
            self._bridge.call_soon(self._loop_channel.send_of_more, *self._take_together())
            pauses.at_end(self._send_rest)

    def answered(self) -> None:
        """The program has waited for the other side: what it sends now is an answer."""
        self._at_once = AT_ONCE

    def _send_rest(self) -> None:
        self._bridge.call_soon(self._loop_channel.send_rest)

    def flush(self) -> None:
        """Hand over what waits for others to come along."""
        if self._together:
            self._bridge.call_soon(self._loop_channel.send, *self._take_together())

    def _take_together(self) -> list[str | bytes]:
        self._bridge.pauses.forget(self.flush)
        together, self._together = self._together, []
        self._together_size = 0
        return together
