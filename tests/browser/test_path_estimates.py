"""What a browser takes its path for, by the feedback that we give it."""

from __future__ import annotations

import trio

import trio_rtc

from .browsers import open_house, visiting
from .test_whip import PUBLISH

LARGE = PUBLISH.replace("320; canvas.height = 240", "1280; canvas.height = 720")

#: Bits a second; well above the 300 000 that it begins with, and on a busy machine reached as well.
ENOUGH = 500_000

UNTIL_ENOUGH = """
for (;;) {
  const all = [...(await pc.getStats()).values()];
  const pair = all.find((one) => one.type === "candidate-pair" && one.nominated);
  if (pair?.availableOutgoingBitrate > enough) return pair.availableOutgoingBitrate;
  await new Promise((done) => setTimeout(done, 100));
}
"""


async def test_a_page_learns_what_its_path_carries(chromium: str) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house, visiting(house, None) as visitor:

            async def answer(call: trio_rtc.Call) -> None:
                async for track in call.video_tracks:
                    async for _ in track:
                        pass

            async with (
                trio_rtc.open_signaling(house.ws_url, name="studio") as signaling,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(trio_rtc.serve_calls, answer, signaling)
                await visitor.run(LARGE, url=f"{house.url}/whip/studio")
                # It probes by itself, and believes what it hears of that: without feedback it
                # stays at the 300 kbit/s with which it begins, or falls.
                assert await visitor.run(UNTIL_ENOUGH, enough=ENOUGH) > ENOUGH
                nursery.cancel_scope.cancel()
