// The calls of one signaling session: whose message is for which.

import { Call } from "./call.js";
import { parseMessage } from "./messages.js";
import { SignalingError } from "./signaling.js";

const EARLY_LIMIT = 256;

/**
 * Makes calls and takes them.
 *
 * Event: `call` (detail: a `Call` that rings, until its `accept` or `decline`).
 */
export class Calls extends EventTarget {
  #signaling;
  #options;
  #active = new Map();
  #early = new Map();

  /** `options`: `iceServers` instead of those of the server, `iceTransportPolicy`. */
  constructor(signaling, options = {}) {
    super();
    this.#signaling = signaling;
    this.#options = options;
    signaling.addEventListener("message", ({ detail }) => this.#hear(detail.peer, detail.data));
    signaling.addEventListener("peerleft", ({ detail }) => {
      this.#early.delete(detail.id);
      this.#active.get(detail.id)?.peerLeft();
    });
    signaling.addEventListener("failed", ({ detail }) =>
      this.#active.get(detail.peer.id)?.notDelivered(detail));
    signaling.addEventListener("lost", ({ detail }) => {
      for (const call of [...this.#active.values()]) call.signalingLost(detail);
    });
  }

  /**
   * Call a peer; the `Call`. `tracks` is a list of [track, stream]. With a `code` the call connects only
   * if the other side knows that, too, whatever the server does.
   */
  call(peer, { tracks = [], code } = {}) {
    const found = this.#signaling.peers.get(peer.id ?? peer);
    if (!found) throw new SignalingError(`No peer ${peer.id ?? peer} is signed in`, "unknown_peer");
    if (this.#active.has(found.id))
      throw new SignalingError(`There is a call with ${found.name} already`, "busy");
    return this.#add(new Call(this.#signaling, found, { ...this.#options, tracks, code }));
  }

  /** Hang up all calls. */
  hangUpAll(reason = "") {
    for (const call of [...this.#active.values()]) call.hangUp(reason);
  }

  #add(call) {
    this.#active.set(call.peer.id, call);
    call.addEventListener("ended", () => {
      if (this.#active.get(call.peer.id) === call) this.#active.delete(call.peer.id);
    });
    return call;
  }

  #hear(peer, data) {
    const message = parseMessage(data);
    if (!message) return;
    let call = this.#active.get(peer.id);
    if (call && message.type === "offer" && call.supersedes(message)) {
      call.finish("superseded");
      call = undefined;
    }
    if (call) call.receive(message);
    else if (message.type === "offer") this.#ring(peer, message);
    else if (message.type === undefined) this.#keep(peer, message);
    else if (message.type === "bye") this.#early.delete(peer.id);
  }

  #ring(peer, offer) {
    const call = this.#add(new Call(this.#signaling, peer, { ...this.#options, offer }));
    for (const candidate of this.#early.get(peer.id) ?? []) call.receive(candidate);
    this.#early.delete(peer.id);
    this.dispatchEvent(new CustomEvent("call", { detail: call }));
  }

  #keep(peer, candidate) {
    const kept = this.#early.get(peer.id) ?? [];
    if (kept.length < EARLY_LIMIT) kept.push(candidate);
    this.#early.set(peer.id, kept);
  }
}
