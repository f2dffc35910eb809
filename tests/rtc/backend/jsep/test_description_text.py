"""What is taken from descriptions and refused in them, as text and without a connection."""

from __future__ import annotations

import pytest

from trio_rtc.errors import NegotiationError
from trio_rtc.rtc.backend.jsep.descriptions import (
    MAX_LINES,
    MAX_SECTIONS,
    MAX_TRANSPORTS,
    FoundCandidates,
    check_bundle,
    check_succession,
    parse_candidate,
    parse_remote,
    sections_of,
    separate_candidates,
    to_be_sent,
)
from trio_rtc.rtc.backend.jsep.rejections import unknown, with_rejections
from trio_rtc.wire.messages import IceCandidate, SessionDescription

from .test_descriptions import (
    CHANNELS,
    CREDENTIALS,
    FINGERPRINT,
    OFFER,
    PORT,
    SESSION,
    VIDEO,
    VIDEO_OFFER,
)


def offer(sdp: str) -> SessionDescription:
    return SessionDescription(type="offer", sdp=sdp)


def video(mid: str) -> str:
    """A section of pictures with a transport of its own."""
    section = VIDEO + "a=rtpmap:97 VP8/90000\r\n" + CREDENTIALS + FINGERPRINT
    return section.replace("mid:0", f"mid:{mid}")


def bundle(*mids: str) -> str:
    return SESSION.replace("BUNDLE 0", " ".join(["BUNDLE", *mids]))


CANDIDATE = "candidate:1 1 udp 1 192.0.2.1 9 typ host"


def test_candidates_come_out_of_a_description_with_their_sections() -> None:
    session = bundle("0", "1") + "a=end-of-candidates\r\n"
    first, second = (
        video(mid).replace("a=mid", f"a={CANDIDATE} generation {mid}\r\na=mid") for mid in "01"
    )
    sdp, candidates = separate_candidates(offer(session + first + second))
    assert "candidate" not in sdp
    assert candidates == [
        IceCandidate(candidate="", sdp_mid=None, sdp_m_line_index=None),
        IceCandidate(candidate=f"{CANDIDATE} generation 0", sdp_mid="0", sdp_m_line_index=0),
        IceCandidate(candidate=f"{CANDIDATE} generation 1", sdp_mid="1", sdp_m_line_index=1),
    ]


def test_as_many_sections_and_lines_as_there_may_be() -> None:
    sections = ["m=text 9 x y\r\n"] * MAX_SECTIONS
    separate_candidates(offer(SESSION + "".join(sections)))
    with pytest.raises(NegotiationError, match=f"has {MAX_SECTIONS + 1} sections"):
        separate_candidates(offer(SESSION + "".join([*sections, sections[0]])))
    lines = OFFER.partition("m=")[2].count("\r\n")
    long = OFFER + "a=x\r\n" * (MAX_LINES - lines)
    separate_candidates(offer(long))
    with pytest.raises(NegotiationError, match=f"more than {MAX_LINES} lines"):
        separate_candidates(offer(long + "a=x\r\n"))
    # Candidates do not count: there is no limit to these.
    separate_candidates(offer(long + f"a={CANDIDATE}\r\n"))


def test_as_many_transports_as_there_may_be() -> None:
    apart = "".join(video(f"v{number}") for number in range(MAX_TRANSPORTS))
    parse_remote(offer(bundle("0") + video("0") + apart))
    with pytest.raises(NegotiationError, match=f"wants {MAX_TRANSPORTS + 1} transports"):
        parse_remote(offer(bundle("0") + video("0") + apart + video("more")))


def test_a_setup_for_all_sections() -> None:
    parse_remote(offer(SESSION + CREDENTIALS + FINGERPRINT + CHANNELS + PORT))
    with pytest.raises(NegotiationError, match="a=setup 'never'"):
        parse_remote(offer(SESSION + "a=setup:never\r\n" + OFFER.removeprefix(SESSION)
                           .replace("a=setup:actpass\r\n", "")))  # fmt: skip


def test_a_section_makes_room_only_when_it_was_rejected() -> None:
    before = parse_remote(offer(bundle("0", "1") + video("0") + video("1"))).media
    other = offer(bundle("0", "2") + video("0") + video("2"))
    with pytest.raises(NegotiationError, match="its section 1 is another than before"):
        check_succession(other, parse_remote(other), before, rejected=())
    check_succession(other, parse_remote(other), before, rejected={"1"})
    swapped = offer(bundle("1", "0") + video("1") + video("0"))
    with pytest.raises(NegotiationError, match="its section 0 is another than before"):
        check_succession(swapped, parse_remote(swapped), before, rejected={"0", "1"})
    channels = offer(bundle("0", "1") + video("0") + OFFER.removeprefix(SESSION)
                     .replace("mid:0", "mid:1"))  # fmt: skip
    with pytest.raises(NegotiationError, match="its section 1 is another than before"):
        check_succession(channels, parse_remote(channels), before, rejected=())
    fewer = offer(bundle("0") + video("0"))
    with pytest.raises(NegotiationError, match="fewer than the 2 sections of before"):
        check_succession(fewer, parse_remote(fewer), before, rejected={"1"})
    more = offer(bundle("0", "1", "2") + video("0") + video("1") + video("2"))
    check_succession(more, parse_remote(more), before, rejected=())


def test_an_answer_has_one_transport_for_all_that_lives() -> None:
    parsed = parse_remote(offer(bundle("0") + video("0") + video("1")))
    with pytest.raises(NegotiationError) as caught:
        check_bundle(parsed, rejected=())
    assert caught.value.code == "not_bundled"
    check_bundle(parsed, rejected={"1"})
    check_bundle(parse_remote(offer(bundle("0", "1") + video("0") + video("1"))), rejected=())


def test_before_the_first_description_there_are_no_sections() -> None:
    assert sections_of(None) == []


def test_media_without_keys_are_nothing_that_we_have() -> None:
    plain = VIDEO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")
    assert unknown(SESSION + plain + CREDENTIALS) == ["0"]
    # With a fingerprint they have keys, whatever their profile is called.
    assert unknown(SESSION + plain + CREDENTIALS + FINGERPRINT) == []
    assert unknown(SESSION + FINGERPRINT + plain + CREDENTIALS) == []
    # What is missing where the profile promises it is for others to refuse.
    assert unknown(SESSION + VIDEO + CREDENTIALS) == []
    assert unknown(SESSION + CHANNELS + PORT) == []


def test_a_rejection_keeps_its_id_and_names_no_formats() -> None:
    sdp = VIDEO_OFFER.replace("c=IN IP4 0.0.0.0\r\na=mid", "a=mid")
    said = with_rejections(sdp, ["0"], {"0": "m=video 9 UDP/TLS/RTP/SAVPF 45"})
    section = said.partition("m=")[2].splitlines()
    assert section[:4] == [
        "video 0 UDP/TLS/RTP/SAVPF 45",
        "a=mid:0",
        "a=inactive",
        "a=rtcp-mux",
    ]
    assert "rtpmap" not in said


@pytest.mark.parametrize(
    ("direction", "is_named"),
    [("sendrecv", True), ("sendonly", True), ("recvonly", False), ("inactive", False)],
)
def test_only_what_is_sent_has_a_name(direction: str, is_named: bool) -> None:
    """RFC 9429, section 5.2.1."""
    section = video("0").replace("a=sendrecv", f"a={direction}")
    named = section + "a=msid:stream track\r\na=ssrc:7 cname:us\r\n"
    text = to_be_sent("offer", bundle("0") + named, {})
    assert f"a={direction}" in text
    assert [part in text for part in ("a=msid:", "a=ssrc:7 ")] == [is_named] * 2


def test_the_address_of_a_section_is_that_of_the_first_candidate() -> None:
    lines = [f"candidate:{n} 1 udp {9 - n} 192.0.2.{n} 500{n} typ host" for n in (1, 2)]
    found = [parse_candidate(IceCandidate(candidate=line, sdp_mid="0")) for line in lines]
    text = to_be_sent("offer", bundle("0") + video("0"), {"0": FoundCandidates(found, True)})
    assert "m=video 5001 " in text
    assert "c=IN IP4 192.0.2.1" in text
    assert text.count("a=candidate:") == 2
