"""Session descriptions of WHIP and WHEP, read and written by value."""

from __future__ import annotations

import pytest

from trio_rtc.errors import NegotiationError
from trio_rtc.wire.messages import IceCandidate
from trio_rtc.wire.whip_sdp import (
    candidates_of,
    check_offer,
    credentials_of,
    with_candidates,
    with_credentials,
)

AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\n"
VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\n"
CREDENTIALS = "a=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n"
DTLS = "a=fingerprint:sha-256 AA\r\na=setup:actpass\r\n"
SESSION = "v=0\r\no=- 17 2 IN IP4 127.0.0.1\r\ns=-\r\n"
OFFER = f"{SESSION}{AUDIO}{CREDENTIALS}{DTLS}{VIDEO}{CREDENTIALS}{DTLS}"

HOST = "candidate:1 1 udp 1 192.0.2.1 5000 typ host"
OTHER = "candidate:2 1 udp 2 192.0.2.2 5001 typ host"


@pytest.mark.parametrize(
    "offer",
    [
        OFFER,
        OFFER.replace("\r\n", "\n"),
        OFFER.replace("actpass", "active"),
        OFFER.replace("actpass", "passive"),
        OFFER.replace(VIDEO, ""),
        OFFER.replace(AUDIO, ""),
    ],
)
def test_an_offer(offer: str) -> None:
    check_offer(offer)
    assert credentials_of(offer) == ("abcd", "secret")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is no SDP: it does not begin with v=0"),
        (OFFER.removeprefix("v=0\r\n"), "is no SDP: it does not begin with v=0"),
        (OFFER.replace("m=audio", "m=text").replace("m=video", "m=application"), "has no section"),
        (OFFER.replace("a=fingerprint", "a=print"), "has no fingerprint: only DTLS is spoken"),
        (OFFER.replace("a=setup:actpass", "a=setup:holdconn"), "has no a=setup"),
        (OFFER.replace("a=ice-ufrag", "a=x"), "has no ICE credentials"),
        (OFFER.replace("a=ice-pwd", "a=x"), "has no ICE credentials"),
        (OFFER.replace("a=ice-pwd:secret", "a=ice-pwd:two words"), "has no ICE credentials"),
    ],
)
def test_what_is_no_offer(text: str, what: str) -> None:
    with pytest.raises(NegotiationError, match=f"^the offer {what}") as caught:
        check_offer(text)
    assert caught.value.code == "bad_description"


def test_a_restart_has_other_credentials_the_next_version_and_no_candidates() -> None:
    before = OFFER.replace("s=-\r\n", f"s=-\r\na={HOST}\r\n") + "a=end-of-candidates\r\n"
    assert with_credentials(before, "efgh", "word") == (
        OFFER.replace("o=- 17 2 ", "o=- 17 3 ").replace("abcd", "efgh").replace("secret", "word")
    )
    # Lines may end as they like, and an origin that has no version gets none.
    assert with_credentials("o=- x y\n\ns=-\n", "e", "w") == "o=- x y\r\ns=-\r\n"
    assert with_credentials("o=- 17\ns=-", "e", "w") == "o=- 17\r\ns=-\r\n"
    assert with_credentials("o=- 17 9", "e", "w") == "o=- 17 10\r\n"


def test_candidates_stand_at_the_end_of_their_sections() -> None:
    audio, video = f"{AUDIO}{CREDENTIALS}", f"{VIDEO}{CREDENTIALS}"
    found = with_candidates(
        f"{SESSION}{audio}{video}".replace("\r\n", "\n"),
        [
            IceCandidate(candidate=HOST, sdp_mid="v"),
            IceCandidate(candidate=HOST, sdp_m_line_index=0),
            IceCandidate(candidate=OTHER),
            IceCandidate(candidate=OTHER, sdp_m_line_index=1),
            # There already; of a section that is not; and told by an id that none has.
            IceCandidate(candidate=HOST, sdp_mid="v", sdp_m_line_index=0),
            IceCandidate(candidate=OTHER, sdp_m_line_index=2),
            IceCandidate(candidate="", sdp_mid="x", sdp_m_line_index=1),
        ],
    )
    assert found == (
        f"{SESSION}{audio}a={HOST}\r\na={OTHER}\r\n"
        f"{video}a={HOST}\r\na={OTHER}\r\na=end-of-candidates\r\n"
    )
    assert candidates_of(found) == [
        IceCandidate(candidate=HOST, sdp_mid="a"),
        IceCandidate(candidate=OTHER, sdp_mid="a"),
        IceCandidate(candidate=HOST, sdp_mid="v"),
        IceCandidate(candidate=OTHER, sdp_mid="v"),
    ]


def test_a_section_without_an_id() -> None:
    sdp = f"{SESSION}a={OTHER}\r\nm=audio 9 RTP/AVP 0\r\n"
    # What stands before the first section is of none.
    assert candidates_of(sdp) == []
    found = with_candidates(sdp, [IceCandidate(candidate=HOST, sdp_mid="a")])
    assert found == f"{sdp}a={HOST}\r\n"
    assert candidates_of(found) == [IceCandidate(candidate=HOST)]
    assert with_candidates(SESSION, [IceCandidate(candidate=HOST)]) == SESSION
