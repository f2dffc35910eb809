// What a call is about, by its offer.

import assert from "node:assert/strict";
import { test } from "node:test";

const { wayOf } = await import(`${process.env.PAGE}/offered.js`);

const section = (kind, direction, port = 9, more = "") =>
  `m=${kind} ${port} UDP/TLS/RTP/SAVPF 96\r\n${more}a=${direction}\r\n`;
const offer = (...sections) => `v=0\r\na=group:BUNDLE 0 1\r\n${sections.join("")}`;

test("by what the one who calls sends", () => {
  const data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
  assert.equal(wayOf(offer(section("audio", "sendrecv"), section("video", "sendonly"), data)), "video");
  assert.equal(wayOf(offer(section("audio", "sendrecv"), section("video", "recvonly"), data)), "voice");
  assert.equal(wayOf(offer(section("audio", "recvonly"), section("video", "inactive"), data)), "chat");
  assert.equal(wayOf(offer(data)), "chat");
  assert.equal(wayOf("nonsense"), "chat");
});

test("a section of a bundle has port 0 as well as a rejected one", () => {
  const bundled = section("video", "sendrecv", 0, "a=bundle-only\r\n");
  assert.equal(wayOf(offer(section("audio", "sendrecv"), bundled)), "video");
  assert.equal(wayOf(offer(section("audio", "sendrecv"), section("video", "sendrecv", 0))), "voice");
});
