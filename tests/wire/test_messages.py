from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.errors import NegotiationError
from trio_rtc.wire.messages import (
    BYE,
    Authenticate,
    Bye,
    IceCandidate,
    Message,
    SessionDescription,
    decode,
    encode,
)

CANDIDATE = "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host"


@pytest.mark.parametrize(
    "message",
    [
        SessionDescription(type="offer", sdp="v=0\r\n"),
        SessionDescription(type="answer", sdp="v=0\r\n", call="c"),
        IceCandidate(candidate=CANDIDATE, sdp_mid="0", sdp_m_line_index=0),
        IceCandidate(candidate="", sdp_mid="0", sdp_m_line_index=0, call="c"),
        Bye(),
        Bye(reason="busy", call="c"),
        Authenticate(call="c", tag="t", share="s", fingerprint="f"),
    ],
)
def test_what_is_encoded_is_decoded(message: Message) -> None:
    assert decode(encode(message)) == message


def test_the_classic_forms_on_the_wire() -> None:
    assert encode(Bye()) == BYE
    assert encode(SessionDescription(type="offer", sdp="v=0")) == b'{"type":"offer","sdp":"v=0"}'
    candidate = IceCandidate(candidate=CANDIDATE, sdp_mid="audio", sdp_m_line_index=0)
    assert encode(candidate) == (
        b'{"candidate":"' + CANDIDATE.encode() + b'","sdpMid":"audio","sdpMLineIndex":0}'
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{\n   "sdp" : "v=0",\n   "type" : "offer"\n}\n', ("offer", "v=0")),
        (b'{"type": "pranswer", "sdp": "v=0", "more": [1]}', ("pranswer", "v=0")),
    ],
)
def test_any_json_of_a_description_is_read(data: bytes, message: tuple[str, str]) -> None:
    decoded = decode(data)
    assert isinstance(decoded, SessionDescription)
    assert (decoded.type, decoded.sdp) == message


@pytest.mark.parametrize(
    "data",
    [
        b'{"candidate":"%b","sdpMid":"0","sdpMLineIndex":0}',
        b'{"candidate":{"candidate":"%b","sdpMid":"0","sdpMLineIndex":0}}',
        b'{"type":"candidate","candidate":"%b","sdpMid":"0","sdpMLineIndex":0,"x":null}',
        b'{"type":"candidate","candidate":{"candidate":"%b","sdpMid":"0","sdpMLineIndex":0}}',
    ],
)
def test_candidates_as_others_write_them(data: bytes) -> None:
    assert decode(data % CANDIDATE.encode()) == IceCandidate(
        candidate=CANDIDATE, sdp_mid="0", sdp_m_line_index=0
    )


@pytest.mark.parametrize("data", [b"BYE", b"BYE\n", b" BYE\r\n"])
def test_a_classic_hang_up(data: bytes) -> None:
    assert decode(data) == Bye()


@pytest.mark.parametrize("data", [b'{"candidate":null}', b'{"candidate":""}'])
def test_the_end_of_candidates(data: bytes) -> None:
    message = decode(data)
    assert isinstance(message, IceCandidate)
    assert message.is_end


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_message"),
        (b"hello", "bad_message"),
        (b"\xff\xfe", "bad_message"),
        (b"BYEBYE", "bad_message"),
        (b"[1, 2]", "bad_message"),
        (b"{}", "bad_message"),
        (b'{"type": 7}', "bad_message"),
        (b"[" * 100_000, "bad_message"),
        (b'{"type": "bye", "reason": 3}', "bad_message"),
        (b'{"type": "offer"}', "bad_description"),
        (b'{"type": "offer", "sdp": null}', "bad_description"),
        (b'{"type": "answer", "sdp": "v=0", "call": 1}', "bad_description"),
        (b'{"candidate": 3}', "bad_candidate"),
        (b'{"candidate": "x", "sdpMid": 0}', "bad_candidate"),
        (b'{"candidate": "x", "sdpMLineIndex": "0"}', "bad_candidate"),
        (b'{"type": "offer-loopback"}', "unknown_message"),
        (b'{"candidate": "%b"}' % (b"x" * 2049), "bad_candidate"),
        (b'{"candidate": "x", "sdpMid": "%b"}' % (b"x" * 257), "bad_candidate"),
        (b'{"candidate": "x", "usernameFragment": "%b"}' % (b"x" * 257), "bad_candidate"),
        (b'{"type": "offer", "sdp": "v=0", "call": "%b"}' % (b"x" * 257), "bad_description"),
        (b'{"type": "authenticate", "call": "c"}', "bad_authenticate"),
        (b'{"type": "bye", "call": "%b"}' % (b"x" * 257), "bad_message"),
    ],
)
def test_bad_messages_have_a_code(data: bytes, code: str) -> None:
    with pytest.raises(NegotiationError) as caught:
        decode(data)
    assert caught.value.code == code
    assert caught.value.fault == "remote"


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_message_or_the_typed_error(data: bytes) -> None:
    codes = {"bad_message", "bad_description", "bad_candidate", "unknown_message"}
    try:
        decode(data)
    except NegotiationError as error:
        code = error.code
    else:
        return
    assert code in codes
