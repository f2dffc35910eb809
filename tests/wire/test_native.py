"""Messages of ``trio-rtc.v1`` on the wire, and what is none of them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from trio_rtc.wire.native import (
    NATIVE,
    BadMessage,
    Message,
    Send,
    UnknownType,
    content,
    decode_from_client,
    decode_from_server,
    encode,
    told_protocol,
)

Decoder = Callable[[str], object]

DECODERS: list[Decoder] = [decode_from_client, decode_from_server]


def test_a_message_has_a_direction() -> None:
    sent = b'{"type":"send","seq":1,"to":2,"data":"hello"}'
    assert decode_from_client(sent.decode()) == Send(seq=1, to=2, data="hello")
    assert json.loads(encode(Send(seq=1, to=2, data="hello"))) == json.loads(sent)
    come = b'{"type":"message","seq":3,"from":2,"data64":"/w=="}'
    assert decode_from_server(come.decode()) == Message(seq=3, from_=2, data64=b"\xff")
    assert json.loads(encode(Message(seq=3, from_=2, data64=b"\xff"))) == json.loads(come)
    with pytest.raises(UnknownType, match="no message has the type 'message'"):
        decode_from_client(come.decode())
    with pytest.raises(UnknownType, match="no message has the type 'send'"):
        decode_from_server(sent.decode())


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "{}",
        '{"type": 7}',
        '{"type": "pong"',
        "[" * 100_000,
        '{"type": "\ud800"}',
    ],
)
def test_what_has_no_type_is_no_message(decode: Decoder, text: str) -> None:
    with pytest.raises(BadMessage, match=r"this is no message of trio-rtc\.v1: ") as caught:
        decode(text)
    assert not isinstance(caught.value, UnknownType)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("decode", DECODERS)
def test_a_type_that_nobody_knows_is_told_of_in_short(decode: Decoder) -> None:
    with pytest.raises(UnknownType) as caught:
        decode('{"type": "%s"}' % ("x" * 1000))
    assert str(caught.value) == f"no message has the type '{'x' * 40}'"


@pytest.mark.parametrize("text", ['{"type": "ack"}', '{"type": "ack", "received": -1}'])
def test_a_field_that_is_missing_or_wrong(text: str) -> None:
    with pytest.raises(BadMessage, match="received"):
        decode_from_client(text)
    with pytest.raises(BadMessage, match="received"):
        decode_from_server(text)


def test_the_bytes_of_a_message() -> None:
    assert Send(seq=1, to=2, data="é").body == "é".encode()
    assert Message(seq=1, from_=2, data64=b"\xff").body == b"\xff"
    assert Send(seq=1, to=2, data="").body == Send(seq=1, to=2, data64=b"").body == b""
    with pytest.raises(ValueError, match="either data or data64 is needed"):
        Send(seq=1, to=2)
    with pytest.raises(ValueError, match="either data or data64 is needed"):
        Send(seq=1, to=2, data="x", data64=b"x")


def test_bytes_that_are_no_text_travel_otherwise() -> None:
    assert content("é".encode()) == ("é", None)
    assert content(b"\xff") == (None, b"\xff")


def test_how_a_peer_speaks_as_others_are_told() -> None:
    told = {protocol: told_protocol(protocol) for protocol in ("", NATIVE, "classic")}
    assert told == {"": NATIVE, NATIVE: NATIVE, "classic": "classic"}
