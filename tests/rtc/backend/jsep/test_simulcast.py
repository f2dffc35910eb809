"""Which layers of a section are taken, and how that is said."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from trio_rtc.rtc import PeerConnection, open_peer_connection
from trio_rtc.rtc.backend import ledger
from trio_rtc.rtc.backend.jsep.simulcast import REPAIRED_URI, RID_URI, Simulcast
from trio_rtc.wire.messages import SessionDescription

from ...lacking import lacking

EXTENSIONS = f"a=extmap:10 {RID_URI}\r\na=extmap:11 {REPAIRED_URI}\r\n"
#: As Chromium and Firefox say it.
LAYERS = "a=rid:h send\r\na=rid:m send\r\na=rid:l send\r\na=simulcast:send h;m;l\r\n"


def offer(lines: str = LAYERS, extensions: str = EXTENSIONS) -> str:
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n"
        f"{extensions}a=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n{lines}"
    )


def taken(lines: str, **options: str) -> list[str]:
    simulcast = Simulcast(is_wanted=True)
    simulcast.take_offer(offer(lines, **options))
    answer = offer("").replace("sendonly", "recvonly")
    said = simulcast.described(answer)
    assert said.startswith(answer)
    return said.removeprefix(answer).split("\r\n")[:-1]


def test_all_layers_are_taken() -> None:
    answered = ["a=rid:h recv", "a=rid:m recv", "a=rid:l recv", "a=simulcast:recv h;m;l"]
    assert taken(LAYERS) == answered


@pytest.mark.parametrize(
    ("lines", "rids"),
    [
        # Of alternatives the first; one that pauses at first; ways to receive, before or after.
        ("a=rid:a send\na=rid:b send\na=rid:c send\na=simulcast:send a,b;~c\n", "a;c"),
        ("a=rid:a send\na=rid:b send\na=rid:c recv\na=simulcast:recv c send a;b\n", "a;b"),
        ("a=rid:a send\na=rid:b send\na=rid:c recv\na=simulcast:send a;b recv c\n", "a;b"),
        # What is listed and not described, and the other way round.
        ("a=rid:a send\na=rid:b send\na=simulcast:send a;b;c\n", "a;b"),
        ("a=rid:a send\na=rid:b send\na=rid:c send\na=simulcast:send a;b\n", "a;b"),
        # What is said of one that we do not understand.
        ("a=rid:a send\na=rid:b send\na=rid:c send depend=a\na=simulcast:send a;b;c\n", "a;b"),
        # More than we have room for.
        (
            "".join(f"a=rid:{n} send\n" for n in range(9)) + "a=simulcast:send 0;1;2;3;4;5;6;7;8\n",
            "0;1;2;3",
        ),
    ],
)
def test_what_is_left_out(lines: str, rids: str) -> None:
    assert taken(lines.replace("\n", "\r\n"))[-1] == f"a=simulcast:recv {rids}"


def test_restrictions_are_kept() -> None:
    lines = (
        "a=rid:h send pt=96,98;max-width=1280;max-fps=30\r\n"
        "a=rid:l send max-width=320\r\na=rid:x send pt=99\r\na=simulcast:send h;l;x\r\n"
    )
    assert taken(lines) == [
        "a=rid:h recv pt=96;max-width=1280;max-fps=30",
        "a=rid:l recv max-width=320",
        # Of a codec that we do not take there is nothing.
        "a=simulcast:recv h;l",
    ]


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "a=rid:h send\r\na=simulcast:send h\r\n",
        "a=simulcast:send h;l\r\n",
        "a=simulcast:send\r\na=rid:h send\r\n",
        "a=simulcast:\r\na=rid:\r\na=rid:h\r\n",
        "a=rid:h recv\r\na=rid:l recv\r\na=simulcast:recv h;l\r\n",
        "a=simulcast:send ;;;,,,~~~\r\n",
    ],
)
def test_what_is_no_simulcast(lines: str) -> None:
    assert taken(lines) == []


def test_layers_that_cannot_be_told_apart_are_none() -> None:
    assert taken(LAYERS, extensions="") == []


def test_what_is_not_wanted_is_not_taken() -> None:
    simulcast = Simulcast(is_wanted=False)
    simulcast.take_offer(offer())
    assert simulcast.rids("0") == ()
    assert simulcast.described(offer("")) == offer("")


def test_a_rejected_section_has_no_layers() -> None:
    simulcast = Simulcast(is_wanted=True)
    simulcast.take_offer(offer())
    for change in (("m=video 9", "m=video 0"), ("recvonly", "inactive")):
        answer = offer("").replace("sendonly", "recvonly").replace(*change)
        assert simulcast.described(answer) == answer
    simulcast.take_offer(offer().replace("m=video 9", "m=video 0"))
    assert simulcast.rids("0") == ()


def layered(description: SessionDescription) -> SessionDescription:
    """The offer of a peer that sends its picture in three layers."""
    before, first, section = description.sdp.partition("m=video")
    section = section.replace("a=recvonly", "a=sendonly")
    return replace(description, sdp=before + first + section + EXTENSIONS + LAYERS)


async def make_offer(connection: PeerConnection) -> SessionDescription:
    connection.offer_to_receive(["video"], data_channels=False)
    return layered(await connection.set_local_description())


@pytest.mark.parametrize(("simulcast", "count"), [(True, 3), (False, 0)])
async def test_an_answer_says_it_if_it_is_wanted(simulcast: bool, count: int) -> None:
    async with (
        open_peer_connection() as sender,
        open_peer_connection(simulcast=simulcast) as receiver,
    ):
        await receiver.set_remote_description(await make_offer(sender))
        answer = (await receiver.set_local_description()).sdp
        assert answer.count("a=rid:") == count
        assert answer.count("a=simulcast:recv h;m;l") == min(count, 1)
        assert [uri in answer for uri in (RID_URI, REPAIRED_URI)] == [bool(count)] * 2
        shown = receiver.local_description
        assert shown is not None
        assert shown.sdp.count("a=rid:") == count
        # A later offer of ours says it again: what is not said is taken back.
        if simulcast:
            offered = (await receiver.set_local_description()).sdp
            assert "a=simulcast:recv h;m;l" in offered


async def test_without_what_is_private_there_is_one_layer() -> None:
    with lacking("receiving", ledger.RTP_RECEIVER):
        async with (
            open_peer_connection() as sender,
            open_peer_connection(simulcast=True) as receiver,
        ):
            await receiver.set_remote_description(await make_offer(sender))
            answer = await receiver.set_local_description()
            assert "a=simulcast" not in answer.sdp
