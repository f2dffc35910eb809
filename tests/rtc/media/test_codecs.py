"""Which codecs a call uses."""

from __future__ import annotations

import re

import pytest

from trio_rtc.calls.calling import open_call
from trio_rtc.errors import CallError, MediaError
from trio_rtc.rtc import open_media
from trio_rtc.signaling import Peer
from trio_rtc.testing import MemoryHub
from trio_rtc.wire.messages import SessionDescription, decode

from ...calls.both_sides import next_track, serving


def codecs(sdp: str, kind: str) -> list[str]:
    """The codecs of a kind of media in a description, without that for retransmissions."""
    section = next(part for part in sdp.split("\r\nm=") if part.startswith(kind))
    names = re.findall(r"a=rtpmap:\d+ ([^/]+)/", section)
    return [name for name in names if name != "rtx"]


@pytest.mark.parametrize(
    ("ours", "theirs", "used"),
    [
        ((), (), "VP8"),
        (("H264",), (), "H264"),
        ((), ("h264",), "H264"),
        (("H264", "VP8"), ("VP8", "H264"), "VP8"),
        (("PCMU",), (), "VP8"),
    ],
)
async def test_preferences(ours: tuple[str, ...], theirs: tuple[str, ...], used: str) -> None:
    said: dict[str, str] = {}
    hub = MemoryHub()

    async def listen(sender: Peer, data: bytes) -> None:
        message = decode(data)
        if isinstance(message, SessionDescription):
            said[message.type] = message.sdp

    hub.delay = listen
    async with (
        open_media(video="pattern") as [track],
        serving(hub, codecs=theirs, tracks=[track]) as (alice, _),
        open_call(alice, "bob", codecs=ours) as call,
    ):
        await next_track(call)
    assert codecs(said["answer"], "video")[0] == used
    if ours == ("PCMU",):
        assert codecs(said["offer"], "audio") == ["PCMU"]


async def test_codecs_that_the_two_sides_do_not_have_in_common() -> None:
    hub = MemoryHub()
    async with open_media(video="pattern") as tracks, serving(hub, codecs=("H264",)) as (alice, _):
        # The one who sees it tells the other one why there is no call.
        with pytest.raises(CallError, match="declined the call: no_common_codec"):
            async with open_call(alice, "bob", tracks=tracks, codecs=("VP8",)):
                pass
        async with open_call(alice, "bob", tracks=tracks):
            pass


async def test_a_codec_that_there_is_not() -> None:
    hub = MemoryHub()
    alice, _ = hub.sign_in("alice"), hub.sign_in("bob")
    with pytest.raises(MediaError, match="MP3") as raised:
        async with open_call(alice, "bob", codecs=["MP3"]):
            pass
    assert raised.value.code == "unknown_codec"
