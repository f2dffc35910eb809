"""Packets of a simulation as a capture file, with the keys of DTLS in it, that Wireshark opens.

The format is pcapng (draft-ietf-opsawg-pcapng), with an interface for each host: what it sends and
what reaches it, with the addresses that it sees.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..world import Address

if TYPE_CHECKING:
    from .network.packets import Packet, TcpSegment

_SECTION, _INTERFACE, _PACKET, _SECRETS = 0x0A0D0D0A, 1, 6, 10
_RAW_IP: Final = 101
_TLS_KEY_LOG: Final = 0x544C534B
_NAME, _RESOLUTION = 2, 9

_PROTOCOLS: Final = {"udp": 17, "tcp": 6}
_FLAGS: Final = {"F": 1, "S": 2, "R": 4, "A": 16}

BEGINNING: Final = 1_750_000_000.0
"""The time of day at which a simulation begins, in seconds since 1970."""

SCRIPT: Final = "sctp.lua"
SCTP_OVER_DTLS: Final = """\
-- SCTP is in DTLS here (RFC 8261), which Wireshark does not expect of any port.
DissectorTable.get("dtls.port"):add("1-65535", Dissector.get("sctp"))
"""


def reading(path: Path) -> str:
    """The command that shows what is in a capture file, in clear."""
    keys, script = path.with_suffix(".keys"), path.with_name(SCRIPT)
    return f"tshark -X lua_script:{script} -o tls.keylog_file:{keys} -r {path}"


class Capture:
    """Packets as each host sees them, and the keys of their connections."""

    def __init__(self) -> None:
        self._packets: list[tuple[str, float, Packet]] = []
        self._keys: list[bytes] = []

    def add(self, host: str, time: float, packet: Packet) -> None:
        """Keep a packet that a host sends or receives."""
        self._packets.append((host, time, packet))

    def add_keys(self, line: bytes) -> None:
        """Keep a line of a key log, as OpenSSL writes it."""
        self._keys.append(line)

    @property
    def key_log(self) -> str:
        """The keys, as a file for Wireshark's preference *(Pre)-Master-Secret log filename*.

        Wireshark 4.0 takes keys of DTLS from there alone, and those of TLS from captures too.
        """
        return "".join(f"{line.decode()}\n" for line in self._keys)

    def write(self, path: Path) -> None:
        """Write the capture file, and what shows it in clear: the keys and a script beside it.

        Raises:
            OSError: they cannot be written.
        """
        path.write_bytes(self.encode())
        path.with_suffix(".keys").write_text(self.key_log)
        path.with_name(SCRIPT).write_text(SCTP_OVER_DTLS)

    def encode(self) -> bytes:
        """The capture file."""
        section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        blocks = [_block(_SECTION, section)]
        hosts = list(dict.fromkeys(host for host, *_ in self._packets))
        for host in hosts:
            options = _option(_NAME, host.encode()) + _option(_RESOLUTION, b"\x06") + bytes(4)
            blocks.append(_block(_INTERFACE, struct.pack("<HHI", _RAW_IP, 0, 0) + options))
        if self._keys:
            keys = self.key_log.encode()
            blocks.append(
                _block(_SECRETS, struct.pack("<II", _TLS_KEY_LOG, len(keys)) + _padded(keys))
            )
        for host, time, packet in self._packets:
            data = _ip(packet)
            micro = round((BEGINNING + time) * 1_000_000)
            head = struct.pack(
                "<IIIII", hosts.index(host), micro >> 32, micro & 0xFFFFFFFF, len(data), len(data)
            )
            blocks.append(_block(_PACKET, head + _padded(data)))
        return b"".join(blocks)


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _option(number: int, value: bytes) -> bytes:
    return struct.pack("<HH", number, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _ip(packet: Packet) -> bytes:
    source, destination = (ip_address(a[0]) for a in (packet.source, packet.destination))
    number = _PROTOCOLS[packet.protocol]
    pseudo = source.packed + destination.packed
    if packet.segment is None:
        body = _udp(packet.source, packet.destination, packet.data, pseudo)
    else:
        body = _tcp(packet.source, packet.destination, packet.segment, pseudo)
    if source.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(body), number, 64)
        return head + pseudo + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, number, 0) + pseudo
    return head[:10] + _checksum(head).to_bytes(2) + head[12:] + body


def _udp(source: Address, destination: Address, data: bytes, pseudo: bytes) -> bytes:
    size = 8 + len(data)
    head = struct.pack("!HHHH", source[1], destination[1], size, 0)
    summed = _checksum(pseudo + struct.pack("!HH", 17, size) + head + data) or 0xFFFF
    return head[:6] + summed.to_bytes(2) + data


def _tcp(source: Address, destination: Address, segment: TcpSegment, pseudo: bytes) -> bytes:
    flags = sum(_FLAGS[flag] for flag in segment.flags)
    head = struct.pack(
        "!HHIIBBHHH", source[1], destination[1], segment.sequence & 0xFFFFFFFF,
        segment.acknowledged & 0xFFFFFFFF, 5 << 4, flags, min(segment.window, 0xFFFF), 0, 0,
    )  # fmt: skip
    size = len(head) + len(segment.data)
    summed = _checksum(pseudo + struct.pack("!HH", 6, size) + head + segment.data)
    return head[:16] + summed.to_bytes(2) + head[18:] + segment.data


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
