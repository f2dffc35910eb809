"""Payload types of a session, by value: which codecs are the same one, and what it is called."""

from __future__ import annotations

from typing import Any

import pytest
from aiortc import RTCRtpCodecParameters
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters as Extension
from aiortc.sdp import GroupDescription, MediaDescription, SessionDescription, SsrcDescription

from trio_rtc.rtc.backend.jsep.numbering import IDS, TYPES, Key, Numbering, _describe, _keys


def codec(
    name: str, number: int, rate: int = 90_000, channels: int | None = None, **parameters: Any
) -> RTCRtpCodecParameters:
    kind = "audio" if rate < 90_000 else "video"
    told = {name.replace("_", "-"): value for name, value in parameters.items()}
    return RTCRtpCodecParameters(
        f"{kind}/{name}", rate, channels=channels, payloadType=number, parameters=told
    )


def key(of: RTCRtpCodecParameters) -> Key:
    [found] = _keys([of])
    return found


def session(*codecs: RTCRtpCodecParameters, extensions: tuple[Extension, ...] = ()) -> Numbering:
    """One that has been said this."""
    media = MediaDescription("video", 9, "UDP/TLS/RTP/SAVPF", [])
    media.rtp.codecs = list(codecs)
    media.rtp.headerExtensions = list(extensions)
    description = SessionDescription()
    description.media = [media]
    numbering = Numbering()
    numbering.learn(description)
    return numbering


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # How it is to be encoded for who says so, and nothing else.
        (codec("opus", 111, 48_000, 2, useinbandfec=1), codec("OPUS", 96, 48_000, 2)),
        (codec("VP8", 97, **{"max-fr": 30}), codec("VP8", 98)),
        # RFC 6184, section 8.2.2: levels may differ.
        (codec("H264", 99, profile_level_id="42e01f"), codec("H264", 100)),
        (codec("H264", 99, profile_level_id="42e034"), codec("H264", 99, packetization_mode="0")),
        (codec("PCMU", 0, 8000), codec("PCMU", 96, 8000, 1)),
        (codec("VP9", 101, profile_id=0), codec("VP9", 102, profile_id=0)),
    ],
)
def test_the_same_codec(one: RTCRtpCodecParameters, other: RTCRtpCodecParameters) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (codec("opus", 111, 48_000, 2), codec("opus", 111, 48_000, 1)),
        (
            codec("H264", 99, profile_level_id="42e01f"),
            codec("H264", 99, profile_level_id="42001f"),
        ),
        (codec("H264", 99), codec("H264", 99, profile_level_id="42e41f")),
        (codec("H264", 99, packetization_mode=1), codec("H264", 99)),
        (codec("PCMU", 0, 8000), codec("PCMU", 0, 8000, 2)),
        (codec("PCMU", 0, 8000), codec("PCMU", 0, 16_000)),
        (codec("VP9", 101, profile_id=0), codec("VP9", 101, profile_id=2)),
    ],
)
def test_another_codec(one: RTCRtpCodecParameters, other: RTCRtpCodecParameters) -> None:
    assert key(one) != key(other)


def test_retransmissions_are_of_a_codec_and_of_no_retransmission() -> None:
    vp8, vp9 = codec("VP8", 97), codec("VP9", 98)
    of_vp8, of_vp9 = codec("rtx", 99, apt=97), codec("rtx", 100, apt=98)
    keys = _keys([vp8, vp9, of_vp8, of_vp9])
    assert keys[2:] == [("rtx", keys[0]), ("rtx", keys[1])]
    itself, of_nothing = codec("rtx", 101, apt=101), codec("rtx", 102, apt=9)
    assert _keys([itself, of_nothing]) == [("rtx", None), ("rtx", None)]
    assert _keys([vp8, of_vp8, codec("rtx", 103, apt=99)])[2] == ("rtx", None)


def test_codecs_are_called_what_they_were_called() -> None:
    numbering = session(codec("VP8", 120), codec("rtx", 121, apt=120), codec("VP9", 98))
    ours = [codec("VP8", 97), codec("rtx", 98, apt=97), codec("H264", 121)]
    found = numbering._number(ours)
    # 121 is taken, and so are 98 and 120: it gets the first that is free.
    assert [(one.name, one.payloadType, one.parameters) for one in found] == [
        ("VP8", 120, {}),
        ("rtx", 121, {"apt": 120}),
        ("H264", 96, {}),
    ]
    # What was given is what it was.
    assert [one.payloadType for one in ours] == [97, 98, 121]
    assert ours[1].parameters == {"apt": 97}
    assert [one.payloadType for one in numbering._number(ours)] == [120, 121, 96]


def test_what_stands_for_something_stands_for_nothing_else() -> None:
    numbering = session(codec("VP8", 120), codec("VP9", 120), codec("VP8", 121))
    # What was said first counts.
    assert [one.payloadType for one in numbering._number([codec("VP8", 97)])] == [120]
    assert [one.payloadType for one in numbering._number([codec("H264", 120)])] == [96]


def test_a_codec_without_a_number_is_left_out_with_its_retransmissions() -> None:
    taken = [codec(f"x{number}", number) for number in TYPES[:-1]]
    numbering = session(*taken)
    ours = [codec("VP8", 97), codec("VP9", 98), codec("rtx", 99, apt=97), codec("rtx", 100, apt=98)]
    assert [(one.name, one.payloadType) for one in numbering._number(ours)] == [("VP8", TYPES[-1])]


def test_retransmissions_of_what_is_not_offered_are_not() -> None:
    numbering = session(codec("VP8", 120), codec("rtx", 121, apt=120))
    # Before it, and without it.
    assert numbering._number([codec("rtx", 98, apt=97)]) == []
    found = numbering._number([codec("rtx", 98, apt=97), codec("VP8", 97)])
    assert [one.payloadType for one in found] == [120]


def test_extensions_have_their_ids_while_there_are_any() -> None:
    numbering = session(extensions=(Extension(4, "urn:mid"), Extension(1, "urn:level")))
    ours = [Extension(1, "urn:mid"), Extension(4, "urn:time"), Extension(7, "urn:other")]
    assert numbering._identify(ours) == [
        Extension(4, "urn:mid"),
        Extension(2, "urn:time"),
        Extension(7, "urn:other"),
    ]
    more = [Extension(1, f"urn:{number}") for number in range(20)]
    assert [one.id for one in numbering._identify(more)] == [
        number for number in IDS if number not in (1, 2, 4, 7)
    ]


@pytest.mark.parametrize("repeats", [True, False])
def test_without_retransmissions_there_is_one_source(repeats: bool) -> None:
    media = MediaDescription("video", 9, "UDP/TLS/RTP/SAVPF", [])
    media.ssrc = [SsrcDescription(ssrc=1), SsrcDescription(ssrc=2)]
    media.ssrc_group = [GroupDescription(semantic="FID", items=[1, 2])]
    codecs = [codec("VP8", 120), *([codec("rtx", 121, apt=120)] if repeats else [])]
    _describe(media, codecs, [Extension(4, "urn:mid")])
    assert media.fmt == [one.payloadType for one in codecs]
    assert media.rtp.codecs == codecs
    assert media.rtp.headerExtensions == [Extension(4, "urn:mid")]
    assert [one.ssrc for one in media.ssrc] == ([1, 2] if repeats else [1])
    assert len(media.ssrc_group) == (1 if repeats else 0)
