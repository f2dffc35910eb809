"""A peer that sends pictures which are too large."""

from __future__ import annotations

import logging

import pytest
import trio
from aiortc.codecs.vpx import Vp8Encoder

from trio_rtc.rtc import open_track

from ...calls.both_sides import next_track, open_both, open_chat, works
from ...waiting import until
from .pictures import grey


async def test_a_picture_over_the_limit_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lies = True
    packetize = Vp8Encoder._packetize

    def patched(data: bytes, picture_id: int) -> list[bytes]:
        if lies and data and not data[0] & 1:
            data = data[:6] + (16383).to_bytes(2, "little") * 2 + data[10:]
        return list(packetize(data, picture_id))

    monkeypatch.setattr(Vp8Encoder, "_packetize", staticmethod(patched))
    async with open_track("video", grey(180)) as track, open_both(receive=("video",)) as ends:
        await ends.alice.add_track(track)
        theirs = await anext(aiter(ends.bob.tracks))

        refused = 0
        while refused < 5:
            stats = await ends.bob.stats()
            refused = sum(track.frames_refused for track in stats.tracks)
        frames = aiter(theirs)
        with trio.move_on_after(0.1):
            pytest.fail(f"decoded {await anext(frames)}")
        warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert [r.getMessage() for r in warnings] == [
            "pictures of the other side are left out: a picture has 16383 by 16383 pixels, "
            "and 9437184 may be decoded"
        ]
        # Once it is sensible it is seen: it has been asked for a picture that stands by itself.
        lies = False
        frame = await anext(frames)
        assert (frame.width, frame.height) == (160, 120)  # type: ignore[union-attr]
        await works(*await open_chat(ends))


async def test_a_limit_of_our_own(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        open_track("video", grey(180, 320, 240)) as track,
        open_track("video", grey(90)) as smaller,
        open_both(receive=("video",), max_frame_pixels=160 * 120) as ends,
    ):
        sender = await ends.alice.add_track(track)
        await until(lambda: "320 by 240" in caplog.text)
        await sender.replace_track(smaller)
        await next_track(ends.bob)
