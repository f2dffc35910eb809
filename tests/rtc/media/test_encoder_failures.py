"""Encoders that fail in a call."""

from __future__ import annotations

from typing import Any

import av
import pytest
from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder

from trio_rtc.rtc import open_track

from ...calls.both_sides import next_track, open_both, open_chat, works
from ..virtual import in_virtual_time
from .pictures import grey, tone

ENCODERS: dict[str, Any] = {"video": Vp8Encoder, "audio": OpusEncoder}


def fail_at(monkeypatch: pytest.MonkeyPatch, kind: Any, first: int, last: int) -> set[Any]:
    """Have all encoders of a kind fail at these frames; which encoders there were."""
    encode, encoders, count = ENCODERS[kind].encode, set[Any](), 0

    def encode_or_fail(self: Any, *arguments: Any) -> Any:
        nonlocal count
        encoders.add(self)
        count += 1
        if first <= count <= last:
            raise av.ExternalError(1, "it has gone away")
        return encode(self, *arguments)

    monkeypatch.setattr(ENCODERS[kind], "encode", encode_or_fail)
    return encoders


@pytest.mark.parametrize("kind", ["video", "audio"])
@in_virtual_time
async def test_another_encoder_goes_on(
    kind: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoders = fail_at(monkeypatch, kind, 40, 42)
    frames = grey(100) if kind == "video" else tone()
    async with open_track(kind, frames) as track, open_both(receive=(kind,)) as ends:
        await ends.alice.add_track(track)
        received = aiter((await next_track(ends.bob)).frames(1000))
        for _ in range(80):
            await anext(received)
        await works(*await open_chat(ends))
    assert len(encoders) > 1
    assert caplog.text.count("the encoder of") == 1


@pytest.mark.parametrize("kind", ["video", "audio"])
@in_virtual_time
async def test_where_none_works_the_track_ends_and_no_call(
    kind: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_at(monkeypatch, kind, 40, 1 << 30)
    frames = grey(100) if kind == "video" else tone()
    async with open_track(kind, frames) as track, open_both(receive=(kind,)) as ends:
        await ends.alice.add_track(track)
        received = [frame async for frame in (await next_track(ends.bob)).frames(1000)]
        assert received
        await works(*await open_chat(ends))
    assert caplog.text.count("no encoder of") == 1
