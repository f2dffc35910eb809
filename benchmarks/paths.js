// A peer of libdatachannel for paths.py: sends as fast as it is let, or counts what comes.
const fs = require("node:fs");
const readline = require("node:readline");
const nodeDataChannel = require("node-datachannel");

const [what, secondsText, file] = process.argv.slice(2);
const seconds = Number(secondsText);
const size = 16 * 1024;
const highWater = 1024 * 1024;
const start = 2;

const peer = new nodeDataChannel.PeerConnection(what, { iceServers: [] });
peer.onGatheringStateChange((state) => {
  if (state === "complete") console.log(JSON.stringify(peer.localDescription().sdp));
});
readline.createInterface({ input: process.stdin }).once("line", (line) =>
  peer.setRemoteDescription(JSON.parse(line), what === "send" ? "answer" : "offer"),
);

function send(channel) {
  const message = Buffer.alloc(size, 7);
  const end = Date.now() + (seconds + 1) * 1000;
  const pour = () => {
    if (Date.now() > end) process.exit(0);
    while (channel.bufferedAmount() + size <= highWater) channel.sendMessageBinary(message);
    setTimeout(pour, 1);
  };
  pour();
}

let began, first = 0, steady = 0;
function count(message) {
  const now = Date.now() / 1000;
  began ??= now;
  const since = now - began;
  if (since < 1) first += message.length;
  if (since >= start && since < seconds) steady += message.length;
  if (since >= seconds) {
    const figures = {
      "MB/s": steady / (seconds - start) / 1e6,
      "MB in the first second": first / 1e6,
    };
    fs.writeFileSync(file, JSON.stringify(figures));
    process.exit(0);
  }
}

if (what === "send") {
  const channel = peer.createDataChannel("benchmark");
  channel.onOpen(() => send(channel));
} else {
  peer.onDataChannel((channel) => channel.onMessage(count));
}
