// A peer on libdatachannel: node libdatachannel_peer.mjs node-datachannel
//
// Takes JSON on its standard input, a line for each thing, and prints events, as node_peer.mjs does.
// Its API is libdatachannel's own, where a track is what RTP packets go over, one way here. What it
// sends are pictures and sound that it has been given, {"do": "media"}, over and over, for as long as
// the track is there. Of what comes it tells each new source, once a packet ends a picture or a piece
// of sound ("frames").

import { createInterface } from "node:readline";

const { Audio, PeerConnection, Video } = await import(process.argv[2]);

const CODECS = { video: "VP8/90000", audio: "opus/48000/2" };
const CLOCKS = { video: [40, 3600], audio: [20, 960] }; // milliseconds, and ticks of that
const OWN_TYPES = { video: 120, audio: 121 };

function say(event, fields = {}) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
}

const connection = new PeerConnection("peer", {
  iceServers: [],
  disableAutoNegotiation: true,
  // Media may come to a call that begins without.
  forceMediaTransport: true,
});
const channels = new Map();
const payloads = { video: [], audio: [] };
const shared = [];
const kept = [];
let remoteSdp = "";

// What it finds before it has the other side's description waits for that. Otherwise we may be in the
// middle of the DTLS handshake when it is still about to note our fingerprint, and it refuses that.
const waiting = [];
let isDescribed = false;
let isUnanswered = false;
let isWanted = false;

connection.onLocalDescription((sdp, type) => {
  const without = sdp.replace(/^a=(candidate:.*|end-of-candidates)\r\n/gm, "");
  say("signal", { message: { type, sdp: without } });
});
connection.onLocalCandidate((candidate, sdpMid) => {
  const message = { candidate: candidate.replace(/^a=/, ""), sdpMid, sdpMLineIndex: null };
  if (isDescribed) say("signal", { message });
  else waiting.push(message);
});
connection.onStateChange((state) => say("state", { state }));
connection.onDataChannel((channel) => use(channel));
connection.onTrack(receive);

// Data channels.

function use(channel) {
  const label = channel.getLabel();
  channels.set(label, channel);
  channel.onMessage((data) => {
    const isText = typeof data === "string";
    const size = Buffer.byteLength(data);
    say("message", { label, size, text: isText && size < 100 ? data : null });
    if (!label.startsWith("echo")) return;
    if (isText) channel.sendMessage(data);
    else channel.sendMessageBinary(Buffer.from(data));
  });
  channel.onClosed(() => say("closed", { label }));
  const opened = () => say("channel", { label, protocol: channel.getProtocol() });
  if (channel.isOpen()) opened();
  else channel.onOpen(opened);
}

// Media.

function typeOf(kind) {
  const found = new RegExp(`^a=rtpmap:(\\d+) ${CODECS[kind]}`, "mi").exec(remoteSdp);
  return found ? Number(found[1]) : OWN_TYPES[kind];
}

function receive(track) {
  const kind = track.type();
  const sources = new Set();
  track.onMessage((packet) => {
    const type = packet[1] & 0x7f;
    if (type >= 64 && type < 96) return; // RTCP (RFC 5761, section 4)
    const source = packet.readUInt32BE(8);
    const ends = kind === "audio" || packet[1] >> 7;
    if (!ends || sources.has(source)) return;
    sources.add(source);
    say("frames", { kind });
  });
  // It is gone when nothing holds it.
  kept.push(track);
}

function send(track, kind, ssrc) {
  let number = randomBits() & 0xffff;
  let timestamp = randomBits();
  let place = 0;
  const [milliseconds, ticks] = CLOCKS[kind];
  const timer = setInterval(() => {
    if (!track.isOpen()) return;
    const header = Buffer.alloc(12);
    header[0] = 0x80;
    header[1] = typeOf(kind) | (kind === "video" ? 0x80 : 0);
    header.writeUInt16BE(number, 2);
    header.writeUInt32BE(timestamp, 4);
    header.writeUInt32BE(ssrc, 8);
    // Each picture begins and ends with its packet (RFC 7741, section 4.2).
    const descriptor = kind === "video" ? [Buffer.from([0x10])] : [];
    const payload = payloads[kind][place++ % payloads[kind].length];
    track.sendMessageBinary(Buffer.concat([header, ...descriptor, payload]));
    number = (number + 1) & 0xffff;
    timestamp = (timestamp + ticks) >>> 0;
  }, milliseconds);
  track.onClosed(() => clearInterval(timer));
}

function randomBits() {
  return Math.floor(Math.random() * 2 ** 32);
}

function addTrack(kind, name) {
  const section = kind === "video" ? Video : Audio;
  const description = new section(name, "SendOnly");
  if (kind === "video") description.addVP8Codec(typeOf(kind));
  else description.addOpusCodec(typeOf(kind));
  const ssrc = randomBits();
  description.addSSRC(ssrc, "peer", "stream", name);
  const track = connection.addTrack(description);
  send(track, kind, ssrc);
  return track;
}

// Offers and answers.

function offer() {
  // One after the other.
  isWanted = connection.signalingState() !== "stable";
  if (isWanted) return;
  isUnanswered = true;
  connection.setLocalDescription("offer");
}

function apply({ type, sdp }) {
  remoteSdp = sdp;
  connection.setRemoteDescription(sdp, type);
  isDescribed = true;
  for (const message of waiting.splice(0)) say("signal", { message });
}

function perform(order) {
  const channel = channels.get(order.label);
  switch (order.do) {
    case "media":
      for (const kind of ["video", "audio"])
        payloads[kind] = order[kind].map((text) => Buffer.from(text, "base64"));
      return;
    case "call":
      if (order.channel ?? true) use(connection.createDataChannel("echo"));
      for (const kind of order.media) addTrack(kind, `first-${kind}`);
      return offer();
    case "add track":
      shared.push(addTrack(order.kind, order.name));
      return offer();
    case "remove track":
      shared.pop().close();
      return offer();
    case "open":
      return use(connection.createDataChannel(order.label));
    case "send":
      if (order.text !== undefined) return channel.sendMessage(order.text);
      return channel.sendMessageBinary(Buffer.alloc(order.size, 120));
    case "close channel":
      return channel.close();
    case "close":
      return connection.close();
  }
}

function take(line) {
  if ("do" in line) perform(line);
  else if (line.type === "offer") {
    apply(line);
    connection.setLocalDescription("answer");
    // It has been taken back for that.
    if (isUnanswered) offer();
  } else if (line.type === "answer") {
    apply(line);
    isUnanswered = false;
    if (isWanted) offer();
  } else if (line.type === "bye") say("bye");
  else if (line.candidate) connection.addRemoteCandidate(line.candidate, line.sdpMid ?? "");
}

const input = createInterface({ input: process.stdin });
input.on("line", (text) => {
  try {
    take(JSON.parse(text));
  } catch (error) {
    say("error", { why: `${error}` });
  }
});
input.on("close", () => process.exit(0));
say("ready");
