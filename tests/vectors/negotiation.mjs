// The page's negotiation on a connection that only remembers what it is told: prints that as JSON.

import { readFileSync } from "node:fs";

// As text: Node takes a .js file for a module only in its newer versions.
const timers = [];
globalThis.setTimeout = new Proxy(setTimeout, {
  apply(target, self, [work, milliseconds, ...rest]) {
    if (milliseconds === 2000) return timers.push(work);
    return Reflect.apply(target, self, [work, milliseconds, ...rest]);
  },
});
const source = readFileSync(new URL("../../trio_rtc/page/negotiation.js", import.meta.url), "utf8");
const { Negotiation } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

class Connection extends EventTarget {
  signalingState = "stable";
  remoteDescription = null;
  localDescription = { type: "offer", sdp: "" };
  told = [];

  async setLocalDescription() {
    const answers = this.signalingState === "have-remote-offer";
    this.signalingState = answers ? "stable" : "have-local-offer";
  }

  async setRemoteDescription(description) {
    this.remoteDescription = description;
    this.signalingState = description.type === "offer" ? "have-remote-offer" : "stable";
    this.told.push(description.type);
  }

  async addIceCandidate({ candidate, usernameFragment }) {
    this.told.push(`${candidate} ${usernameFragment}`);
  }
}

const pc = new Connection();
const host = {
  send() {},
  complain: (error) => pc.told.push(`${error}`),
  describing: async () => {},
};
const polite = process.argv[3] !== "impolite";
const negotiation = new Negotiation(pc, { polite, call: polite ? null : "ours", host });
pc.dispatchEvent(Object.assign(new Event("icecandidate"), { candidate: null }));
for (const message of JSON.parse(process.argv[2])) {
  if (message === "offer") pc.dispatchEvent(new Event("negotiationneeded"));
  else if (message === "grace") for (const work of timers.splice(0)) work();
  else negotiation.receive(message);
  await new Promise((resolve) => setTimeout(resolve));
}
negotiation.stop();
console.log(JSON.stringify(pc.told));
