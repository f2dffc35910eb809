"""What peers send each other, as Python and the page read it: messages of a call, or none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from trio_rtc.errors import NegotiationError
from trio_rtc.wire.messages import (
    Authenticate,
    Bye,
    IceCandidate,
    SessionDescription,
    decode,
    is_of_call,
)

from .exam import in_javascript, vectors

VECTORS: list[dict[str, Any]] = vectors("messages")
NAMES = [vector["name"] for vector in VECTORS]


def in_full(data: bytes) -> dict[str, Any]:
    """A message with all its fields, as a script of the page has it."""
    message = decode(data)
    fields = msgspec.structs.asdict(message)
    match message:
        case SessionDescription(share=share):
            return fields if share else {k: v for k, v in fields.items() if k != "share"}
        case Authenticate():
            return {"type": "authenticate", **fields}
        case Bye():
            return {"type": "bye", **fields}
        case IceCandidate():
            names = {field.name: field.encode_name for field in msgspec.structs.fields(message)}
            return {names[name]: value for name, value in fields.items()}


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_in_python(vector: dict[str, Any]) -> None:
    data = vector["data"].encode()
    if "refused" in vector:
        with pytest.raises(NegotiationError) as caught:
            decode(data)
        assert caught.value.code == vector["refused"]
        assert is_of_call(data) == (vector["refused"] not in ("bad_message", "unknown_message"))
    else:
        assert in_full(data) == vector["message"]
        assert is_of_call(data)


def test_in_javascript() -> None:
    read = in_javascript("messages", VECTORS)
    assert dict(zip(NAMES, read, strict=True)) == {
        vector["name"]: vector.get("message") for vector in VECTORS
    }
