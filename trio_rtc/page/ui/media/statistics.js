// What a connection is doing: the path, the round trip, and the bitrate of the last minute.

import { Activity } from "../../activity.js";

const SECONDS = 60;

/** Looks at a connection each second; `show` is called with what it finds, until `stop`. */
export class Statistics {
  #connection;
  #show;
  #timer;
  #last = null;
  #activity = new Activity();
  #sent = [];
  #received = [];

  constructor(connection, show) {
    this.#connection = connection;
    this.#show = show;
    this.#timer = setInterval(() => this.#look(), 1000);
  }

  stop() {
    clearInterval(this.#timer);
  }

  async #look() {
    if (this.#connection.signalingState === "closed") return;
    const report = await this.#connection.getStats();
    const pair = selectedPair(report);
    if (!pair) return;
    const now = { time: performance.now(), sent: pair.bytesSent, received: pair.bytesReceived };
    const last = this.#last;
    this.#last = now;
    // A pair that has been changed counts from the beginning.
    if (!last || now.sent < last.sent || now.received < last.received) return;
    const bits = 8 / ((now.time - last.time) / 1000);
    push(this.#sent, (now.sent - last.sent) * bits);
    push(this.#received, (now.received - last.received) * bits);
    this.#show({
      path: path(report.get(pair.localCandidateId), report.get(pair.remoteCandidateId)),
      roundTrip: pair.currentRoundTripTime,
      sent: this.#sent,
      received: this.#received,
      silent: this.#activity.look(now.time, packets(report)),
    });
  }
}

/** How many packets of each track have come. */
function packets(report) {
  const inbound = [...report.values()].filter(({ type }) => type === "inbound-rtp");
  return new Map(inbound.map((one) => [one.trackIdentifier, one.packetsReceived]));
}

function selectedPair(report) {
  const all = [...report.values()];
  const transport = all.find((one) => one.type === "transport" && one.selectedCandidatePairId);
  if (transport) return report.get(transport.selectedCandidatePairId);
  return all.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
}

const KINDS = { host: "direct", srflx: "through NAT", prflx: "through NAT", relay: "relayed" };

function path(local, remote) {
  if (!local || !remote) return "–";
  const kinds = [local.candidateType, remote.candidateType];
  const worst = ["relay", "prflx", "srflx", "host"].find((kind) => kinds.includes(kind));
  return `${KINDS[worst] ?? "?"}: ${kinds[0]} to ${kinds[1]}, ${local.protocol}`;
}

function push(values, value) {
  values.push(value);
  if (values.length > SECONDS) values.shift();
}

/** The `d` of an SVG path of values, the newest at the right end, in a box of 300 by 80. */
export function plotPath(values, top) {
  return values
    .map((value, index) => {
      const x = 300 - (values.length - 1 - index) * (300 / (SECONDS - 1));
      const y = 78 - (value / top) * 76;
      return `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}

export function bitrate(bits) {
  if (bits >= 1e6) return `${(bits / 1e6).toFixed(2)} Mbit/s`;
  return `${(bits / 1e3).toFixed(bits < 1e4 ? 1 : 0)} kbit/s`;
}
