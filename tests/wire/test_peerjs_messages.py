"""PeerJS's messages, its ids, and the query of its address."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from trio_rtc.errors import NegotiationError
from trio_rtc.wire import peerjs as wire


@pytest.mark.parametrize("id_", ["a", "a1", "A b", "a_b-c", "a" * wire.MAX_ID])
def test_ids(id_: str) -> None:
    assert wire.is_valid_id(id_)


@pytest.mark.parametrize("id_", ["", " ", "a ", "-a", "a--b", "é", "a\n", "a" * (wire.MAX_ID + 1)])
def test_what_is_no_id(id_: str) -> None:
    assert not wire.is_valid_id(id_)


def test_the_query_of_an_address() -> None:
    query = wire.query("peerjs", "a b", "x+y&z/é")
    assert "+" not in query
    assert parse_qs(query) == {
        "key": ["peerjs"],
        "id": ["a b"],
        "token": ["x+y&z/é"],
        "version": [wire.CLIENT_VERSION],
    }


def test_a_message_has_the_payload_of_another() -> None:
    given = wire.encode("ERROR", payload=wire.ErrorPayload("no"))
    assert given == b'{"type":"ERROR","payload":{"msg":"no"}}'
    read = wire.decode(given)
    assert wire.decode_payload(read, wire.ErrorPayload) == wire.ErrorPayload("no")
    assert wire.encode("ERROR", src="a", dst="b", payload=read.payload) == (
        b'{"type":"ERROR","src":"a","dst":"b","payload":{"msg":"no"}}'
    )
    assert wire.encode("OPEN") == b'{"type":"OPEN"}'
    assert wire.decode(b'{"type":"OPEN"}').payload is msgspec.UNSET


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"type":"OPEN"}', wire.Addressed),
        ('{"type":"OFFER","payload":{}}', wire.Addressed),
        ('{"type":"OFFER","payload":{"connectionId":7}}', wire.Addressed),
        ('{"type":"ANSWER","payload":{"connectionId":"x","type":"data"}}', wire.AnswerPayload),
    ],
)
def test_a_payload_that_is_none(text: str, kind: type[msgspec.Struct]) -> None:
    with pytest.raises(NegotiationError) as caught:
        wire.decode_payload(wire.decode(text), kind)
    assert caught.value.code == "bad_message"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"type": 7}', '{"type": "A", "dst": 7}'])
def test_a_message_that_is_none(text: str) -> None:
    with pytest.raises(NegotiationError) as caught:
        wire.decode(text)
    assert caught.value.code == "bad_message"


def test_an_address_that_is_too_long() -> None:
    longest = "a" * wire.MAX_ADDRESS
    assert wire.decode(f'{{"type":"LEAVE","dst":"{longest}"}}').dst == longest
    with pytest.raises(NegotiationError, match="no message of PeerJS"):
        wire.decode(f'{{"type":"LEAVE","dst":"{longest}a"}}')


@pytest.mark.parametrize("payload", [wire.OfferPayload, wire.AnswerPayload, wire.CandidatePayload])
def test_the_id_of_a_connection_that_is_too_long(payload: type[Any]) -> None:
    body = {
        "sdp": {"type": "offer", "sdp": "v=0"},
        "candidate": {"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0},
        "type": "data",
    }

    def envelope(connection: str) -> wire.Envelope:
        fields = {"type": "OFFER", "dst": "x", "payload": body | {"connectionId": connection}}
        return wire.decode(json.dumps(fields))

    longest = "c" * wire.MAX_ID
    assert wire.decode_payload(envelope(longest), payload).connection_id == longest
    with pytest.raises(NegotiationError):
        wire.decode_payload(envelope(longest + "c"), payload)
