#!/usr/bin/env python3
"""A robot with a joystick: a page of its own steers it, and sees where it goes.

The page sends where the stick is, many times a second, on a channel that may lose messages rather
than be late (`maxRetransmits: 0`); the robot stops by itself when none comes for half a second.
Its camera is a drawing of where it is. Open the address that it prints. It needs
`pip install numpy`.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import trio
from av import VideoFrame

import trio_rtc
from trio_rtc.server import Request, Response

SIZE = 240
"""Pixels of its world, which is square."""

SPEED, PATIENCE, RATE = 120.0, 0.5, 15

PAGE = """<!DOCTYPE html>
<meta name="viewport" content="width=device-width">
<title>robot</title>
<style>
body { font: 16px sans-serif; text-align: center; background: #12312f; color: #fff }
video { height: 40vh; background: #000 }
#stick { width: 10rem; height: 10rem; margin: 1rem auto; border-radius: 50%; background: #245;
  touch-action: none }
</style>
<h1>robot</h1>
<video autoplay muted playsinline></video>
<div id="stick" aria-label="joystick"></div>
<p id="state">connecting</p>
<script type="module">
import { openSignaling, Calls } from "/trio-rtc.js";

const state = document.querySelector("#state");
const stick = document.querySelector("#stick");
const server = `ws${location.protocol.slice(4)}//${location.host}`;
const signaling = await openSignaling(server, { name: "driver" });
const robot = [...signaling.peers.values()].find((peer) => peer.name === "robot");
const call = new Calls(signaling).call(robot.id, {});
call.addEventListener("track", ({ detail }) => {
  document.querySelector("video").srcObject = new MediaStream([detail.track]);
});
call.addEventListener("state", () => { state.textContent = call.state; });
const channel = call.openChannel("stick", { ordered: false, maxRetransmits: 0 });
let position = [0, 0];
setInterval(() => {
  if (channel.readyState === "open") channel.send(JSON.stringify(position));
}, 50);
const move = (event) => {
  if (!event.buttons) return;
  const box = stick.getBoundingClientRect();
  const along = (where, from, length) => (where - from) / length * 2 - 1;
  position = [along(event.clientX, box.x, box.width), along(event.clientY, box.y, box.height)];
};
stick.addEventListener("pointerdown", move);
stick.addEventListener("pointermove", move);
for (const name of ["pointerup", "pointerleave"])
  stick.addEventListener(name, () => { position = [0, 0]; });
</script>
"""

#: What the page may do: its own script stands in it, and all else is of the server.
POLICY = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'"


@dataclass
class Robot:
    """Where it is, where it goes, and until when."""

    x: float = SIZE / 2
    y: float = SIZE / 2
    stick: tuple[float, float] = (0.0, 0.0)
    until: float = -math.inf

    def steer(self, message: str, now: float) -> None:
        """Take what a page sends; what is no position changes nothing."""
        try:
            x, y = (min(max(float(part), -1.0), 1.0) for part in json.loads(message))
        except (ValueError, TypeError):
            return
        self.stick, self.until = (x, y), now + PATIENCE

    def step(self, seconds: float, now: float) -> None:
        if now < self.until:
            self.x = min(max(self.x + SPEED * self.stick[0] * seconds, 0.0), SIZE - 1.0)
            self.y = min(max(self.y + SPEED * self.stick[1] * seconds, 0.0), SIZE - 1.0)

    def picture(self) -> np.ndarray:
        rows, columns = np.mgrid[0:SIZE, 0:SIZE]
        pixels = np.full((SIZE, SIZE, 3), (18, 49, 47), np.uint8)
        pixels[(columns % 40 == 0) | (rows % 40 == 0)] = (36, 68, 85)
        pixels[(columns - self.x) ** 2 + (rows - self.y) ** 2 < 144] = (45, 212, 191)
        return pixels


async def camera(robot: Robot) -> AsyncIterator[VideoFrame]:
    while True:
        robot.step(1 / RATE, trio.current_time())
        yield VideoFrame.from_ndarray(robot.picture(), format="rgb24")
        await trio.sleep(1 / RATE)


async def drive(robot: Robot, call: trio_rtc.Call) -> None:
    """A handler of calls."""

    async def steer(channel: trio_rtc.DataChannel) -> None:
        async for message in channel:
            robot.steer(str(message), trio.current_time())

    async with trio_rtc.open_track("video", camera(robot)) as track:
        await call.add_track(track)
        await trio_rtc.serve_channels(steer, call)


def page(request: Request) -> Response:
    extra = {"Content-Security-Policy": POLICY}
    return Response(200, "OK", PAGE.encode(), "text/html; charset=utf-8", extra=extra)


async def serve(
    robot: Robot, port: int, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """The server with the page, and the robot signed in to it; tells the address of the page."""
    start = partial(trio_rtc.serve_signaling, port, host="localhost", routes={"/robot": page})
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(start)
        address = f"localhost:{listeners[0].socket.getsockname()[1]}"
        async with trio_rtc.open_signaling(f"ws://{address}", name="robot") as signaling:
            # One driver at a time.
            calls = partial(trio_rtc.serve_calls, partial(drive, robot), signaling, max_calls=1)
            await nursery.start(calls)
            task_status.started(f"http://{address}/robot")
            print(f"http://{address}/robot", flush=True)
            await trio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=8888, help="of the server that it starts")
    try:
        trio.run(serve, Robot(), parser.parse_args().port)
    except* KeyboardInterrupt:
        pass
