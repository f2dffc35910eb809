"""Bundles in the text of descriptions."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.jsep.bundling import (
    MAX_TRANSPORT_LINES,
    bundles,
    with_bundle_of,
    with_shared_transport,
)

AUDIO = ("m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2")
CHANNELS = ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=sctp-port:5000")
UFRAG, SETUP = "a=ice-ufrag:abcd", "a=setup:actpass"


def text(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def shared(*lines: str) -> list[str]:
    return with_shared_transport(text(*lines)).splitlines()


def test_bundles_are_lists_of_ids() -> None:
    sdp = text("v=0", "a=group:BUNDLE 0 one", "a=group:LS 0 one", "a=group:BUNDLE two",
               "a=group:BUNDLES x", *AUDIO)  # fmt: skip
    assert bundles(sdp) == [["0", "one"], ["two"]]
    assert bundles(text("v=0")) == []


def test_what_the_first_section_says_is_for_all_in_its_bundle() -> None:
    lines = ["v=0", "a=group:BUNDLE 0 1", *AUDIO, "a=mid:0", UFRAG, SETUP, "a=rtcp-mux"]
    assert shared(*lines, *AUDIO, "a=mid:1") == [
        *lines, *AUDIO, "a=mid:1", UFRAG, SETUP, "a=rtcp-mux"
    ]  # fmt: skip
    # What a section says itself stands.
    assert shared(*lines, *AUDIO, "a=mid:1", "a=setup:active", "a=rtcp-mux") == [
        *lines, *AUDIO, "a=mid:1", "a=setup:active", "a=rtcp-mux", UFRAG
    ]  # fmt: skip
    # Nor is it for those of other bundles, or of a transport of their own.
    for more in (["a=mid:2"], ["a=mid:1", "a=ice-ufrag:other"]):
        assert shared(*lines, *AUDIO, *more) == [*lines, *AUDIO, *more]


def test_a_transport_of_the_session_is_for_all_anyway() -> None:
    lines = ["v=0", "a=group:BUNDLE 0 1", UFRAG, *AUDIO, "a=mid:0", SETUP, *AUDIO, "a=mid:1"]
    assert shared(*lines) == lines


@pytest.mark.parametrize("muxed", [False, True])
def test_only_media_are_multiplexed_with_their_control(muxed: bool) -> None:
    mux = ["a=rtcp-mux"] if muxed else []
    lines = ["v=0", "a=group:BUNDLE 0 1 2", *AUDIO, "a=mid:0", UFRAG, *mux]
    assert shared(*lines, *CHANNELS, "a=mid:1", *AUDIO, "a=mid:2") == [
        *lines, *CHANNELS, "a=mid:1", UFRAG, *AUDIO, "a=mid:2", UFRAG, *mux
    ]  # fmt: skip


def test_a_bundle_of_nothing_that_is_there() -> None:
    lines = ["v=0", "a=group:BUNDLE 7", "a=group:BUNDLE 0 1", *AUDIO, "a=mid:0", UFRAG]
    assert shared(*lines, *AUDIO, "a=mid:1") == [*lines, *AUDIO, "a=mid:1", UFRAG]


def test_there_is_a_limit_to_what_one_section_says_for_all() -> None:
    many = [f"a=fingerprint:sha-256 {number}" for number in range(MAX_TRANSPORT_LINES)]
    lines = ["v=0", "a=group:BUNDLE 0 1", *AUDIO, "a=mid:0", *many, UFRAG]
    assert shared(*lines, *AUDIO, "a=mid:1") == [*lines, *AUDIO, "a=mid:1", *many]


def test_an_answer_bundles_no_more_than_was_offered() -> None:
    def answered(*offered: list[str]) -> list[str]:
        sdp = text("v=0", "a=group:BUNDLE 0 1 2", *AUDIO, "a=mid:0")
        return with_bundle_of(sdp, offered).splitlines()

    rest = [*AUDIO, "a=mid:0"]
    assert answered(["2", "0"], ["1"]) == ["v=0", "a=group:BUNDLE 0 2", *rest]
    assert answered() == answered(["7"]) == ["v=0", *rest]
