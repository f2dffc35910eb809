"""A data channel as a Trio channel."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from ..errors import MessageTooLarge
from .bridge import Bridge
from .loop.channel import ChannelParameters, LoopChannel
from .statistics import ChannelStats

if TYPE_CHECKING:
    from collections.abc import Callable

HIGH_WATER = 1024 * 1024
"""Bytes that may be buffered before `DataChannel.send` waits."""

LOW_WATER = HIGH_WATER // 4
"""Bytes down to which it waits then."""


class DataChannel(trio.abc.Channel["str | bytes"]):
    """Messages, text or binary, to and from the other peer (W3C RTCDataChannel).

    What the other side sent before it closed the channel is received first; then `receive`
    raises `trio.EndOfChannel` if it was closed in order, `trio.BrokenResourceError` if the
    connection was lost, and `trio.ClosedResourceError` after our own `aclose`.
    """

    def __init__(
        self,
        bridge: Bridge,
        loop_channel: LoopChannel,
        parameters: ChannelParameters,
        *,
        max_message_size: Callable[[], float],
        close_timeout: float,
    ):
        self._bridge = bridge
        self._loop_channel = loop_channel
        loop_channel.sink = self
        self._parameters = parameters
        self._max_message_size = max_message_size
        self._close_timeout = close_timeout
        self._id = parameters.id
        self._opened = trio.Event()
        self._ended = trio.Event()
        self._ended_in_order = False
        self._peer_is_done = False
        self._closed = False
        self._messages: deque[str | bytes] = deque()
        self._receiver = trio.lowlevel.ParkingLot()
        self._receiving = False
        self._sending = trio.Lock()
        self._unsent = 0
        self._messages_sent = self._bytes_sent = 0
        self._messages_received = self._bytes_received = 0

    def __repr__(self) -> str:
        return f"<DataChannel {self.label!r} id={self.id}>"

    @property
    def label(self) -> str:
        """The name that the opener gave it."""
        return self._parameters.label

    @property
    def id(self) -> int | None:
        """The SCTP stream of the channel; None until it is open."""
        return self._id

    @property
    def protocol(self) -> str:
        """The name of what is spoken in it, as the application likes."""
        return self._parameters.protocol

    @property
    def ordered(self) -> bool:
        """Whether messages arrive in the order in which they were sent."""
        return self._parameters.ordered

    @property
    def max_packet_life_time(self) -> int | None:
        """Milliseconds after which a message is given up."""
        return self._parameters.max_packet_life_time

    @property
    def max_retransmits(self) -> int | None:
        """How often a message is sent again before it is given up."""
        return self._parameters.max_retransmits

    @property
    def negotiated(self) -> bool:
        """Whether both sides agreed on its id without the channel's own protocol."""
        return self._parameters.negotiated

    @property
    def closed(self) -> bool:
        """Whether it has been closed, by either side or with the connection."""
        return self._closed or self._ended.is_set()

    def statistics(self) -> ChannelStats:
        """What has been sent and received so far."""
        return ChannelStats(
            label=self.label,
            id=self.id,
            messages_sent=self._messages_sent,
            bytes_sent=self._bytes_sent,
            messages_received=self._messages_received,
            bytes_received=self._bytes_received,
        )

    async def wait_open(self) -> None:
        """Wait until messages can be sent.

        Raises:
            trio.BrokenResourceError: the channel ended before.
            trio.ClosedResourceError: we have closed it.
        """
        await trio.lowlevel.checkpoint()
        self._check_not_closed()
        await self._opened.wait()
        self._check_not_closed()
        if self._ended.is_set():
            raise trio.BrokenResourceError("the other side has ended this channel")

    async def send(self, value: str | bytes) -> None:
        """Send a message; wait while more than 1 MiB is buffered.

        When this returns, the message is buffered; `aclose` waits for the other side to have it.

        Raises:
            MessageTooLarge: the other side takes no message of that size.
            trio.BrokenResourceError: the other side has closed the channel, or is lost.
            trio.ClosedResourceError: we have closed it.
        """
        if not isinstance(value, str | bytes):
            raise TypeError(f"a message is str or bytes, not {type(value).__name__}")
        size = _size(value)
        async with self._sending:
            await self.wait_open()
            limit = self._max_message_size()
            if size > limit:
                raise MessageTooLarge(
                    f"a message of {size} bytes is over the other side's limit of {limit:g}"
                )
            if self._unsent + size > HIGH_WATER:
                # A count of what was handed over is enough below the mark, and costs nothing.
                self._unsent = await self._bridge.run(self._loop_channel.drained, LOW_WATER)
                await self.wait_open()
            self._unsent += size
            self._messages_sent += 1
            self._bytes_sent += size
            self._bridge.call_soon(self._loop_channel.send, value)

    async def receive(self) -> str | bytes:
        """Receive the next message.

        Raises:
            trio.EndOfChannel: the other side has closed the channel, and nothing is left.
            trio.BrokenResourceError: the connection was lost, and nothing is left.
            trio.ClosedResourceError: we have closed it.
            trio.BusyResourceError: another task is receiving.
        """
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this channel")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint()
            while True:
                self._check_not_closed()
                if self._messages:
                    return self._messages.popleft()
                if self._ended.is_set():
                    if self._ended_in_order or self._peer_is_done:
                        raise trio.EndOfChannel
                    raise trio.BrokenResourceError("the connection was lost")
                await self._receiver.park()
        finally:
            self._receiving = False

    async def aclose(self) -> None:
        """Close the channel once the other side has all that was sent, or time is up.

        Cancelled, it is closed without waiting.
        """
        if not self._closed:
            self._closed = True
            self._receiver.unpark_all()
            self._opened.set()
            if not self._ended.is_set():
                self._bridge.call_soon(self._loop_channel.close)
        with trio.move_on_after(self._close_timeout):
            await self._ended.wait()

    def _check_not_closed(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this channel has been closed")

    # Called from the loop's side, and by the call that knows that its peer is done.

    def _on_open(self, id: int | None) -> None:  # noqa: A002
        self._id = id
        self._opened.set()

    def _on_message(self, message: str | bytes) -> None:
        self._messages_received += 1
        self._bytes_received += _size(message)
        self._messages.append(message)
        self._receiver.unpark()

    def _on_end(self, *, in_order: bool) -> None:
        self._ended_in_order = in_order
        self._ended.set()
        self._opened.set()
        self._receiver.unpark_all()

    def _peer_has_hung_up(self) -> None:
        """A peer that says goodbye need not close each channel for the end to be in order."""
        self._peer_is_done = True


def _size(message: str | bytes) -> int:
    return len(message.encode()) if isinstance(message, str) else len(message)
