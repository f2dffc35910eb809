"""A connection of PeerJS without a network."""

from __future__ import annotations

from typing import cast

import pytest

from trio_rtc import CallError, MediaTrack
from trio_rtc.calls.lifecycle import CallEvent
from trio_rtc.peerjs.connection_options import Options
from trio_rtc.peerjs.link import PeerJSLink
from trio_rtc.peerjs.server_connection import ServerConnection
from trio_rtc.wire import peerjs as wire
from trio_rtc.wire.messages import SessionDescription


def link() -> PeerJSLink:
    offer = wire.OfferPayload(
        sdp=SessionDescription(type="offer", sdp=""), type="media", connection_id="mc_1"
    )
    nobody = cast(ServerConnection, None)
    return PeerJSLink(nobody, "bob", offer, Options(), offering=True)


async def test_a_track_that_nobody_takes_ends_nothing() -> None:
    track = cast(MediaTrack, object())
    left, closed = link(), link()
    left.tracks.close()
    closed.session.step(CallEvent.OFFER_SENT)
    closed.session.step(CallEvent.CONNECTED)
    closed.session.step(CallEvent.HUNG_UP)
    for one in (left, closed):
        one.track_arrived(track)
    assert (left.end, closed.end) == (None, "closed")


@pytest.mark.parametrize(
    ("event", "end"),
    [
        (CallEvent.CONNECTION_LOST, "lost"),
        (CallEvent.CONNECTION_CLOSED, "closed"),
        (CallEvent.HUNG_UP, "closed"),
    ],
)
async def test_how_it_ends(event: CallEvent, end: str) -> None:
    one = link()
    one.session.step(CallEvent.OFFER_TAKEN)
    assert not one.connected
    one.session.step(CallEvent.CONNECTED)
    one.session.step(event)
    assert (one.connected, one.end, await one.wait_ended()) == (True, end, end)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (CallEvent.CONNECTION_LOST, "connection_lost"),
        (CallEvent.CONNECTION_CLOSED, "connection_closed"),
        (CallEvent.PEER_LEFT, "peer_left"),
    ],
)
async def test_why_it_does_not_come_about(event: CallEvent, code: str) -> None:
    one = link()
    one.session.step(CallEvent.OFFER_SENT)
    with pytest.raises(CallError) as caught:
        one.session.step(event)
    assert caught.value.code == code
    assert not one.connected
