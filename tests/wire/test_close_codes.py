"""One list of close codes: what each means to the clients, in Python and in the page.

``tests/data/vectors/close_codes.json`` has the code of the error with which a client ends after a
close; null where it connects again. A PeerJS client goes by what the server has said before, too:
nothing yet, or that there is an error.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import CloseCode as Standard

from tests.node import NODE
from trio_rtc.peerjs.acceptance import Acceptance
from trio_rtc.wire import peerjs
from trio_rtc.wire.close_codes import FINAL, REASONS, CloseCode

ROOT = Path(__file__).parent.parent.parent
VECTORS: list[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "data" / "vectors" / "close_codes.json").read_text()
)
CODES = {value for name, value in vars(CloseCode).items() if name.isupper()}

FOR_THE_PAGE = """
import { readFileSync } from "node:fs";
const source = readFileSync(process.argv[1], "utf8");
const { FINAL } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
const codes = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(codes.map((code) => FINAL[code] ?? null)));
"""


def peerjs_end(code: int, message: peerjs.Envelope | None) -> str | None:
    acceptance = Acceptance(may_be_silent=False)
    if message is not None:
        acceptance.receive(message)
    end = acceptance.closed(code, "")
    return end.code if end.final else None


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["code"]))
def test_what_a_close_means(vector: dict[str, Any]) -> None:
    code = vector["code"]
    assert vector == {
        "code": code,
        "reason": REASONS.get(code),
        "native": FINAL.get(code),
        "peerjs": peerjs_end(code, peerjs.Envelope(type="OPEN")),
        "peerjs, unanswered": peerjs_end(code, None),
        "peerjs, after an error": peerjs_end(code, peerjs.Envelope(type="ERROR")),
    }


def test_the_page_says_the_same() -> None:
    if NODE is None and "CI" not in os.environ:
        pytest.skip("Node is not installed")
    script = ["--input-type=module", "--eval", FOR_THE_PAGE]
    done = subprocess.run(
        [str(NODE), *script, str(ROOT / "trio_rtc" / "page" / "closes.js")],
        input=json.dumps([vector["code"] for vector in VECTORS]),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == [vector["native"] for vector in VECTORS]


def test_there_is_a_vector_for_each() -> None:
    assert {vector["code"] for vector in VECTORS} >= CODES
    # What others call them (RFC 6455, section 7.4.1) is what they are here.
    assert {code for code in CODES if code < 4000} <= set(Standard)
