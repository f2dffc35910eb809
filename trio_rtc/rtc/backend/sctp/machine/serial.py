"""Serial numbers (RFC 1982) of 32 bits, as ints that do not wrap."""

from __future__ import annotations


def on_wire(number: int) -> int:
    """The 32 bits of it that travel."""
    return number & 0xFFFFFFFF


def unwrap(bits: int, near: int) -> int:
    """The number nearest to another that has these low 32 bits."""
    return near + ((bits - near + 0x80000000) & 0xFFFFFFFF) - 0x80000000
