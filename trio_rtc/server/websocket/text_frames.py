"""Text frames of one piece (RFC 6455, section 5.2), past the parser of frames. No I/O.

Nearly all that travels is such texts. `websockets` takes each frame apart in generators and
makes objects of it, which is a third of what a message costs a server. Whatever else a client
sends is left to it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

#: The first byte of a frame that is a whole text.
_TEXT: Final = 0x81
#: Those of close, ping and pong, which may come between texts.
_CONTROL: Final = range(0x88, 0x8B)
_MASKED: Final = 0x80

_pack_medium = struct.Struct("!BBH").pack


class TextFrames:
    """Cuts what a client sends into whole frames, for as long as these are texts or control frames.

    From the first other one on, everything is for the parser, which until then is never in the
    middle of a frame.

    Args:
        longest: above this many bytes a text is for the parser to refuse.

    Attributes:
        rest: what has come of a frame that is not whole.
        to_parser: whether what comes now is all for the parser.
    """

    __slots__ = ("_longest", "rest", "to_parser")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self.rest = bytearray()
        self.to_parser = False

    def cut(self, data: bytes) -> list[tuple[bool, bytes]]:
        """Take in what has come; give what is whole, in order.

        Returns:
            Pairs: true and a text, which may be no UTF-8, or false and bytes for the parser.
        """
        if self.to_parser:
            return [(False, data)]
        came: bytes | bytearray = data
        if self.rest:
            self.rest += data
            came = self.rest
        found: list[tuple[bool, bytes]] = []
        start, end = 0, len(came)
        while end - start >= 2:
            first, size, mask = came[start], came[start + 1] - _MASKED, start + 2
            if size == 126:
                size, mask = int.from_bytes(came[mask : mask + 2]), mask + 2
            elif size == 127:
                size, mask = int.from_bytes(came[mask : mask + 8]), mask + 8
            if not 0 <= size <= self._longest or not (first == _TEXT or first in _CONTROL):
                self.to_parser = True
                found.append((False, bytes(came[start:])))
                start = end
                break
            stop = mask + 4 + size
            if stop > end:
                break
            if first == _TEXT:
                found.append((True, apply_mask(came[mask + 4 : stop], came[mask : mask + 4])))
            else:
                found.append((False, bytes(came[start:stop])))
            start = stop
        if came is self.rest:
            del self.rest[:start]
        elif start < end:
            self.rest += came[start:]
        return found


def text_frame(text: bytes) -> bytes:
    """A text as a server sends it."""
    return text_header(len(text)) + text


def text_frames(texts: Sequence[bytes]) -> bytes:
    """Texts as a server sends them."""
    if len(texts) == 1:
        return text_header(len(texts[0])) + texts[0]
    return b"".join([piece for text in texts for piece in (text_header(len(text)), text)])


def text_header(size: int) -> bytes:
    """What comes before a text of so many bytes."""
    if size < 126:
        return bytes((_TEXT, size))
    if size < 2**16:
        return _pack_medium(_TEXT, 126, size)
    return bytes((_TEXT, 127)) + size.to_bytes(8)
