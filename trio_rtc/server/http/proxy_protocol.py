"""The PROXY protocol, versions 1 and 2: what a proxy says of its client before all else."""

from __future__ import annotations

import ipaddress
from typing import Final

import trio

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""How version 2 begins."""

LONGEST_LINE: Final = 107
"""Of version 1, with its end."""

LONGEST_BLOCK: Final = 4096
"""Of version 2, what follows its first 16 bytes: addresses, and what is passed over here."""

_ADDRESS_BYTES: Final = {1: 4, 2: 16}


class NoProxyHeader(Exception):
    """A connection does not begin with a header of this protocol."""


async def read_client_address(stream: trio.abc.ReceiveStream) -> str | None:
    """Read the header, and not a byte more; gives the address that it tells of.

    None if it tells of none: the proxy speaks for itself, or does not know.

    Raises:
        NoProxyHeader: it is none.
        trio.BrokenResourceError: the connection has broken.
    """
    begin = await _exactly(stream, len(SIGNATURE))
    if begin == SIGNATURE:
        head = await _exactly(stream, 4)
        size = int.from_bytes(head[2:], "big")
        if size > LONGEST_BLOCK:
            raise NoProxyHeader("it is too long")
        return parse_block(head[0], head[1], await _exactly(stream, size))
    if not begin.startswith(b"PROXY "):
        raise NoProxyHeader("it begins otherwise")
    line = begin
    while not line.endswith(b"\r\n"):
        if len(line) == LONGEST_LINE:
            raise NoProxyHeader("its line is too long")
        line += await _exactly(stream, 1)
    return parse_line(line)


def parse_line(line: bytes) -> str | None:
    """What a header of version 1 says, as a whole line.

    Raises:
        NoProxyHeader: it is none.
    """
    words = line.removesuffix(b"\r\n").decode("latin-1").split(" ")
    if words[:2] == ["PROXY", "UNKNOWN"]:
        return None
    versions = {"TCP4": 4, "TCP6": 6}
    if len(words) != 6 or words[1] not in versions:
        raise NoProxyHeader("its line is malformed")
    try:
        address = ipaddress.ip_address(words[2])
    except ValueError:
        raise NoProxyHeader("its address is none") from None
    if address.version != versions[words[1]]:
        raise NoProxyHeader("its address is of another kind")
    return str(address)


def parse_block(version_and_command: int, family: int, block: bytes) -> str | None:
    """What a header of version 2 says, by its 13th and 14th byte and what follows the 16th.

    Raises:
        NoProxyHeader: it is none.
    """
    version, command = version_and_command >> 4, version_and_command & 0xF
    if version != 2 or command > 1:
        raise NoProxyHeader("it is of another version")
    size = _ADDRESS_BYTES.get(family >> 4)
    if command == 0 or size is None:
        # The proxy asks for itself, about our health perhaps; or the client has no IP address.
        return None
    if len(block) < 2 * size + 4:
        raise NoProxyHeader("its addresses are cut off")
    return str(ipaddress.ip_address(block[:size]))


async def _exactly(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = await stream.receive_some(size - len(data))
        if not part:
            raise NoProxyHeader("it is cut off")
        data += part
    return data
