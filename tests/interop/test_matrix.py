"""Every feature of a call with every stack, in both roles: the table in `matrix`.

The peers are bare: of our own they have nothing, and their descriptions have no ids of calls.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from av import AudioFrame, CodecContext, VideoFrame

from trio_rtc import Call, DataChannel, MediaTrack, open_call, open_media
from trio_rtc.rtc import Kind, PeerConnection
from trio_rtc.signaling import Peer, Signaling
from trio_rtc.testing import MemoryHub, describe

from ..browser.firefox import open_firefox_page
from ..peerjs.chromium import open_browser
from . import matrix
from .foreign import Foreign, called_by, open_foreign, open_page_peer
from .matrix import IT_CALLS, ROLES, STACKS, TIMES, WE_CALL

OPTIONS: dict[str, Any] = {"silence_timeout": 1.5, "restart_timeout": 20.0}

#: The names of the stacks for `open_foreign`.
PROGRAMS = {"GStreamer": "webrtcbin"}

#: Those that are no browser's API: they tell of what they receive, and not of sections for it.
TELL_FRAMES = ("libdatachannel", "GStreamer")

each = pytest.mark.parametrize(
    ("stack", "role"),
    [(stack, role) for stack in STACKS for role in ROLES],
    ids=[f"{stack}, {role}" for stack in STACKS for role in ROLES],
)


@dataclass
class Scene:
    """A call with a peer.

    Attributes:
        video: what we send.
        channel: one that it echoes, once there is one.
    """

    stack: str
    hub: MemoryHub
    foreign: Foreign
    call: Call
    video: MediaTrack
    audio: MediaTrack
    channel: DataChannel | None = None
    its_tracks: int = 0

    @asynccontextmanager
    async def it_receives(self, kind: str) -> AsyncIterator[None]:
        """It has another track of ours by the end of the block, of this kind."""
        event = "frames" if self.stack in TELL_FRAMES else "track"
        before = self.foreign.said(event, kind=kind)
        yield
        while self.foreign.said(event, kind=kind) == before:
            await self.foreign.news()

    async def works(self) -> None:
        """A message goes there and back."""
        assert self.channel is not None
        await self.channel.send("still there?")
        assert await self.channel.receive() == "still there?"

    async def agreed(self) -> None:
        """Nothing is being negotiated any more."""
        connection = self.call._connection
        while connection.negotiation_needed or connection.signaling_state != "stable":  # noqa: ASYNC110
            await trio.sleep(0.01)

    async def have_it_add_a_track(self) -> None:
        self.its_tracks += 1
        await self.foreign.do("add track", kind="video", name=f"its-{self.its_tracks}")

    async def next_track(self) -> MediaTrack:
        """The next track of the other side, which has a frame."""
        track = await anext(aiter(self.call.tracks))
        # It says of every section of ours that it sends there.
        while self.stack == "libdatachannel" and track.id != f"its-{self.its_tracks}":
            track = await anext(aiter(self.call.tracks))
        # What werift sends on begins with a picture that needs those before it.
        if self.stack != "werift":
            await anext(aiter(track))
        return track

    def sections(self) -> int:
        """How many media sections there are."""
        description = self.call._connection.local_description
        assert description is not None
        return len(re.findall(r"^m=(?:audio|video)", description.sdp, re.M))


@asynccontextmanager
async def open_peer(
    stack: str, hub: MemoryHub, request: pytest.FixtureRequest
) -> AsyncIterator[Foreign]:
    if stack == "Chromium":
        async with open_browser(request.getfixturevalue("chromium")) as browser:
            page = await browser.open_page("about:blank")
            async with open_page_peer(hub, stack, "alice", page) as foreign:
                yield foreign
    elif stack == "Firefox":
        address = request.getfixturevalue("firefox")
        async with (
            open_firefox_page(address, "about:blank") as tab,
            open_page_peer(hub, stack, "alice", tab) as foreign,
        ):
            yield foreign
    else:
        name = PROGRAMS.get(stack, stack)
        async with open_foreign(hub, name, "alice") as foreign:
            yield foreign


@asynccontextmanager
async def open_scene(
    stack: str, role: str, request: pytest.FixtureRequest, **options: Any
) -> AsyncIterator[Scene]:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with (
        open_media(video="pattern", audio="tone") as [video, audio],
        open_peer(stack, hub, request) as foreign,
    ):
        if stack == "libdatachannel":
            await foreign.do("media", **encoded_media())
        elif stack not in PROGRAMS:
            await foreign.do("send nothing")
        async with connected(stack, role, foreign, alice, {**OPTIONS, **options}) as call:
            yield Scene(stack, hub, foreign, call, video, audio)


@cache
def encoded_media() -> dict[str, list[str]]:
    """Pictures of VP8 and pieces of Opus, each of which fits into a packet, as base64."""
    pictures = CodecContext.create("libvpx", "w")
    pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
    pictures.time_base = Fraction(1, 25)
    pictures.options = {"deadline": "realtime", "lag-in-frames": "0", "g": "1"}
    sounds = CodecContext.create("libopus", "w")
    sounds.sample_rate, sounds.layout, sounds.format = 48_000, "stereo", "s16"
    media: dict[str, list[str]] = {"video": [], "audio": []}
    for number in range(10):
        shade = np.full((48, 64, 3), 20 * number, np.uint8)
        picture = VideoFrame.from_ndarray(shade, format="rgb24")
        sound = AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), format="s16")
        sound.sample_rate, sound.pts, picture.pts = 48_000, 960 * number, number
        for kind, packets in (("video", pictures.encode(picture)), ("audio", sounds.encode(sound))):
            assert all(packet.size < 1000 for packet in packets)
            media[kind] += [b64encode(bytes(packet)).decode() for packet in packets]
    return media


@asynccontextmanager
async def connected(
    stack: str, role: str, foreign: Foreign, alice: Signaling, options: dict[str, Any]
) -> AsyncIterator[Call]:
    if role == WE_CALL:
        receive: tuple[Kind, ...] = ("audio", "video")
        if stack in matrix.NO_OTHER_DIRECTION:
            receive = ()
        name = PROGRAMS.get(stack, stack)
        async with open_call(alice, name, receive=receive, **options) as call:
            yield call
    else:
        media = () if stack in matrix.NO_OTHER_DIRECTION else ("audio", "video")
        channel = stack in matrix.NEED_A_CHANNEL
        async with called_by(foreign, alice, media=media, channel=channel, **options) as call:
            yield call


# The features, in the order in which they are tried in one call.


async def connect(scene: Scene) -> None:
    assert scene.call.setup_seconds > 0


async def channel_later(scene: Scene) -> None:
    scene.channel = await scene.call.open_channel("echo more")
    await scene.works()
    await scene.foreign.do("open", label="theirs")
    while (await anext(aiter(scene.call.channels))).label != "theirs":
        pass


async def our_track(scene: Scene) -> None:
    async with scene.it_receives("video"):
        await scene.call.add_track(scene.video)


async def its_track(scene: Scene) -> None:
    if scene.stack not in matrix.SEND_BESIDE:
        await scene.have_it_add_a_track()
    await scene.next_track()


async def second_track(scene: Scene) -> None:
    async with open_media(video="pattern") as [another]:
        async with scene.it_receives("video"):
            sender = await scene.call.add_track(another)
        await scene.works()
        await sender.stop()
        await scene.agreed()


async def many_tracks(scene: Scene) -> None:
    before = scene.sections()
    for _ in range(TIMES):
        # webrtcbin 1.22 crashes at one that goes before its first packets have left the buffer:
        # on_rtpbin_pad_added finds nothing that they could belong to.
        async with scene.it_receives("video"):
            sender = await scene.call.add_track(scene.video)
        await sender.stop()
    await scene.agreed()
    assert scene.sections() <= before + 2
    assert len(scene.call.senders) <= 2
    await scene.works()


async def screen(scene: Scene) -> None:
    for _ in range(3):
        await scene.have_it_add_a_track()
        shared = await scene.next_track()
        await scene.foreign.do("remove track")
        async for _frame in shared:
            pass


async def both_at_once(scene: Scene) -> None:
    # Both offers are under way before either arrives.
    met = {name: trio.Event() for name in ("alice", PROGRAMS.get(scene.stack, scene.stack))}

    async def meet(sender: Peer, data: bytes) -> None:
        if describe(data) == "offer" and not met[sender.name].is_set():
            met[sender.name].set()
            for event in met.values():
                await event.wait()

    # One that knows no rollback complains of our offer.
    scene.foreign.may_complain = True
    scene.hub.delay = meet
    async with scene.it_receives("audio"):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.call.add_track, scene.audio)
            await scene.have_it_add_a_track()
        scene.hub.delay = None
        await scene.next_track()
    await scene.works()


async def restart(scene: Scene) -> None:
    for _ in range(2):
        await scene.call.restart()
        await scene.works()


async def move(scene: Scene) -> None:
    await lose_sockets(scene.call._connection)
    await scene.works()


async def lose_sockets(connection: PeerConnection) -> None:
    """As if their addresses were no longer there: nothing comes or goes."""

    async def lose() -> None:
        for path in connection._loop_connection.exchange.paths.all():
            for protocol in path._agent._protocols:
                transport: Any = protocol.transport
                transport.sendto = lambda *_: None
                transport._loop._remove_reader(transport._sock_fd)

    await connection._bridge.run(lose)


async def we_close(scene: Scene) -> None:
    await scene.call.hang_up()
    await scene.foreign.event("bye")


IN_ONE_CALL: dict[str, Callable[[Scene], Awaitable[None]]] = {
    matrix.CONNECT: connect,
    matrix.CHANNEL_LATER: channel_later,
    matrix.RESTART: restart,
    matrix.MOVE: move,
    matrix.OUR_TRACK: our_track,
    matrix.ITS_TRACK: its_track,
    matrix.SECOND_TRACK: second_track,
    matrix.MANY_TRACKS: many_tracks,
    matrix.SCREEN: screen,
    matrix.BOTH_AT_ONCE: both_at_once,
    matrix.WE_CLOSE: we_close,
}


# A busy machine takes long for a hundred of anything.
@pytest.mark.timeout(260)
@each
async def test_features(stack: str, role: str, request: pytest.FixtureRequest) -> None:
    done: list[str] = []
    async with open_scene(stack, role, request) as scene:
        for feature, attempt in IN_ONE_CALL.items():
            if matrix.cell(feature, stack, role).startswith(matrix.YES):
                try:
                    with trio.fail_after(200):
                        await attempt(scene)
                except Exception as error:
                    raise AssertionError(f"{feature!r} failed, after {done}") from error
                done.append(feature)


@each
async def test_it_closes(stack: str, role: str, request: pytest.FixtureRequest) -> None:
    assert matrix.cell(matrix.IT_CLOSES, stack, role) == matrix.YES
    async with open_scene(stack, role, request, restart_timeout=1) as scene:
        await channel_later(scene)
        # GStreamer tells nobody, so that we look for another way to it.
        scene.foreign.may_complain = True
        await scene.foreign.do("close")
        assert (await scene.call.wait_ended()).reason in ("connection_closed", "connection_lost")


def test_no_cell_is_empty() -> None:
    assert set(matrix.FEATURES) == {*IN_ONE_CALL, matrix.IT_CLOSES}
    for feature in matrix.FEATURES:
        for stack in STACKS:
            for role in ROLES:
                assert matrix.cell(feature, stack, role)
    for (feature, stack), limit in matrix.LIMITS.items():
        assert feature in matrix.FEATURES
        assert stack in STACKS
        if isinstance(limit, dict):
            assert set(limit) <= {WE_CALL, IT_CALLS}


def test_the_documentation_has_the_same_table() -> None:
    documentation = Path(__file__).parents[2] / "docs" / "calls.md"
    assert "\n".join(matrix.markdown()) in documentation.read_text()
