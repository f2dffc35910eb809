"""Descriptions and candidates that another peer may send, and should not have."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trio_rtc.errors import NegotiationError
from trio_rtc.rtc import open_media, open_peer_connection
from trio_rtc.rtc.backend.jsep import descriptions
from trio_rtc.wire.messages import IceCandidate, SessionDescription

from ...pairs import negotiate, open_pair
from ...virtual import in_virtual_time

CREDENTIALS = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\na=setup:actpass\r\n"
SESSION = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
CHANNELS = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
PORT = "a=sctp-port:5000\r\n"
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
)
OFFER = SESSION + CHANNELS + PORT + CREDENTIALS + FINGERPRINT
VIDEO_OFFER = SESSION + VIDEO + "a=rtpmap:97 VP8/90000\r\n" + CREDENTIALS + FINGERPRINT

BAD = {
    "empty": "",
    "garbage": "garbage\r\nin, garbage out",
    "binary": "\x00\x01\x02",
    "no media": SESSION,
    "no credentials": SESSION + CHANNELS + PORT + FINGERPRINT,
    "no password": OFFER.replace("a=ice-pwd", "a=x-pwd"),
    "no username": OFFER.replace("a=ice-ufrag", "a=x-ufrag"),
    "no fingerprint": SESSION + CHANNELS + PORT + CREDENTIALS,
    "no sctp-port": SESSION + CHANNELS + CREDENTIALS + FINGERPRINT,
    "a port that is none": OFFER.replace(":5000", ":five"),
    "a port out of range": OFFER.replace(":5000", ":70000"),
    "a negative port": OFFER.replace(":5000", ":-1"),
    "a fingerprint of nothing": OFFER.replace("sha-256 AB", "sha-256"),
    "a fingerprint that is no hash": SESSION
    + CHANNELS
    + PORT
    + CREDENTIALS
    + "a=fingerprint:sha-256\r\na=setup:actpass\r\n",
    "another setup": OFFER.replace("actpass", "sometimes"),
    "no setup": OFFER.replace("a=setup:actpass\r\n", ""),
    "an unknown kind": OFFER.replace("m=application", "m=hologram"),
    "a kind without attributes": OFFER.replace("m=application 9", "m=text 9"),
    "a section without a port": OFFER + "m=application  UDP/DTLS/SCTP webrtc-datachannel\r\n",
    "a section of nothing": OFFER + "m=text 9\r\na=mid:1\r\n",
    "rejected": SESSION + CHANNELS.replace(" 9 ", " 0 "),
    "rejected video": SESSION + VIDEO.replace(" 9 ", " 0 "),
    "another profile": OFFER.replace("UDP/DTLS/SCTP", "TCP/MSRP"),
    "a bundle of others": OFFER.replace("BUNDLE 0", "BUNDLE 1 2"),
    "a message size that is none": OFFER + "a=max-message-size:big\r\n",
    "a negative message size": OFFER + "a=max-message-size:-1\r\n",
    "two sections of one id": VIDEO_OFFER + CHANNELS + PORT + CREDENTIALS + FINGERPRINT,
    "two sections for channels": OFFER
    + (CHANNELS + PORT + CREDENTIALS + FINGERPRINT).replace("mid:0", "mid:1"),
    "no address": OFFER.replace("0.0.0.0", "nowhere"),
    "an old form without a port": OFFER.replace(PORT, "").replace("UDP/DTLS", "DTLS"),
    "no codec": SESSION + VIDEO + CREDENTIALS + FINGERPRINT,
    "a codec of a bad clock": VIDEO_OFFER.replace("90000", "fast"),
}


#: What is said of each.
WHY = {
    "empty": "no media sections",
    "garbage": "no media sections",
    "binary": "no media sections",
    "no media": "no media sections",
    "no credentials": "no ICE credentials",
    "no password": "no ICE credentials",
    "no username": "no ICE credentials",
    "no fingerprint": "no fingerprint",
    "no sctp-port": "no SCTP port",
    "a port that is none": "does not parse",
    "a port out of range": "no SCTP port",
    "a negative port": "no SCTP port",
    "a fingerprint of nothing": "does not parse",
    "a fingerprint that is no hash": "does not parse",
    "another setup": "a=setup 'sometimes'",
    "no setup": "section 0 has no",
    "an unknown kind": "unknown kind 'hologram'",
    "a kind without attributes": "unknown kind 'text'",
    "a section without a port": "does not parse at the line 'm=application  UDP",
    "a section of nothing": "does not parse at the line 'm=text 9'",
    "rejected": "no ICE credentials",
    "rejected video": "no ICE credentials",
    "another profile": "unknown profile 'TCP/MSRP'",
    "a bundle of others": "its bundle has a section that it does not have",
    "a message size that is none": "does not parse",
    "a negative message size": "a message size below 0",
    "two sections of one id": "two of its sections have the same id",
    "two sections for channels": "two sections for data channels",
    "no address": "'nowhere' does not appear to be an IP",
    "an old form without a port": "no SCTP port",
    "no codec": "no codec in common",
    "a codec of a bad clock": "does not parse",
}


async def answer_to(sdp: str) -> str:
    """The answer to an offer, as far as it goes."""
    async with open_peer_connection() as connection:
        await connection.set_remote_description(SessionDescription(type="offer", sdp=sdp))
        answer = await connection.set_local_description()
        assert answer.type == "answer"
        return answer.sdp


async def offer_to_us(sdp: str) -> None:
    await answer_to(sdp)


@pytest.mark.parametrize("sdp", [OFFER, VIDEO_OFFER], ids=["channels", "video"])
async def test_a_good_offer(sdp: str) -> None:
    await offer_to_us(sdp)


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_offer(name: str) -> None:
    with pytest.raises(NegotiationError, match=WHY[name]) as caught:
        await offer_to_us(BAD[name])
    assert caught.value.code in ("bad_description", "no_common_codec")
    assert caught.value.fault == "remote"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("a=setup:actpass\r\n", ""), "its section 0 has no a=setup"),
        (("actpass", "holdconn"), "its section 0 has the a=setup 'holdconn'"),
        (("90000", "fast"), "it does not parse at the line 'a=rtpmap:97 VP8/fast'"),
        (("0.0.0.0\r\na=mid", "nowhere\r\na=mid"), "'nowhere' does not appear to be an IPv4"),
        ((CREDENTIALS, ""), "its section 0 has no ICE credentials"),
    ],
)
async def test_an_error_names_what_is_wrong(change: tuple[str, str], told: str) -> None:
    with pytest.raises(NegotiationError) as caught:
        await offer_to_us(VIDEO_OFFER.replace(*change))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "sdp",
    [
        OFFER.replace("UDP/DTLS/SCTP", "DTLS/SCTP"),
        VIDEO_OFFER + "a=fmtp:97\r\n",
        VIDEO_OFFER + "a=fmtp:110 0-15\r\n",
        VIDEO_OFFER + "a=ssrc:5 cname:x\r\na=ssrc:5 live\r\n",
        VIDEO_OFFER.replace("97", "45"),
        VIDEO_OFFER.replace("video", "audio")
        .replace("a=rtpmap:97 VP8/90000\r\n", "")
        .replace("97", "0"),
        *(
            VIDEO_OFFER.replace("VP8", "H264") + fmtp
            for fmtp in (
                "",
                "a=fmtp:97 packetization-mode=1;profile-level-id=4d001f\r\n",
                "a=fmtp:97 packetization-mode=0;profile-level-id=640028\r\n",
                "a=fmtp:97 profile-level-id=42e01f\r\n",
            )
        ),
    ],
)
async def test_what_others_say_as_well(sdp: str) -> None:
    async with open_peer_connection() as connection:
        await connection.set_remote_description(SessionDescription(type="offer", sdp=sdp))
        answer = await connection.set_local_description()
    offered = [line for line in sdp.splitlines() if line.startswith(("m=", "a=fmtp:97 "))]
    for line in offered:
        if line.startswith("m="):
            kind, port, profile, *formats = line.split()
            profile = "UDP/DTLS/SCTP" if "SCTP" in profile else profile
            assert " ".join([kind, port, profile, *formats]) in answer.sdp
        else:
            assert set(line.split()[1].split(";")) <= set(
                re.findall(r"^a=fmtp:97 (.*?)\r", answer.sdp, re.M)[0].split(";")
            )


@pytest.mark.parametrize("mode", ["packetization-mode=0;", ""])
async def test_h264_that_can_only_be_received(mode: str) -> None:
    offer = VIDEO_OFFER.replace("VP8", "H264") + f"a=fmtp:97 {mode}profile-level-id=4d001f\r\n"
    async with open_media(video="pattern") as [video], open_peer_connection() as connection:
        await connection.add_track(video)
        await connection.set_remote_description(SessionDescription(type="offer", sdp=offer))
        answer = await connection.set_local_description()
        assert "a=recvonly" in answer.sdp
        # What we send has another section.
        assert connection.negotiation_needed
        assert (await connection.set_local_description()).sdp.count("m=video") == 2


async def test_formats_that_are_described_and_not_offered() -> None:
    more = "a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1\r\n"
    assert "SAVPF 97\r\n" in await answer_to(VIDEO_OFFER + more)


@pytest.mark.parametrize(("number", "is_taken"), [(14, True), (20, True), (4096, False)])
async def test_ids_of_header_extensions(number: int, is_taken: bool) -> None:
    line = f"a=extmap:{number} urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    assert (line in await answer_to(VIDEO_OFFER + line)) is is_taken


async def test_a_direction_for_all_sections() -> None:
    offer = VIDEO_OFFER.replace("a=sendrecv\r\n", "").replace("t=0 0", "t=0 0\r\na=inactive")
    answer = await answer_to(offer)
    assert "a=inactive\r\n" in answer
    assert "a=recvonly" not in answer


async def test_no_common_codec() -> None:
    with pytest.raises(NegotiationError) as caught:
        await offer_to_us(VIDEO_OFFER.replace("VP8", "THEORA"))
    assert (caught.value.code, caught.value.fault) == ("no_common_codec", "remote")


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_answer(name: str) -> None:
    async with open_peer_connection() as connection:
        await connection.create_data_channel("chat")
        await connection.set_local_description()
        answer = BAD[name].replace("actpass", "active")
        with pytest.raises(NegotiationError) as caught:
            await connection.set_remote_description(SessionDescription(type="answer", sdp=answer))
        assert caught.value.code in ("bad_description", "no_common_codec")


async def test_an_answer_to_something_else() -> None:
    for sdp in (VIDEO_OFFER, OFFER + VIDEO_OFFER.removeprefix(SESSION).replace("mid:0", "mid:1")):
        async with open_peer_connection() as connection:
            await connection.create_data_channel("chat")
            await connection.set_local_description()
            answer = SessionDescription(type="answer", sdp=sdp.replace("actpass", "active"))
            with pytest.raises(NegotiationError) as caught:
                await connection.set_remote_description(answer)
            assert caught.value.code == "bad_description"


async def test_a_direction_that_goes_without_saying() -> None:
    async with open_peer_connection() as connection:
        offer = VIDEO_OFFER.replace("a=sendrecv\r\n", "")
        await connection.set_remote_description(SessionDescription(type="offer", sdp=offer))
        answer = await connection.set_local_description()
        assert "a=recvonly" in answer.sdp


@pytest.mark.parametrize(
    "other",
    [
        OFFER.replace("\r\n", "\n"),
        OFFER.replace("\r\n", "  \r\n"),
        OFFER.rstrip(),
        OFFER + "\r\n",
        # What is said for all sections at once.
        SESSION + CREDENTIALS + FINGERPRINT + CHANNELS + PORT,
        OFFER.replace("t=0 0", "t=0 0\r\na=ice-lite"),
        OFFER + "a=ice-options:ice2 trickle\r\n",
        OFFER.replace("a=mid:0\r\n", "").replace("a=group:BUNDLE 0\r\n", ""),
        OFFER.replace("mid:0", "mid:data").replace("BUNDLE 0", "BUNDLE data"),
        OFFER.replace("IP4 0.0.0.0", "IP6 ::"),
        OFFER.replace("s=-", "s= ") + "b=AS:30\r\na=tls-id:abc3de65cddef001be82\r\n",
        OFFER.replace("sha-256", "SHA-256"),
        VIDEO_OFFER + "a=extmap:3/sendonly urn:example:1 with=more\r\n",
    ],
)
async def test_an_offer_as_others_write_it(other: str) -> None:
    await offer_to_us(other)


async def test_a_provisional_answer() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            channel = await alice.connection.create_data_channel("chat")
            await bob.connection.set_remote_description(
                await alice.connection.set_local_description()
            )
            alice.described.set()
            answer = await bob.connection.set_local_description()
            provisional = SessionDescription(type="pranswer", sdp=answer.sdp)
            await alice.connection.set_remote_description(provisional)
            bob.described.set()
            await channel.wait_open()
            await alice.connection.set_remote_description(answer)
            await channel.send("hello")
            assert await (await bob.channels.receive()).receive() == "hello"


async def test_a_bad_offer_does_not_spoil_a_connection() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            for name in ("empty", "no credentials", "rejected", "no sctp-port", "no fingerprint"):
                with pytest.raises(NegotiationError):
                    await bob.connection.set_remote_description(
                        SessionDescription(type="offer", sdp=BAD[name])
                    )
            channel = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await channel.wait_open()


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("", 65536),
        ("a=max-message-size:0\r\n", float("inf")),
        ("a=max-message-size:100\r\n", 100),
        ("a=max-message-size:262144\r\n", 262144),
    ],
)
def test_the_limit_for_messages(line: str, size: float) -> None:
    parsed = descriptions.parse_remote(SessionDescription(type="offer", sdp=OFFER + line))
    assert descriptions.max_message_size(parsed) == size


def test_the_limit_without_channels() -> None:
    parsed = descriptions.parse_remote(SessionDescription(type="offer", sdp=VIDEO_OFFER))
    assert descriptions.max_message_size(parsed) == 65536


LINE = "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"

BAD_CANDIDATES = [
    "candidate:",
    "garbage",
    "candidate:1 1 udp",
    LINE.replace(" 1 udp", " one udp"),
    LINE.replace("2130706431", "high"),
    LINE.replace(" 9 ", " nine "),
    LINE.replace(" 9 ", " -1 "),
    LINE.replace(" 9 ", " 65536 "),
    LINE.replace(" typ host", ""),
    LINE + " raddr 127.0.0.1 rport x",
    "\x00",
]


@pytest.mark.parametrize("line", BAD_CANDIDATES)
async def test_a_bad_candidate(line: str) -> None:
    async with open_peer_connection() as connection:
        await connection.set_remote_description(SessionDescription(type="offer", sdp=OFFER))
        with pytest.raises(NegotiationError) as caught:
            await connection.add_ice_candidate(IceCandidate(candidate=line, sdp_mid="0"))
        assert (caught.value.code, caught.value.fault) == ("bad_candidate", "remote")


async def candidates_of(line: str) -> list[tuple[str, int]]:
    """The candidates that ICE tries when it is told of this one, of its section by each name."""
    async with open_peer_connection() as connection:
        await connection.set_remote_description(SessionDescription(type="offer", sdp=OFFER))
        await connection.add_ice_candidate(IceCandidate(candidate=line, sdp_mid="0"))
        await connection.add_ice_candidate(IceCandidate(candidate=line, sdp_m_line_index=0))
        await connection.set_local_description()
        (path,) = connection._loop_connection.exchange.paths.all()
        return [(candidate.host, candidate.port) for candidate in path._agent.remote_candidates]


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        "a=" + LINE,
        LINE.removeprefix("candidate:"),
        LINE + " generation 0 ufrag abcd network-id 1 network-cost 10",
        LINE.replace("udp", "UDP"),
        LINE.replace("host", "srflx raddr 10.0.0.1 rport 7"),
    ],
)
async def test_a_candidate_as_others_write_it(line: str) -> None:
    assert await candidates_of(line) == [("127.0.0.1", 9)]


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace("udp", "tcp") + " tcptype active",
        LINE.replace("127.0.0.1", "nowhere"),
        LINE.replace("127.0.0.1", "999.1.1.1"),
        LINE.replace("host", "carrier-pigeon"),
    ],
)
async def test_a_candidate_that_is_of_no_use(line: str) -> None:
    assert await candidates_of(line) == []


@pytest.mark.parametrize(
    ("line", "candidate"),
    [
        (LINE.replace("127.0.0.1", "::1"), ("::1", 9)),
        # Checks find out that nobody answers there.
        (LINE.replace("127.0.0.1", "224.0.0.1"), ("224.0.0.1", 9)),
        (LINE.replace(" 9 ", " 0 "), ("127.0.0.1", 0)),
    ],
)
async def test_a_candidate_that_does_no_harm(line: str, candidate: tuple[str, int]) -> None:
    assert await candidates_of(line) == [candidate]


async def test_a_candidate_of_no_section() -> None:
    async with open_peer_connection() as connection:
        await connection.set_remote_description(SessionDescription(type="offer", sdp=OFFER))
        with pytest.raises(NegotiationError, match="names no media section") as caught:
            await connection.add_ice_candidate(IceCandidate(candidate=LINE))
        assert caught.value.code == "bad_candidate"


# Anything at all. The tests run trio themselves, for many examples share one test; in virtual time,
# so that what goes wrong only later is seen as well.

LATER = 30.0

fuzzing = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def only_negotiation_errors(async_fn: Callable[..., Awaitable[None]], *args: object) -> None:
    codes = []
    try:
        in_virtual_time(async_fn)(*args)
    except NegotiationError as error:
        codes.append(error.code)
    assert set(codes) <= {"bad_description", "bad_candidate", "no_common_codec"}


async def apply_offer(sdp: str) -> None:
    with trio.fail_after(2 * LATER):
        async with open_peer_connection() as connection:
            await connection.set_remote_description(SessionDescription(type="offer", sdp=sdp))
            await connection.set_local_description()
            await trio.sleep(LATER)


async def apply_answer(sdp: str) -> None:
    with trio.fail_after(2 * LATER):
        async with open_peer_connection() as connection:
            await connection.create_data_channel("chat")
            connection.offer_to_receive()
            await connection.set_local_description()
            await connection.set_remote_description(SessionDescription(type="answer", sdp=sdp))
            await trio.sleep(LATER)


async def apply_candidate(line: str, mid: str | None, index: int | None) -> None:
    with trio.fail_after(2 * LATER):
        async with open_peer_connection() as connection:
            await connection.set_remote_description(SessionDescription(type="offer", sdp=OFFER))
            await connection.add_ice_candidate(
                IceCandidate(candidate=line, sdp_mid=mid, sdp_m_line_index=index)
            )
            await connection.set_local_description()
            await trio.sleep(LATER)


def real_descriptions() -> tuple[str, str]:
    """An offer and its answer, with media, channels and candidates."""

    async def make() -> tuple[str, str]:
        async with open_media(video="pattern", audio="tone") as tracks, open_pair() as (a, b):
            for track in tracks:
                await a.connection.add_track(track)
            await a.connection.create_data_channel("chat")
            await negotiate(a, b)
            offer, answer = a.connection.local_description, b.connection.local_description
            assert offer is not None
            assert answer is not None
            return offer.sdp, answer.sdp

    return trio.run(make)


OFFERED, ANSWERED = real_descriptions()


@st.composite
def mutated(draw: st.DrawFn, sdp: str) -> str:
    """A description with lines missing, twice, in another order, or with a word changed."""
    lines = sdp.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["delete", "repeat", "swap", "word", "cut"])):
            case "delete":
                del lines[at]
            case "repeat":
                lines.insert(draw(st.integers(0, len(lines))), lines[at])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "word":
                words = lines[at].replace(":", ": ").replace("=", "= ").split(" ")
                word = draw(st.integers(0, len(words) - 1))
                words[word] = draw(
                    st.sampled_from(["", "0", "-1", "x", "99999999999999999999", "a=", "\u00e9"])
                    | st.text(max_size=8)
                )
                lines[at] = " ".join(words).replace(": ", ":").replace("= ", "=")
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
        if not lines:
            break
    return "\r\n".join(lines) + "\r\n"


@fuzzing
@given(st.text() | st.text("amv=:09 \r\nioctsp/UDTLS", max_size=200))
def test_any_text_as_an_offer(sdp: str) -> None:
    only_negotiation_errors(apply_offer, sdp)


@fuzzing
@given(mutated(OFFERED))
def test_a_mutated_offer(sdp: str) -> None:
    only_negotiation_errors(apply_offer, sdp)


@fuzzing
@given(mutated(ANSWERED))
def test_a_mutated_answer(sdp: str) -> None:
    only_negotiation_errors(apply_answer, sdp)


numbers = st.integers() | st.sampled_from(["", "x", "1", "9", "udp", "typ", "host", "raddr"])


@fuzzing
@given(
    st.text(min_size=1)
    | st.lists(numbers, min_size=1, max_size=14).map(lambda words: " ".join(map(str, words)))
    | st.tuples(st.sampled_from([LINE + " raddr ::1 rport 1"]), st.integers(0, 70), st.text()).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :]
    ),
    st.none() | st.just("0") | st.text(max_size=3),
    st.none() | st.integers(-2, 2),
)
def test_any_text_as_a_candidate(line: str, mid: str | None, index: int | None) -> None:
    only_negotiation_errors(apply_candidate, line, mid, index)
