// A peer on another stack that has the browser's API: node node_peer.mjs MODULE
//
// Takes JSON on its standard input, a line for each thing, and prints events.

import { createInterface } from "node:readline";

import { startPeer } from "./w3c_peer.mjs";

const { RTCPeerConnection } = await import(process.argv[2]);

function say(event, fields = {}) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
}

const take = startPeer(RTCPeerConnection, say);
const input = createInterface({ input: process.stdin });
input.on("line", (text) => take(JSON.parse(text)));
input.on("close", () => process.exit(0));
say("ready");
