"""Extension negotiation between two peers of ours, in attributes of SDP that others ignore.

An offer tells what we can do; an answer tells it only to an offer that did. So both sides know
before the first packet, or neither does. RFC 8866, section 5.13: unknown attributes are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 1024 * 1024
"""Bytes, `framing.cost` included, that we keep for a reader of one channel."""

MAX_MESSAGE_SIZE: Final = 64 * 1024 * 1024
"""Bytes that one message between peers of ours may have."""

_SMALLEST_WINDOW: Final = 256 * 1024
_ATTRIBUTE: Final = "x-trio-rtc-channels"
_LINE: Final = re.compile(
    rf"^a={_ATTRIBUTE}:1 (\d{{1,15}}) (\d{{1,15}})(?: (\d{{1,15}}))?\s*$", re.MULTILINE
)
#: Of its own: peers of 0.2 read no more numbers in the other line.
_GROWS: Final = re.compile(rf"^a={_ATTRIBUTE}-grow\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ChannelExtension:
    """What a peer of ours takes, on every channel of a connection.

    Attributes:
        window: bytes that may be on their way to it, or unread there.
        max_message_size: bytes of one message, however it is split.
        max_packet_size: bytes of one SCTP packet, if the path carries them; 0 if it has not told.
        grows: whether it may keep more than the window when that holds us up.
    """

    window: int
    max_message_size: int
    max_packet_size: int = 0
    grows: bool = False


OURS: Final = ChannelExtension(WINDOW, MAX_MESSAGE_SIZE, grows=True)


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """What the other side takes.

    Attributes:
        max_message_size: bytes of one SCTP user message (RFC 8841, section 6).
        extension: there if the other side is one of ours.
    """

    max_message_size: float
    extension: ChannelExtension | None = None


def with_extension(sdp: str, max_packet_size: int) -> str:
    """A local description that tells of ours."""
    line = f"a={_ATTRIBUTE}:1 {OURS.window} {OURS.max_message_size} {max_packet_size}\r\n"
    line += f"a={_ATTRIBUTE}-grow\r\n"
    before, media, after = sdp.partition("m=")
    return f"{before}{line}{media}{after}"


def find_extension(sdp: str) -> ChannelExtension | None:
    """What a remote description tells of it, if anything, as far as we make use of it."""
    session = sdp.partition("\nm=")[0]
    match = _LINE.search(session)
    if match is None or int(match[1]) < _SMALLEST_WINDOW or not int(match[2]):
        return None
    return ChannelExtension(
        min(int(match[1]), OURS.window),
        min(int(match[2]), OURS.max_message_size),
        int(match[3] or 0),
        grows=_GROWS.search(session) is not None,
    )
