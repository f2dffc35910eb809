"""The text of descriptions, section by section."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.jsep.section_text import mid_of, split, with_ids, without_ids

AUDIO, VIDEO = "m=audio 9 UDP/TLS/RTP/SAVPF", "m=video 9 UDP/TLS/RTP/SAVPF"


def text(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def section(*lines: str) -> list[str]:
    """The only one of these lines, as it is read."""
    _, found = split(text("v=0", *lines))
    return found


def test_lines_of_the_session_and_of_each_section() -> None:
    assert split(text("v=0 ", "", "m=text 9 x y", "a=mid:0", "m=text 9 x z")) == [
        ["v=0"],
        ["m=text 9 x y", "a=mid:0"],
        ["m=text 9 x z"],
    ]
    assert split("") == [[]]


def test_codecs_that_need_not_be_described() -> None:
    described = section(f"{AUDIO} 8 0 96", "a=rtpmap:96 opus/48000/2", "a=rtpmap:8 X/8000")
    assert described == [
        f"{AUDIO} 8 0 96",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:8 X/8000",
        "a=rtpmap:0 PCMU/8000",
    ]
    assert section(f"{VIDEO} 0") == [f"{VIDEO} 0"]


def test_what_is_said_of_unknown_formats_is_left_out() -> None:
    assert section(f"{VIDEO} 97", "a=rtpmap:97 VP8/90000", "a=rtpmap:98 H264/90000",
                   "a=fmtp:98 x=1", "a=fmtp:99 y=1", "a=rtcp-fb:98 nack") == [
        f"{VIDEO} 97", "a=rtpmap:97 VP8/90000", "a=rtcp-fb:98 nack"
    ]  # fmt: skip
    # Offered, and described nowhere.
    assert section(f"{VIDEO} 97", "a=fmtp:97 x=1") == [f"{VIDEO} 97"]
    channels = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=fmtp:5 x=1"]
    assert section(*channels) == channels


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("a=fmtp:97 a=1;  b=2; c=3 ", "a=fmtp:97 a=1;b=2;c=3"),
        ("a=fmtp:97", None),
        ("a=fmtp:97 ", None),
        ("a=extmap:3/sendonly urn:x with=more", "a=extmap:3/sendonly urn:x"),
        ("a=extmap:255 urn:x", "a=extmap:255 urn:x"),
        ("a=extmap:1 urn:x", "a=extmap:1 urn:x"),
        ("a=extmap:256 urn:x", None),
        ("a=extmap:0 urn:x", None),
        ("a=extmap:123456789 urn:x", None),
        ("a=extmap:x urn:x", "a=extmap:x urn:x"),
        ("a=ssrc:5 cname:x", "a=ssrc:5 cname:x"),
        ("a=ssrc:5 live", None),
    ],
)
def test_lines_as_others_write_them(said: str, read: str | None) -> None:
    rtpmap = "a=rtpmap:97 VP8/90000"
    expected = [f"{VIDEO} 97", rtpmap, *([] if read is None else [read])]
    assert section(f"{VIDEO} 97", rtpmap, said) == expected


def test_channels_in_the_form_of_a_draft() -> None:
    first = "m=application 9 DTLS/SCTP webrtc-datachannel"
    assert section(first) == [first.replace("DTLS", "UDP/DTLS")]
    old = ["m=application 9 DTLS/SCTP 5000", "a=sctpmap:5000 webrtc-datachannel 1024"]
    assert section(*old) == old
    other = ["m=text 9 DTLS/SCTP webrtc-datachannel", "a=x DTLS/SCTP webrtc-datachannel"]
    assert section(*other) == other


def test_sections_without_ids_get_those_of_before() -> None:
    sdp = text("v=0", "m=text 9 x y", "m=text 9 x y", "a=mid:1", "m=text 9 x y", "m=text 9 x y")
    told, given = with_ids(sdp, ["0", "2", "1"])
    # One is taken, and there is none of before for the last.
    assert given == ["0", "section2", "section3"]
    assert [mid_of(part) for part in split(told)[1:]] == ["0", "1", "section2", "section3"]
    named = text("v=0", "m=text 9 x y", "a=mid:1")
    assert with_ids(named, ["0"]) == (named, [])


def test_ids_that_the_other_side_has_not() -> None:
    sdp = text("v=0", "a=group:BUNDLE 0 1", "m=text 9 x y", "a=mid:0", "m=text 9 x y", "a=mid:1")
    assert without_ids(sdp, []) == sdp
    assert without_ids(sdp, ["1"]) == text(
        "v=0", "a=group:BUNDLE 0", "m=text 9 x y", "a=mid:0", "m=text 9 x y"
    )
    assert without_ids(sdp, ["0", "1"]) == text("v=0", "m=text 9 x y", "m=text 9 x y")
