// Both peers of libdatachannel in one process; prints figures as data_channel.py does.
const nodeDataChannel = require("node-datachannel");

const [trips, megabytes] = process.argv.slice(2).map(Number);
const ping = Buffer.alloc(100);
const highWater = 1024 * 1024;

const caller = new nodeDataChannel.PeerConnection("caller", { iceServers: [] });
const callee = new nodeDataChannel.PeerConnection("callee", { iceServers: [] });
for (const [from, to] of [[caller, callee], [callee, caller]]) {
  from.onLocalDescription((sdp, type) => to.setRemoteDescription(sdp, type));
  from.onLocalCandidate((candidate, mid) => to.addRemoteCandidate(candidate, mid));
}
let echoing;
callee.onDataChannel((channel) => {
  echoing = channel;
  channel.onMessage((message) => {
    if (typeof message === "string") channel.sendMessage(message);
    else if (message.length === ping.length) channel.sendMessageBinary(message);
  });
});

const channel = caller.createDataChannel("benchmark");
let take, low;
channel.onMessage((message) => take(message));
channel.setBufferedAmountLowThreshold(highWater / 4);
channel.onBufferedAmountLow(() => low && low());
const received = () => new Promise((resolve) => (take = resolve));

async function pingTimes(count) {
  for (let i = 0; i < count; i++) {
    const answer = received();
    channel.sendMessageBinary(ping);
    await answer;
  }
}

channel.onOpen(async () => {
  const figures = {};
  await pingTimes(Math.min(200, trips));
  let start = process.hrtime.bigint(), cpu = process.cpuUsage();
  const used = () => ((u) => u.user + u.system)(process.cpuUsage(cpu));
  await pingTimes(trips);
  figures["round trip, us"] = Number(process.hrtime.bigint() - start) / 1e3 / trips;
  figures["CPU of a round trip, us"] = used() / trips;
  for (const size of [1, 16, 64]) {
    const message = Buffer.alloc(size * 1024, 7);
    const count = Math.max(1, Math.round((megabytes * 1e6) / message.length));
    start = process.hrtime.bigint();
    cpu = process.cpuUsage();
    for (let i = 0; i < count; i++) {
      while (channel.bufferedAmount() + message.length > highWater)
        await new Promise((resolve) => { low = resolve; setTimeout(resolve, 1); });
      channel.sendMessageBinary(message);
    }
    const answer = received();
    channel.sendMessage("all");
    await answer;
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    figures[`${size} KiB, MB/s`] = (count * message.length) / seconds / 1e6;
    figures[`${size} KiB, CPU ms/MB`] = used() / 1e3 / ((count * message.length) / 1e6);
  }
  console.log(JSON.stringify(figures));
  caller.close();
  callee.close();
  nodeDataChannel.cleanup();
  process.exit(0);
});
