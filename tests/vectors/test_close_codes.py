"""One list of close codes: what each means to the clients, in Python and in the page.

A vector has the code of the error with which a client ends after a close; null where it connects
again. A PeerJS client goes by what the server has said before, too: that it is open, nothing yet,
or that there is an error.
"""

from __future__ import annotations

from typing import Any

import pytest
from websockets.frames import CloseCode as Standard

from trio_rtc.peerjs.acceptance import Acceptance
from trio_rtc.wire import peerjs
from trio_rtc.wire.close_codes import FINAL, REASONS, CloseCode

from .exam import in_javascript, vectors

VECTORS: list[dict[str, Any]] = vectors("close_codes")
CODES = {value for name, value in vars(CloseCode).items() if name.isupper()}


def peerjs_end(code: int, message: peerjs.Envelope | None) -> str | None:
    acceptance = Acceptance(may_be_silent=False)
    if message is not None:
        acceptance.receive(message)
    end = acceptance.closed(code, "")
    return end.code if end.final else None


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["code"]))
def test_in_python(vector: dict[str, Any]) -> None:
    code = vector["code"]
    assert vector == {
        "code": code,
        "reason": REASONS.get(code),
        "native": FINAL.get(code),
        "peerjs": peerjs_end(code, peerjs.Envelope(type="OPEN")),
        "peerjs, unanswered": peerjs_end(code, None),
        "peerjs, after an error": peerjs_end(code, peerjs.Envelope(type="ERROR")),
    }


def test_in_javascript() -> None:
    assert in_javascript("close_codes", VECTORS) == [vector["native"] for vector in VECTORS]


def test_there_is_a_vector_for_each() -> None:
    assert {vector["code"] for vector in VECTORS} >= CODES
    # What others call them (RFC 6455, section 7.4.1) is what they are here.
    assert {code for code in CODES if code < 4000} <= set(Standard)
