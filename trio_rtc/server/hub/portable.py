"""Members that go on with another server: what it needs for that. No I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Portable:
    """What another server needs to go on with a member.

    Attributes:
        key: by which it is found there, and nobody else; empty for its id.
        state: what its dialect keeps of it.
        linger_seconds: how long it stays a member when its server has gone.
    """

    key: bytes
    state: bytes
    linger_seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """A member of another server.

    Attributes:
        epoch: how often it has gone on elsewhere.
        state: see `Portable`.
    """

    id: int
    name: str
    room: str
    protocol: str
    epoch: int
    state: bytes
