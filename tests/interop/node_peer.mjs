// A peer on another stack that has the browser's API: node node_peer.mjs MODULE
//
// Takes JSON on its standard input, a line for each thing: what the other side says, or
// {"do": ...}. Prints events; of these "signal" is what it says to the other side. Channels whose
// label begins with "echo" send back what comes over them, and so do all tracks.

import { createInterface } from "node:readline";

const { RTCPeerConnection } = await import(process.argv[2]);

const connection = new RTCPeerConnection({ iceServers: [] });
const channels = new Map();

// What it finds before it has the other side's description waits for that. Otherwise we may be in
// the middle of the DTLS handshake when libdatachannel is still about to note our fingerprint, and
// it refuses that.
const waiting = [];
let isDescribed = false;

function say(event, fields = {}) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
}

function use(channel) {
  const { label } = channel;
  channels.set(label, channel);
  channel.binaryType = "arraybuffer";
  channel.onmessage = ({ data }) => {
    const isText = typeof data === "string";
    const size = isText ? Buffer.byteLength(data) : data.byteLength;
    say("message", { label, size, text: isText && size < 100 ? data : null });
    if (label.startsWith("echo")) channel.send(data);
  };
  channel.onclose = () => say("closed", { label });
  const opened = () => say("channel", { label, protocol: channel.protocol });
  if (channel.readyState === "open") opened();
  else channel.onopen = opened;
}

connection.onicecandidate = ({ candidate }) => {
  if (!candidate?.candidate) return;
  if (isDescribed) say("signal", { message: candidate });
  else waiting.push(candidate);
};
connection.onconnectionstatechange = () => say("state", { state: connection.connectionState });
connection.ondatachannel = ({ channel }) => use(channel);
connection.ontrack = ({ track, transceiver }) => {
  say("track", { kind: track.kind });
  transceiver.sender.replaceTrack(track);
};

function sayDescription() {
  const { type, sdp } = connection.localDescription;
  const without = sdp.replace(/^a=(candidate:.*|end-of-candidates)\r\n/gm, "");
  say("signal", { message: { type, sdp: without } });
}

async function apply(description) {
  await connection.setRemoteDescription(description);
  isDescribed = true;
  for (const candidate of waiting.splice(0)) say("signal", { message: candidate });
}

async function answer(offer) {
  await apply(offer);
  for (const transceiver of connection.getTransceivers()) transceiver.direction = "sendrecv";
  await connection.setLocalDescription(await connection.createAnswer());
  sayDescription();
}

async function offer() {
  await connection.setLocalDescription(await connection.createOffer());
  sayDescription();
}

async function perform(order) {
  const channel = channels.get(order.label);
  switch (order.do) {
    case "call":
      use(connection.createDataChannel("echo"));
      for (const kind of order.media) connection.addTransceiver(kind, { direction: "sendrecv" });
      return offer();
    case "open":
      return use(connection.createDataChannel(order.label));
    case "send":
      return channel.send(order.text ?? Buffer.alloc(order.size, "x"));
    case "close channel":
      return channel.close();
    case "close":
      return connection.close();
  }
}

async function take(line) {
  if ("do" in line) await perform(line);
  else if (line.type === "offer") await answer(line);
  else if (line.type === "answer") await apply(line);
  else if (line.type === "bye") say("bye");
  else await connection.addIceCandidate(line.candidate ? line : null);
}

// One thing after the other, as the operations of a connection are chained in a browser.
let turn = Promise.resolve();
const input = createInterface({ input: process.stdin });
input.on("line", (text) => {
  turn = turn.then(() => take(JSON.parse(text))).catch((error) => say("error", { why: `${error}` }));
});
input.on("close", () => process.exit(0));
say("ready");
