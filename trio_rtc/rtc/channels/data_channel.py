"""A data channel as a Trio channel."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from ...errors import MessageTooLarge
from ..backend.sctp.channel import MAX_MESSAGE_SIZE, ChannelParameters, LoopChannel
from ..bridge.bridge import Bridge
from ..statistics import ChannelStats
from .budget import ChannelBudget, LimitExceeded
from .credit import SendWindow
from .framing import PART_SIZE, FramingError
from .inbox import ChannelInbox
from .outbox import HIGH_WATER, ChannelOutbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from .extension import ChannelLimits


class DataChannel(trio.abc.Channel["str | bytes"]):
    """Messages, text or binary, to and from the other peer (W3C RTCDataChannel).

    What the other side sent before it closed the channel is received first; then `receive`
    raises `trio.EndOfChannel` if it was closed in order, `trio.BrokenResourceError` if the
    connection was lost, and `trio.ClosedResourceError` after our own `aclose`.

    Where the other side is one of ours, no message is lost by a reader that is slow: `send`
    waits for it, unless messages may be lost anyway.
    """

    def __init__(
        self,
        bridge: Bridge,
        loop_channel: LoopChannel,
        parameters: ChannelParameters,
        *,
        limits: Callable[[], ChannelLimits],
        budget: ChannelBudget,
        close_timeout: float,
    ):
        self._bridge = bridge
        self._loop_channel = loop_channel
        loop_channel.sink = self
        self._parameters = parameters
        self._limits = limits
        self._budget = budget
        self._close_timeout = close_timeout
        self._id = parameters.id
        self._opened = trio.Event()
        self._was_open = False
        self._ended = trio.Event()
        self._ended_in_order = False
        self._peer_is_done = False
        self._fault = ""
        self._told_of_loss = False
        self._closed = False
        self._inbox: ChannelInbox | None = None
        self._receiver = trio.lowlevel.ParkingLot()
        self._receiving = False
        self._sending = trio.Lock()
        self._outbox = ChannelOutbox(bridge, loop_channel, self._check_usable)
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
    def reliable(self) -> bool:
        """Whether no message is given up."""
        return self._parameters.reliable

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

    @property
    def max_message_size(self) -> float:
        """Bytes that one message may have, as the other side has said; infinite if it has not."""
        limits = self._limits()
        if limits.extension is not None:
            return limits.extension.max_message_size
        return limits.max_message_size

    def statistics(self) -> ChannelStats:
        """What has been sent and received so far, and what waits."""
        limits, inbox, sending = self._limits(), self._inbox, self._sending.statistics()
        window = limits.extension.window if limits.extension else HIGH_WATER
        if self._outbox.send_window is not None:
            window = self._outbox.send_window.size
        return ChannelStats(
            label=self.label,
            id=self.id,
            messages_sent=self._messages_sent,
            bytes_sent=self._bytes_sent,
            messages_received=self._messages_received,
            bytes_received=self._bytes_received,
            current_buffer_used=self._outbox.used,
            max_buffer_size=window if self._parameters.reliable else HIGH_WATER,
            tasks_waiting_send=sending.tasks_waiting + sending.locked,
            tasks_waiting_receive=int(self._receiving),
            unread_messages=len(inbox) if inbox is not None else 0,
            unread_bytes=inbox.unread_bytes if inbox is not None else 0,
            messages_dropped=inbox.dropped if inbox is not None else 0,
        )

    async def wait_open(self) -> None:
        """Wait until messages can be sent.

        Raises:
            trio.BrokenResourceError: the channel ended before.
            trio.ClosedResourceError: we have closed it.
        """
        await self._wait_opened()
        self._check_usable()

    async def _wait_opened(self) -> None:
        """Wait until the channel has been opened, though it may have ended since."""
        await trio.lowlevel.checkpoint()
        await self._until_opened()

    async def _until_opened(self) -> None:
        """The same, without a checkpoint if there is nothing to wait for."""
        self._check_not_closed()
        if not self._opened.is_set():
            await self._opened.wait()
        if not self._was_open:
            self._check_usable()

    async def send(self, value: str | bytes) -> None:
        """Send a message; wait while the buffer is full.

        To a peer of ours that is while 1 MiB is on its way or unread there, or more if the path
        holds that, and a message of up to 64 MiB is split. To others it is while as much has not
        been handed to the network. When this returns, the message is buffered; `aclose` waits for
        the other side to have it. Cancelled, it has sent nothing.

        Args:
            value: a text, or bytes; it arrives as the same type.

        Raises:
            MessageTooLarge: the other side takes no message of that size.
            trio.BrokenResourceError: the other side has closed the channel, or is lost.
            trio.ClosedResourceError: we have closed it.
        """
        if not isinstance(value, str | bytes):
            raise TypeError(f"a message is str or bytes, not {type(value).__name__}")
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._sending.locked():
            await self._sending.acquire()
        else:
            self._sending.acquire_nowait()
        try:
            await self._until_opened()
            self._check_usable()
            data = value.encode() if isinstance(value, str) else value
            size = len(data)
            if size > self.max_message_size:
                raise MessageTooLarge(
                    f"a message of {size} bytes is over the other side's limit of "
                    f"{self.max_message_size}"
                )
            if self._limits().extension is None:
                await self._outbox.send(value, size)
            else:
                await self._outbox.send_split(data, is_text=isinstance(value, str))
            self._messages_sent += 1
            self._bytes_sent += size
        finally:
            self._sending.release()
        # After it is handed over, so that it goes out in this turn of Trio already.
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def _wait_writable(self) -> None:
        """Wait until a part of a stream may be sent at once."""
        async with self._sending:
            await self.wait_open()
            await self._outbox.make_room(PART_SIZE)

    async def receive(self) -> str | bytes:
        """Receive the next message.

        Raises:
            MessageTooLarge: in place of a message over our limit. A channel of ours ends with it,
                and another one goes on, up to the sixteenth of its connection.
            trio.EndOfChannel: the other side has closed the channel, and nothing is left.
            trio.BrokenResourceError: the connection was lost, and nothing is left; or what the
                other side sent cannot be used, and the channel was closed for it.
            trio.ClosedResourceError: we have closed it.
            trio.BusyResourceError: another task is receiving.
        """
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this channel")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            waited = False
            while True:
                self._check_not_closed()
                if self._inbox:
                    try:
                        message = self._inbox.get()
                    finally:
                        self._give_credit()
                    if not waited:
                        await trio.lowlevel.cancel_shielded_checkpoint()
                    return message
                if self._ended.is_set() or self._fault:
                    if not waited:
                        await trio.lowlevel.cancel_shielded_checkpoint()
                    if self._is_in_order:
                        raise trio.EndOfChannel
                    raise self._loss()
                await self._receiver.park()
                self._outbox.answered()
                waited = True
        finally:
            self._receiving = False

    async def aclose(self) -> None:
        """Close the channel once the other side has all that was sent.

        That is given up when the time for it passes without progress. Cancelled, the channel is
        closed without waiting.

        Raises:
            trio.BrokenResourceError: something was sent, the other side may not have it, and
                nothing else has told of that.
        """
        await self._close()
        if self._messages_sent and not self._told_of_loss:
            if not self._ended.is_set():
                self._told_of_loss = True
                raise trio.BrokenResourceError(
                    "the other side has not confirmed that it has all that was sent"
                )
            if not self._is_in_order:
                raise self._loss()

    async def _close(self) -> None:
        """The same, without a word about a loss."""
        self._start_closing()
        await trio.lowlevel.checkpoint()
        arrived = await self._arrived()
        while not self._ended.is_set():
            with trio.move_on_after(self._close_timeout):
                await self._ended.wait()
                return
            before, arrived = arrived, await self._arrived()
            if arrived == before:
                return

    async def _arrived(self) -> int | None:
        """See `LoopChannel.arrived`; None if the connection is closed, and nothing more comes."""
        with suppress(trio.ClosedResourceError):
            return await self._bridge.run(self._loop_channel.arrived)
        return None

    def _start_closing(self) -> None:
        """Close without waiting, and without reading what comes."""
        if not self._closed:
            self._closed = True
            if self._inbox is not None:
                self._inbox.clear()
            self._wake()
            if not self._ended.is_set():
                self._outbox.flush()
                self._bridge.call_soon(self._loop_channel.close)

    @property
    def _is_in_order(self) -> bool:
        return not self._fault and (self._ended_in_order or self._peer_is_done)

    def _check_not_closed(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this channel has been closed")

    def _check_usable(self) -> None:
        self._check_not_closed()
        if self._fault:
            raise self._loss()
        if self._ended.is_set():
            self._told_of_loss = True
            raise trio.BrokenResourceError("the other side has ended this channel")

    def _loss(self) -> trio.BrokenResourceError:
        self._told_of_loss = True
        return trio.BrokenResourceError(self._fault or "the connection was lost")

    def _give_credit(self) -> None:
        assert self._inbox is not None
        frame = self._inbox.credit()
        if frame is not None and not self._ended.is_set():
            self._outbox.post(frame)

    def _begin(self) -> ChannelInbox:
        """Agree on how messages travel: the other side's description is here by now."""
        if self._inbox is None:
            extension = self._limits().extension
            if extension is not None and self._parameters.reliable:
                self._outbox.send_window = SendWindow(extension.window, can_grow=extension.grows)
            self._inbox = ChannelInbox(
                framed=extension is not None,
                ordered=self._parameters.ordered,
                reliable=self._parameters.reliable,
                max_message_size=MAX_MESSAGE_SIZE,
                budget=self._budget,
            )
        return self._inbox

    def _wake(self) -> None:
        self._opened.set()
        self._receiver.unpark_all()
        self._outbox.wake()

    # Called from the loop's side, and by the call that knows that its peer is done.

    def _on_open(self, id: int | None) -> None:  # noqa: A002
        self._id = id
        self._begin()
        self._was_open = True
        self._opened.set()

    def _on_message(self, message: str | bytes) -> None:
        inbox = self._begin()
        if self._fault:
            return
        try:
            if self._outbox.take(message, inbox):
                return
            if self._closed:
                # Nobody will read it.
                return
            joined = inbox.put(message)
        except (FramingError, LimitExceeded) as error:
            self._fault = str(error)
            inbox.end()
            self._bridge.call_soon(self._loop_channel.close)
            self._wake()
            return
        if joined is not None:
            self._messages_received += 1
            self._bytes_received += joined.size
            self._receiver.unpark()
        self._give_credit()

    def _on_end(self, *, in_order: bool) -> None:
        if self._inbox is not None:
            self._inbox.end()
        self._ended_in_order = in_order
        self._ended.set()
        self._wake()

    def _peer_has_hung_up(self) -> None:
        """A peer that says goodbye need not close each channel for the end to be in order."""
        self._peer_is_done = True
