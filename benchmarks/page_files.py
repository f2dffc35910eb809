#!/usr/bin/env python3
"""A file from page to page, beside two bare connections in the same page, in both browsers.

Both ends of either are in one page, on one thread of one browser. In every turn as many bytes go
over a bare channel, in messages of 64 KiB, as the file has: the ratio of the two is what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.browsers import House, open_house, visiting
from tests.browser.firefox import FIREFOX, running_firefox
from tests.peerjs.chromium import running_chromium

SET_UP = """
const { openSignaling, Calls } = await import("/trio-rtc.js");
const { sendFiles, receiveFiles } = await import("/transfers.js");
const PIECE = 65536, HIGH = 4 << 20, LOW = 1 << 20;
const content = new Uint8Array(size);
for (let at = 0; at < size; at += PIECE) crypto.getRandomValues(content.subarray(at, at + PIECE));
window.file = new File([content], "file.bin");

const open = (channel) => channel.readyState === "open" ? null :
  new Promise((resolve) => channel.addEventListener("open", resolve, { once: true }));
const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()];
for (const [one, other] of [[from, to], [to, from]])
  one.onicecandidate = ({ candidate }) => other.addIceCandidate(candidate);
const source = from.createDataChannel("bare", { negotiated: true, id: 0 });
const sink = to.createDataChannel("bare", { negotiated: true, id: 0 });
await from.setLocalDescription();
await to.setRemoteDescription(from.localDescription);
await to.setLocalDescription();
await from.setRemoteDescription(to.localDescription);
await Promise.all([open(source), open(sink)]);
source.bufferedAmountLowThreshold = LOW;
sink.binaryType = "arraybuffer";
window.bare = async () => {
  let came = 0;
  const all = new Promise((resolve) => (sink.onmessage = ({ data }) => {
    came += data.byteLength;
    if (came === size) resolve();
  }));
  for (let at = 0; at < size; at += PIECE) {
    if (source.bufferedAmount > HIGH)
      await new Promise((resolve) => (source.onbufferedamountlow = resolve));
    source.send(content.subarray(at, at + PIECE));
  }
  await all;
};

const alice = await openSignaling(url, { name: "a" });
const bob = await openSignaling(url, { name: "b" });
let received;
new Calls(bob).addEventListener("call", ({ detail: call }) => {
  call.addEventListener("channel", ({ detail: channel }) =>
    received(receiveFiles(channel, { call, accept: () => true })));
  call.accept();
});
const call = new Calls(alice).call(await until(() => alice.peers.get(bob.peerId)));
await until(() => call.state === "connected");
window.sent = async () => {
  const arrived = new Promise((resolve) => (received = resolve));
  await sendFiles(call, [file]);
  const [{ blob, discard }] = await arrived;
  if (blob.size !== size) throw new Error(`${blob.size} bytes have come`);
  discard();
};
window.seconds = async (work) => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
};
"""


async def measure(house: House, firefox: str | None, size: int, turns: int) -> dict[str, object]:
    seconds: dict[str, list[float]] = {"bare": [], "file": []}
    async with visiting(house, firefox) as page:
        await page.run(SET_UP, url=house.ws_url, size=size)
        await page.run("await bare(); await sent()")
        for _ in range(turns):
            seconds["bare"].append(await page.run("return await seconds(bare)"))
            seconds["file"].append(await page.run("return await seconds(sent)"))
    medians = {side: statistics.median(values) for side, values in seconds.items()}
    return {"seconds": seconds, "medians": medians, "ratio": medians["file"] / medians["bare"]}


async def main(
    chromium: str, firefox: str | None, only: str | None, size: int, turns: int
) -> dict[str, object]:
    found: dict[str, object] = {}
    async with open_house(chromium) as house:
        for name, address in [("chromium", None), ("firefox", firefox)]:
            if (name == "firefox" and firefox is None) or only not in (None, name):
                continue
            found[name] = figures = await measure(house, address, size, turns)
            print(name, figures["medians"], f"ratio {figures['ratio']:.2f}", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=50_000_000, help="bytes")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", choices=["chromium", "firefox"], help="one browser")
    parser.add_argument("--quick", action="store_true", help="one turn with 2 MB, in Chromium")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    if options.quick:
        options.size, options.turns = 2_000_000, 1
        options.only = "chromium"
    with ExitStack() as browsers:
        chromium = browsers.enter_context(running_chromium())
        has_firefox = FIREFOX is not None and options.only != "chromium"
        firefox = browsers.enter_context(running_firefox()) if has_firefox else None
        figures = trio.run(main, chromium, firefox, options.only, options.size, options.turns)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
