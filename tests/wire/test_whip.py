"""SDP fragments and links, as WHIP and WHEP have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.errors import NegotiationError
from trio_rtc.wire.messages import IceCandidate
from trio_rtc.wire.whip import (
    MAX_CANDIDATES,
    Fragment,
    IceLink,
    format_fragment,
    format_links,
    parse_fragment,
    parse_links,
)

UFRAG = "EsAw"
PASSWORD = "P2uYro0UCOQ4zxjKXaWCBui1"
HOST = "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw"
OTHER = "candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host"
CREDENTIALS = f"a=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PASSWORD}\r\n"


def candidate(line: str, mid: str = "0") -> IceCandidate:
    return IceCandidate(candidate=line, sdp_mid=mid, username_fragment=UFRAG)


def test_a_fragment_as_the_rfc_has_it() -> None:
    text = (
        f"{CREDENTIALS}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na={HOST}\r\na={OTHER}\r\n"
        "a=end-of-candidates\r\n"
    )
    fragment = Fragment(UFRAG, PASSWORD, [candidate(HOST), candidate(OTHER), candidate("")])
    assert parse_fragment(text) == fragment
    assert format_fragment(fragment) == text


@pytest.mark.parametrize(
    "text",
    [
        # Credentials in a media section, line feeds only, a group, what is not known.
        f"a=group:BUNDLE 0 1\nm=video 9 RTP/AVP 0\na=mid:0\na=ice-ufrag:{UFRAG}\n"
        f"a=ice-pwd:{PASSWORD}\na={HOST}\n",
        f"{CREDENTIALS}a={HOST}\r\na=ice-options:trickle\r\nb=AS:5\r\n",
        f"{CREDENTIALS}\r\na=mid:0\r\na={HOST}",
        # The first credentials count.
        f"{CREDENTIALS}a=mid:0\r\na=ice-ufrag:otherone\r\na={HOST}\r\n",
    ],
)
def test_what_others_write(text: str) -> None:
    assert parse_fragment(text) == Fragment(UFRAG, PASSWORD, [candidate(HOST)])


def test_candidates_of_several_sections_are_told_apart() -> None:
    fragment = Fragment(UFRAG, PASSWORD, [candidate(HOST, "video"), candidate(OTHER, "1")])
    assert parse_fragment(format_fragment(fragment)) == fragment


def test_the_longest_candidate_and_the_longest_id() -> None:
    line = f"candidate:{'x' * 2038}"
    mid = "y" * 256
    text = f"{CREDENTIALS}a=mid:{mid}\r\na={line}\r\n"
    assert parse_fragment(text) == Fragment(UFRAG, PASSWORD, [candidate(line, mid)])
    for longer in (text.replace(mid, f"{mid}y"), text.replace(line, f"{line}x")):
        with pytest.raises(NegotiationError, match="a candidate that is too long"):
            parse_fragment(longer)


def test_a_restart_has_no_candidates_yet() -> None:
    assert parse_fragment(CREDENTIALS) == Fragment(UFRAG, PASSWORD, [])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no ICE credentials"),
        (f"a={HOST}\r\n", "no ICE credentials"),
        (f"a=ice-ufrag:{UFRAG}\r\n", "no ICE credentials"),
        (f"a=ice-ufrag:abc\r\na=ice-pwd:{PASSWORD}\r\n", "no ICE credentials"),
        (f"a=ice-ufrag:{UFRAG}\r\na=ice-pwd:short\r\n", "no ICE credentials"),
        (f"a=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PASSWORD}é\r\n", "no ICE credentials"),
        (f"a=ice-ufrag:{'x' * 257}\r\na=ice-pwd:{PASSWORD}\r\n", "no ICE credentials"),
        (f"{CREDENTIALS}hello\r\n", "no SDP: 'hello'"),
        (CREDENTIALS + f"a={HOST}\r\n" * (MAX_CANDIDATES + 1), "more than 256"),
        (f"{CREDENTIALS}a=candidate:{'x' * 2048}\r\n", "too long"),
        (f"{CREDENTIALS}a=mid:{'x' * 257}\r\na={HOST}\r\n", "too long"),
    ],
)
def test_what_is_no_fragment(text: str, what: str) -> None:
    with pytest.raises(NegotiationError, match=what) as caught:
        parse_fragment(text)
    assert caught.value.code == "bad_candidate"


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        fragment = parse_fragment(text)
    except NegotiationError:
        return
    assert parse_fragment(format_fragment(fragment)).ufrag == fragment.ufrag


def test_links_as_the_rfc_has_them() -> None:
    value = (
        '<stun:stun.example.net>; rel="ice-server", '
        '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; '
        'credential="myPassword"; credential-type="password"'
    )
    links = [
        IceLink("stun:stun.example.net"),
        IceLink("turn:turn.example.net?transport=udp", "user", "myPassword"),
    ]
    assert parse_links(value) == links
    assert format_links(links) == value
    assert format_links([]) == ""


@pytest.mark.parametrize(("username", "credential"), [("user", None), (None, "word")])
def test_half_of_the_credentials_are_none(username: str | None, credential: str | None) -> None:
    link = IceLink("turn:turn.example.net", username, credential)
    assert format_links([link]) == '<turn:turn.example.net>; rel="ice-server"'


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", []),
        ("nonsense", []),
        ('<https://example.net/x>; rel="next"', []),
        ("<stun:a>", []),
        ('<stun:a>;rel=ice-server,<x>; rel="help", <stun:b> ; REL = "other ICE-server"', "ab"),
        ('<stun:a>; rel="ice-server"; flag, , <stun:b>; title="a, b; c"; rel="ice-server"', "ab"),
        ('<stun:a>; rel="ice-server"; username="unfinished', "a"),
        ('<stun:a>; rel="next"; rel="ice-server"', []),
    ],
)
def test_links_as_others_write_them(value: str, found: str) -> None:
    assert [link.url for link in parse_links(value)] == [f"stun:{name}" for name in found]


@given(st.text(), st.text(), st.text(alphabet=st.characters(exclude_characters="<>\r\n")))
def test_credentials_of_any_characters(username: str, credential: str, host: str) -> None:
    links = [IceLink(f"turn:{host}", username, credential), IceLink("stun:x")]
    assert parse_links(format_links(links)) == links


@given(st.text(alphabet='<>;,="\\ abrel-icsv\n'))
def test_any_value_is_read(value: str) -> None:
    parse_links(value)
