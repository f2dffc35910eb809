// The page's negotiation on a connection that only remembers what it is told.

import { load, play } from "./play.mjs";

// What waits for the other side's answer while its offer crosses ours; null once it does not.
const timers = [];
globalThis.setTimeout = new Proxy(setTimeout, {
  apply(target, self, [work, milliseconds, ...rest]) {
    if (milliseconds === 2000) return { grace: timers.push(work) - 1 };
    return Reflect.apply(target, self, [work, milliseconds, ...rest]);
  },
});
globalThis.clearTimeout = new Proxy(clearTimeout, {
  apply(target, self, [timer]) {
    if (timer?.grace === undefined) return Reflect.apply(target, self, [timer]);
    timers[timer.grace] = null;
  },
});
const { Negotiation } = await load("negotiation.js");

class Connection extends EventTarget {
  signalingState = "stable";
  remoteDescription = null;
  localDescription = null;
  seen = [];

  async setLocalDescription() {
    const answers = this.signalingState === "have-remote-offer";
    this.signalingState = answers ? "stable" : "have-local-offer";
    this.localDescription = { type: answers ? "answer" : "offer", sdp: "" };
  }

  async setRemoteDescription(description) {
    this.remoteDescription = description;
    this.signalingState = description.type === "offer" ? "have-remote-offer" : "stable";
    this.seen.push(`takes ${description.type}`);
  }

  async addIceCandidate({ candidate, usernameFragment }) {
    this.seen.push(`adds ${candidate || "the end"} of ${usernameFragment ?? "any"}`);
  }
}

await play(async ({ polite, call, steps }) => {
  timers.length = 0;
  const pc = new Connection();
  const host = {
    send: ({ type }) => pc.seen.push(`sends ${type}`),
    complain: (error) => pc.seen.push(`${error}`),
    fail: (code) => pc.seen.push(code),
    describing: async () => {},
    authenticated: (sdp) => sdp,
  };
  const negotiation = new Negotiation(pc, { polite, call, host });
  pc.dispatchEvent(Object.assign(new Event("icecandidate"), { candidate: null }));
  const played = [];
  for (const { do: what, message } of steps) {
    if (what === "offer") pc.dispatchEvent(new Event("negotiationneeded"));
    else if (what === "first grace") timers.splice(0, 1, null)[0]?.();
    else if (what === "grace") for (const work of timers.splice(0)) work?.();
    else if (message.type === "offer" && negotiation.supersedes(message)) pc.seen.push("superseded");
    else negotiation.receive(message);
    await new Promise((resolve) => setTimeout(resolve));
    played.push(pc.seen.splice(0));
  }
  negotiation.stop();
  return played;
});
