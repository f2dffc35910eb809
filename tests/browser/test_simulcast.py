"""A page that publishes three layers of a picture, and viewers of it."""

from __future__ import annotations

import trio

import trio_rtc
from trio_rtc.rtc.backend.media.receiving.pictures.frame_size import coded_size

from .browsers import open_house, visiting
from .test_whip import END, WHIP, until_published

#: Of fewer points Chromium makes two layers at most.
PUBLISH = f"""{WHIP}
const canvas = document.createElement("canvas");
canvas.width = 960; canvas.height = 540;
const draw = canvas.getContext("2d");
setInterval(() => {{ draw.fillStyle = `hsl(${{Date.now() / 20 % 360}} 90% 50%)`;
                     draw.fillRect(0, 0, 960, 540); }}, 90);
pc.addTransceiver(canvas.captureStream(10).getVideoTracks()[0], {{
  direction: "sendonly",
  sendEncodings: [
    {{ rid: "h", maxBitrate: 500000 }},
    {{ rid: "m", scaleResolutionDownBy: 2, maxBitrate: 200000 }},
    {{ rid: "l", scaleResolutionDownBy: 4, maxBitrate: 100000 }},
  ],
}});
return await ask(pc);
"""

SENT = """
const found = [];
for (const one of (await pc.getStats()).values())
  if (one.type === "outbound-rtp" && one.framesSent > 0) found.push(one.rid || "");
return found.sort();
"""


async def until_width(track: trio_rtc.MediaTrack, least: int, most: int = 10_000) -> None:
    """Wait for a keyframe of such a width: a browser on a busy machine makes its layers smaller."""
    async for packet in track.packets():
        if packet.is_keyframe:
            size = coded_size("VP8", bytes(packet))
            assert size is not None
            if least <= size[0] <= most:
                return
    raise AssertionError("the track has ended")


async def test_viewers_get_layers_of_what_a_page_publishes(chromium: str) -> None:
    with trio.fail_after(120):
        async with (
            open_house(chromium) as house,
            visiting(house, None) as publisher,
            trio_rtc.open_signaling(house.ws_url, name="studio") as signaling,
            trio.open_nursery() as nursery,
        ):

            async def answer(call: trio_rtc.Call) -> None:
                async with trio_rtc.open_relay(call) as relaying:
                    await relaying.wait_tracks()
                    async with (
                        trio_rtc.open_call(signaling, "wide", receive=()) as wide,
                        trio_rtc.open_call(signaling, "narrow", receive=()) as narrow,
                    ):
                        await relaying.add_viewer(wide)
                        sender = await narrow.add_track(relaying.tracks[0])
                        await sender.set_max_bitrate(1)
                        await call.wait_ended()

            async def watch(
                name: str,
                widths: tuple[int, int],
                seen: trio.Event,
                task_status: trio.TaskStatus[None],
            ) -> None:
                async def look(call: trio_rtc.Call) -> None:
                    async for track in call.video_tracks:
                        await until_width(track, *widths)
                        seen.set()

                async with trio_rtc.open_signaling(house.ws_url, name=name) as viewer:
                    await trio_rtc.serve_calls(look, viewer, task_status=task_status)

            seen = [trio.Event(), trio.Event()]
            await nursery.start(watch, "wide", (400, 960), seen[0])
            await nursery.start(watch, "narrow", (1, 240), seen[1])
            nursery.start_soon(lambda: trio_rtc.serve_calls(answer, signaling, simulcast=True))
            session = await publisher.run(PUBLISH, url=f"{house.url}/whip/studio")
            for one in seen:
                await one.wait()
            assert {"l", "m"} <= set(await publisher.run(SENT)) <= {"l", "m", "h"}
            assert await publisher.run(END, url=session) == 200
            nursery.cancel_scope.cancel()


async def test_an_ordinary_call_gets_one_layer(chromium: str) -> None:
    with trio.fail_after(90):
        async with (
            open_house(chromium) as house,
            visiting(house, None) as publisher,
            trio_rtc.open_signaling(house.ws_url, name="studio") as signaling,
            trio.open_nursery() as nursery,
        ):
            seen = trio.Event()

            async def answer(call: trio_rtc.Call) -> None:
                async for track in call.video_tracks:
                    async for _ in track:
                        seen.set()

            nursery.start_soon(trio_rtc.serve_calls, answer, signaling)
            await publisher.run(PUBLISH, url=f"{house.url}/whip/studio")
            await seen.wait()
            [sent] = await publisher.run(SENT)
            assert sent in ("", "h")
            nursery.cancel_scope.cancel()


async def test_a_server_relays_layers_of_a_page(chromium: str) -> None:
    with trio.fail_after(120):
        async with (
            open_house(chromium, publishers=trio_rtc.relay_host()) as house,
            visiting(house, None) as publisher,
        ):
            session = await publisher.run(PUBLISH, url=f"{house.url}/whip/studio")
            await until_published(f"{house.url}/whep/studio")
            async with trio_rtc.open_whep(f"{house.url}/whep/studio") as call:
                async for track in call.video_tracks:
                    await until_width(track, 400)
                    break
            assert await publisher.run(END, url=session) == 200
