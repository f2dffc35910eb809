"""Messages that are to be sent, and the chunks they become: DATA (RFC 9260, section 3.3.1), or
I-DATA, which may be between each other (RFC 8260, section 2.1).
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final, NamedTuple

from .serial import on_wire

DATA: Final = 0
FORWARD_TSN: Final = 192
DATA_HEADER: Final = Struct("!BBHLHHL")
I_DATA: Final = 64
I_FORWARD_TSN: Final = 194
I_DATA_HEADER: Final = Struct("!BBHLHHLL")

LAST: Final = 0x01
FIRST: Final = 0x02
UNORDERED: Final = 0x04

_PADDING: Final = (b"", bytes(3), bytes(2), bytes(1))

PACKET_COST: Final = 12 + 77
"""Bytes that each packet costs a path beside its chunks: the header of SCTP, DTLS, UDP and IP.
They are counted with the first chunk: a window of 1-byte messages would be thousands of packets."""


class UserMessage:
    """A user message.

    Args:
        expires: when it is given up, if it is (RFC 7496, section 3.1).
        max_retransmits: how often a chunk of it is sent again before it is given up.
        owner: whatever the caller wants to find here again.

    Attributes:
        sequence: its number in its stream, once something of it has been sent.
        position: bytes of it that have become chunks.
        fragments: how many chunks those are.
        tsns: of its chunks, if it may be given up.
        is_abandoned: whether it has been given up.
    """

    __slots__ = (
        *("data", "expires", "fragments", "is_abandoned", "max_retransmits", "position"),
        *("ordered", "owner", "protocol", "sequence", "stream", "tsns"),
    )

    def __init__(
        self,
        stream: int,
        protocol: int,
        data: bytes,
        *,
        ordered: bool = True,
        expires: float | None = None,
        max_retransmits: int | None = None,
        owner: Any = None,
    ):
        self.stream = stream
        self.protocol = protocol
        self.data = data
        self.ordered = ordered
        self.expires = expires
        self.max_retransmits = max_retransmits
        self.owner = owner
        self.sequence = 0
        self.position = 0
        self.fragments = 0
        self.is_abandoned = False
        reliable = expires is None and max_retransmits is None
        self.tsns: list[int] | None = None if reliable else []


class Snapshot(NamedTuple):
    """What was delivered when a chunk was sent (draft-cheng-iccrg-delivery-rate-estimation)."""

    delivered: int
    delivered_at: float
    first_sent_at: float
    app_limited: bool


IN_FLIGHT, LOST, ACKNOWLEDGED, ABANDONED = range(4)
"""What a chunk is, as far as its sender knows."""


class OutboundChunk:
    """A chunk of a message, DATA or I-DATA, that has a TSN.

    Attributes:
        wire: its bytes, padded.
        size: what it costs of a window.
        order: the number of its last transmission, of all that there were.
        transmissions: how often it was sent.
    """

    __slots__ = (
        *("is_last", "message", "order", "sent_at", "size", "snapshot", "state", "transmissions"),
        *("tsn", "wire"),
    )

    snapshot: Snapshot

    def __init__(self, tsn: int, message: UserMessage, length: int, *, interleaved: bool = False):
        offset = message.position
        data = message.data
        end = offset + length
        self.is_last = end >= len(data)
        flags = (
            (FIRST if offset == 0 else 0)
            | (LAST if self.is_last else 0)
            | (0 if message.ordered else UNORDERED)
        )
        if interleaved:
            header = I_DATA_HEADER.pack(
                *(I_DATA, flags, I_DATA_HEADER.size + length, on_wire(tsn), message.stream, 0),
                message.sequence,
                # The first has the protocol, and is number 0.
                message.fragments if offset else message.protocol,
            )
        else:
            header = DATA_HEADER.pack(
                DATA,
                flags,
                DATA_HEADER.size + length,
                on_wire(tsn),
                message.stream,
                message.sequence,
                message.protocol,
            )
        body = data if length == len(data) else data[offset:end]
        self.wire = b"".join((header, body, _PADDING[length & 3]))
        message.position = end
        message.fragments += 1
        if message.tsns is not None:
            message.tsns.append(tsn)
        self.tsn = tsn
        self.message = message
        self.size = len(self.wire)
        self.state = IN_FLIGHT
        self.order = 0
        self.sent_at = 0.0
        self.transmissions = 0
