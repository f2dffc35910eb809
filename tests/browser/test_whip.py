"""A dozen lines of WHIP and WHEP in a page, against the server's endpoints, in either browser."""

from __future__ import annotations

from pathlib import Path

import trio

import trio_rtc

from ..rtc.media.films import make_film
from .browsers import House, open_house, visiting
from .test_python_and_page import Seen

#: What every tutorial has: one offer with all candidates, one answer.
WHIP = """
const ask = async (pc) => {
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") await new Promise((done) => setTimeout(done, 20));
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", "Authorization": "Bearer sesame" },
    body: pc.localDescription.sdp,
  });
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  return new URL(answer.headers.get("Location"), new URL(url, location.href)).href;
};
const pc = globalThis.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
"""

PUBLISH = f"""{WHIP}
const canvas = document.createElement("canvas");
canvas.width = 320; canvas.height = 240;
const draw = canvas.getContext("2d");
setInterval(() => {{ draw.fillStyle = `hsl(${{Date.now() / 20 % 360}} 90% 50%)`;
                     draw.fillRect(0, 0, 320, 240); }}, 40);
const audio = new AudioContext(), tone = audio.createOscillator();
const out = audio.createMediaStreamDestination();
tone.connect(out); tone.start();
for (const track of [...canvas.captureStream(25).getTracks(), ...out.stream.getTracks()])
  pc.addTransceiver(track, {{ direction: "sendonly" }});
return await ask(pc);
"""

WATCH = f"""{WHIP}
for (const kind of ["audio", "video"]) pc.addTransceiver(kind, {{ direction: "recvonly" }});
const tracks = [];
pc.ontrack = ({{ track }}) => tracks.push(track);
const session = await ask(pc);
const video = document.createElement("video");
video.muted = true;
video.srcObject = new MediaStream(tracks);
document.body.append(video);
await video.play();
return [session, video.videoWidth, tracks.map((track) => track.kind).sort()];
"""

END = "return (await fetch(url, { method: 'DELETE' })).status"


async def test_a_page_publishes(chromium: str, maybe_firefox: str | None) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house, visiting(house, maybe_firefox) as visitor:
            seen, ended = Seen(), trio.Event()

            async def answer(call: trio_rtc.Call) -> None:
                assert (call.peer.name, call.peer.protocol) == ("whip", "whip")
                await seen.watch(call)
                assert call.end is not None
                assert call.end.reason == "peer_hung_up"
                ended.set()

            async with (
                trio_rtc.open_signaling(house.ws_url, name="studio") as signaling,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(trio_rtc.serve_calls, answer, signaling)
                session = await visitor.run(PUBLISH, url=f"{house.url}/whip/studio")
                await seen.enough()
                assert set(seen.pictures) == {(320, 240)}
                assert await visitor.run(END, url=session) == 200
                await ended.wait()
                assert await visitor.run(END, url=session) == 404
                nursery.cancel_scope.cancel()


async def test_a_page_watches(chromium: str, maybe_firefox: str | None) -> None:
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            visiting(house, maybe_firefox) as visitor,
            trio_rtc.open_media(video="pattern", audio="tone") as tracks,
            trio_rtc.open_signaling(house.ws_url, name="camera") as signaling,
            trio.open_nursery() as nursery,
        ):
            await _serve(house, signaling, nursery, tracks)
            url = f"{house.url}/whep/camera"
            session, width, kinds = await visitor.run(WATCH, url=url)
            assert width == 640
            assert kinds == ["audio", "video"]
            assert await visitor.run(END, url=session) == 200
            nursery.cancel_scope.cancel()


async def _serve(
    house: House,
    signaling: trio_rtc.Signaling,
    nursery: trio.Nursery,
    tracks: list[trio_rtc.MediaTrack],
) -> None:
    async def wait(call: trio_rtc.Call) -> None:
        await call.wait_ended()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await trio_rtc.serve_calls(wait, signaling, tracks=tracks, task_status=task_status)

    await nursery.start(serve)


async def test_the_page_is_called_and_shows_what_is_sent(
    chromium: str, maybe_firefox: str | None
) -> None:
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            visiting(house, maybe_firefox) as alice,
            trio_rtc.open_media(video="pattern", audio="tone") as tracks,
            trio.open_nursery() as nursery,
        ):
            await alice.signed_in("alice")
            nursery.start_soon(alice.click, "#answer")
            async with trio_rtc.open_whip(f"{house.url}/whip/alice", tracks=tracks):
                await alice.until("callState() === 'connected'")
                await alice.until("$('.remote video')?.videoWidth === 640")
                await alice.until("$('.remote video').currentTime > 0.3")
                kinds = await alice.run(
                    "return $('.remote video').srcObject.getTracks().map((t) => t.kind).sort()"
                )
                assert kinds == ["audio", "video"]
            # Who sends has ended it.
            await alice.until("callState() === ''")
            assert alice.errors == []


async def test_a_page_watches_a_film_as_it_is(chromium: str, tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", 4, options={"profile": "high"})
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            visiting(house, None) as visitor,
            trio_rtc.open_media(video=film, audio=film, loop=True, encoded=True) as tracks,
            trio_rtc.open_signaling(house.ws_url, name="camera") as signaling,
            trio.open_nursery() as nursery,
        ):
            await _serve(house, signaling, nursery, tracks)
            session, width, kinds = await visitor.run(WATCH, url=f"{house.url}/whep/camera")
            assert width == 160
            assert kinds == ["audio", "video"]
            assert await visitor.run(END, url=session) == 200
            nursery.cancel_scope.cancel()


async def test_pages_watch_what_a_page_publishes(chromium: str, maybe_firefox: str | None) -> None:
    """The server has a relay between them, which decodes nothing."""
    with trio.fail_after(200):
        async with (
            open_house(chromium, publishers=trio_rtc.relay_host()) as house,
            visiting(house, None) as publisher,
            visiting(house, maybe_firefox) as viewer,
        ):
            session = await publisher.run(PUBLISH, url=f"{house.url}/whip/studio")
            await until_published(f"{house.url}/whep/studio")
            _, width, kinds = await viewer.run(WATCH, url=f"{house.url}/whep/studio")
            assert width == 320
            assert "video" in kinds
            # The name is a peer of the room, which the page calls as any other.
            await viewer.signed_in("alice")
            await viewer.call("studio")
            await viewer.until("callState() === 'connected'")
            await viewer.until("$('.remote video')?.videoWidth === 320")
            assert await publisher.run(END, url=session) == 200
            await viewer.until("callState() === ''")


async def until_published(url: str) -> None:
    """Until there are pictures to be seen."""
    while True:
        try:
            async with trio_rtc.open_whep(url) as call:
                async for track in call.video_tracks:
                    async for _ in track:
                        return
        except trio_rtc.SignalingError as error:
            if error.code != "no_place":
                raise
        await trio.sleep(0.1)
