"""Link to a member: a connection over which it is reached, whatever is spoken on it."""

from __future__ import annotations

from typing import Protocol

from ...wire.rate import TokenBucket
from ..scheduling.flush_batches import Flushable


class MemberLink(Flushable, Protocol):
    """A connection that is open, or was."""

    bucket: TokenBucket

    @property
    def is_open(self) -> bool: ...
    def send(self, message: bytes) -> None: ...
    def close(self, code: int, reason: str) -> None: ...
    def fail(self, code: int, reason: str) -> None: ...
