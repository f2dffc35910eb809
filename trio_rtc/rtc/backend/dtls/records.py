"""Records of DTLS: their sizes (RFC 6347, section 4.1). No I/O."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 16 * 1024
"""Bytes that a record carries at most."""

EXPANSION: Final = 13 + 1024
"""Bytes that its header and a cipher may add to that (section 4.1.2.1)."""
