"""A data channel of aiortc, on the loop's side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from aiortc import InvalidStateError, RTCDataChannel, RTCPeerConnection, RTCSctpTransport

from ...bridge.ownership import Owner
from ..patches import can
from . import association as sctp
from .streams import rotate_ids

MAX_MESSAGE_SIZE: Final = RTCSctpTransport.getCapabilities().maxMessageSize
"""What our descriptions say that we take in one SCTP user message, in bytes."""


@dataclass(frozen=True, slots=True)
class ChannelParameters:
    """What both sides know of a channel (W3C RTCDataChannelInit)."""

    label: str
    ordered: bool = True
    max_packet_life_time: int | None = None
    max_retransmits: int | None = None
    protocol: str = ""
    negotiated: bool = False
    id: int | None = None

    @property
    def reliable(self) -> bool:
        """Whether no message is given up."""
        return self.max_packet_life_time is None and self.max_retransmits is None

    def check(self) -> None:
        """See that a channel can be created with these (W3C WebRTC, section 6.1.1.3).

        Raises:
            TypeError, ValueError: no.
        """
        for name in ("label", "protocol"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"the {name} is a str, not {type(getattr(self, name)).__name__}")
        if self.max_packet_life_time is not None and self.max_retransmits is not None:
            raise ValueError("max_packet_life_time and max_retransmits exclude each other")
        if self.negotiated and self.id is None:
            raise ValueError("a negotiated channel needs an id")
        for name, highest in (
            ("max_packet_life_time", 65535),
            ("max_retransmits", 65535),
            ("id", 65534),
        ):
            value = getattr(self, name)
            if value is not None and not isinstance(value, int):
                raise TypeError(f"{name} is an int, not {type(value).__name__}")
            if value is not None and not 0 <= value <= highest:
                raise ValueError(f"{name} is {value}, and not from 0 to {highest}")
        for name in ("label", "protocol"):
            if len(getattr(self, name).encode()) > 65535:
                raise ValueError(f"the {name} has more than 65535 bytes")


class ChannelSink(Protocol):
    """The Trio side, which hears of what happens."""

    def _on_open(self, id: int | None) -> None: ...  # noqa: A002
    def _on_message(self, message: str | bytes) -> None: ...
    def _on_end(self, *, in_order: bool) -> None: ...


class LoopChannel:
    """One channel. Its handlers only post: an exception in one would end the connection.

    Attributes:
        ended: whether it is over, for either side.
    """

    #: Set on the Trio side before anything is posted to it.
    sink: ChannelSink

    def __init__(self, post: Callable[..., None]):
        self._post = post
        self._channel: RTCDataChannel | None = None
        self._owner: Owner
        self.ended = False
        self._low = asyncio.Event()
        # Of what is sent of the channel, once it is closed and all has one.
        self._last_tsn: int | None = None
        self._arrived: list[str | bytes] = []

    def create(
        self, connection: RTCPeerConnection, parameters: ChannelParameters, owner: Owner
    ) -> None:
        """Open the channel from our side."""
        channel = connection.createDataChannel(
            _WireText(parameters.label),
            ordered=parameters.ordered,
            maxPacketLifeTime=parameters.max_packet_life_time,
            maxRetransmits=parameters.max_retransmits,
            protocol=_WireText(parameters.protocol),
            negotiated=parameters.negotiated,
            id=parameters.id,
        )
        if channel.id is None:
            _watch_id(channel)
        self.attach(channel, owner)

    def attach(self, channel: RTCDataChannel, owner: Owner) -> None:
        """Hear of the channel's events, from its first message on."""
        self._channel = channel
        self._owner = owner
        channel.on("message", self._on_message)
        sctp.deliver(channel, self._on_message)
        channel.on("close", self._on_close)
        if channel.readyState == "open":
            self._on_open()
        else:
            channel.on("open", self._on_open)

    def _on_open(self) -> None:
        assert self._channel is not None
        self._post(self._notify_open, self._channel.id)

    def _on_message(self, message: str | bytes) -> None:
        # What comes together crosses together.
        if not self._arrived:
            self._post(self._notify_messages)
        self._arrived.append(message)

    def _on_close(self) -> None:
        assert self._channel is not None
        transport = self._channel.transport
        # With the association gone nobody has agreed to this end (RFC 8831, section 6.7), unless
        # the other side ended it as orderly as that.
        self.end(in_order=transport.state != "closed" or sctp.ended_in_order(transport))

    def end(self, *, in_order: bool) -> None:
        """Tell that the channel is over, once."""
        if not self.ended:
            self.ended = True
            self._low.set()
            if self._channel is not None:
                sctp.deliver(self._channel, None)
            self._post(self._notify_end, in_order)

    # On Trio, where the sink is.

    def _notify_open(self, channel_id: int | None) -> None:
        self.sink._on_open(channel_id)

    def _notify_messages(self) -> None:
        arrived, self._arrived = self._arrived, []
        for message in arrived:
            self.sink._on_message(message)

    def _notify_end(self, in_order: bool) -> None:
        self.sink._on_end(in_order=in_order)

    # What the Trio side asks for.

    def send(self, *messages: str | bytes) -> None:
        """Queue messages. If the channel has ended meanwhile, its sink hears of that."""
        self._send(messages, more=False)

    def send_of_more(self, *messages: str | bytes) -> None:
        """The same, where others follow, or `send_rest` is called: they share packets."""
        self._send(messages, more=True)

    def _send(self, messages: Sequence[str | bytes], *, more: bool) -> None:
        assert self._channel is not None
        with self._owner.owning(), suppress(InvalidStateError):
            sctp.send(self._channel, messages, more=more)

    def send_rest(self) -> None:
        """No more follows for now."""
        assert self._channel is not None
        with self._owner.owning():
            sctp.send_rest(self._channel)

    async def drained(self, size: int) -> tuple[int, int]:
        """Wait until there is room for so many bytes, or the end.

        Returns:
            the bytes that are buffered, and how many may be.
        """
        channel = self._channel
        assert channel is not None
        most = sctp.most_unsent(channel)
        low = max(0, min(most // 2, most - size))
        if not channel.listeners("bufferedamountlow"):
            # Not before it is needed: the event comes with nearly each message.
            channel.on("bufferedamountlow", self._low.set)
        channel.bufferedAmountLowThreshold = low
        while channel.bufferedAmount > low and not self.ended:
            self._low.clear()
            await self._low.wait()
        return 0 if self.ended else channel.bufferedAmount, sctp.most_unsent(channel)

    async def arrived(self) -> int:
        """A number that grows with what the other side has, until it has all of this channel's."""
        channel = self._channel
        if channel is None:
            return 0
        last, acknowledged = sctp.last_tsns(channel)
        if self._last_tsn is None and not channel.bufferedAmount:
            self._last_tsn = last
        return acknowledged if self._last_tsn is None else min(acknowledged, self._last_tsn)

    def close(self) -> None:
        """Begin the closing procedure: what is queued is sent first."""
        if self._channel is not None and not self.ended:
            with self._owner.owning():
                self._channel.close()


def _watch_id(channel: RTCDataChannel) -> None:
    """Have its id used again as late as can be, and have it open when its announcement is sent.

    What is sent in order after the announcement needs no answer to it (RFC 8832, section 6).
    aiortc 1.16 waits for one; it assigns the id when it sends the announcement.
    """
    set_id = channel._setId

    def set_id_and_open(id: int) -> None:  # noqa: A002
        set_id(id)
        rotate_ids(channel.transport, id)
        if channel.ordered and can("early_open"):
            channel._setReadyState("open")

    if can("streams"):
        channel._setId = set_id_and_open  # type: ignore[method-assign]


class _WireText(str):
    """A label as aiortc can send it.

    aiortc 1.16 packs ``len(label)`` as the length of the UTF-8 bytes that follow (RFC 8832,
    section 5.1), which is only right for ASCII.
    """

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.encode())
