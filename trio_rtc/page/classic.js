// The protocol of libwebrtc's peerconnection example, by fetch: a hanging GET, and POSTs.

import { diagnose, Pause, Signaling, SignalingError } from "./signaling.js";

const ANSWER_MS = 10_000;
/** How long a server that does not answer is asked again. It keeps us for 30 s. */
const RETRY_MS = 25_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;

export class ClassicSignaling extends Signaling {
  #url;
  #sending = Promise.resolve();
  #ended = new AbortController();
  #pause = new Pause();

  constructor(url, { name }) {
    super();
    this.#url = url.replace(/\/$/, "");
    this.name = name;
  }

  /** Sign in; it lasts until `close`. */
  async open() {
    let response;
    try {
      response = await this.#fetch(`sign_in?${encodeURIComponent(this.name)}`);
    } catch {
      throw await diagnose(this.#url);
    }
    if (response.status !== 200) throw await refused(response, this.#url);
    await this.#checkOrigin();
    this.peerId = sender(response);
    for (const { id, name } of peerLines(await response.text())) {
      if (id === this.peerId) this.name = name;
      else this.peers.set(id, { id, name });
    }
    if (!this.peerId)
      throw new SignalingError(`${this.#url} is no signaling server`, "not_signaling_server");
    this.connected();
    this.#poll();
  }

  /** Send a text to a peer. Texts leave one at a time, in the order of the calls. */
  send(peer, data) {
    if (this.state === "lost") throw this.error;
    const to = peer.id ?? peer;
    this.#sending = this.#sending.then(() => this.#post(to, data));
  }

  /** Sign out, even if the page is about to go. */
  close() {
    this.#ended.abort();
    if (!this.peerId) return;
    const request = { keepalive: true, cache: "no-store" };
    // What was sent before goes first; what fails now, the server finds out by itself.
    fetch(`${this.#url}/sign_out?peer_id=${this.peerId}`, request).catch(() => {});
  }

  async #checkOrigin() {
    // A GET to the page's own server does not tell our origin; what we will post does.
    if (new URL(this.#url).origin !== location.origin) return;
    const { status } = await this.#fetch("healthz", { method: "POST" });
    if (status === 403) throw await diagnose(this.#url);
  }

  async #post(to, data) {
    let code = "send_failed";
    let message;
    try {
      const response = await this.#fetch(`message?peer_id=${this.peerId}&to=${to}`, {
        method: "POST",
        body: data,
        headers: { "Content-Type": "text/plain" },
        // For such requests a browser has 64 KiB.
        keepalive: new Blob([data]).size < 60_000,
      });
      if (response.ok) return;
      if (response.status === 404 || response.status === 500) code = "unknown_peer";
      message = await response.text();
    } catch (error) {
      message = error.message;
    }
    this.emit("failed", { peer: this.peer(to), code, message });
  }

  #fetch(path, options = {}) {
    const signal = AbortSignal.timeout(ANSWER_MS);
    return fetch(`${this.#url}/${path}`, { cache: "no-store", signal, ...options });
  }

  async #poll() {
    const goOnline = () => this.#pause.wake();
    addEventListener("online", goOnline);
    try {
      await this.#keepPolling();
    } finally {
      removeEventListener("online", goOnline);
    }
  }

  async #keepPolling() {
    let pause = FIRST_PAUSE_MS;
    let failures = 0;
    let deadline = 0;
    while (!this.#ended.signal.aborted) {
      const asked = performance.now();
      try {
        const response = await this.#wait();
        if (failures > 1) this.connected();
        [pause, failures] = [FIRST_PAUSE_MS, 0];
        if (!(await this.#hear(response))) return;
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        const now = performance.now();
        // A GET that hung, and was closed without an answer, is an invitation to ask again.
        if (now - asked > LONGEST_PAUSE_MS) [pause, failures] = [FIRST_PAUSE_MS, 0];
        if (!failures) deadline = now + RETRY_MS;
        failures += 1;
        if (failures > 1) this.reconnecting(error.message);
        if (now >= deadline) {
          this.lost(new SignalingError("The signaling server has gone", "session_lost"));
          return;
        }
        await this.#pause.sleep(pause * (0.5 + Math.random() / 2));
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      }
    }
  }

  async #wait() {
    const signal = this.#ended.signal;
    const response = fetch(`${this.#url}/wait?peer_id=${this.peerId}`, {
      cache: "no-store", signal });
    // A request that hangs says that the server is there again.
    const settled = setTimeout(() => this.connected(), LONGEST_PAUSE_MS);
    try {
      return await response;
    } finally {
      clearTimeout(settled);
    }
  }

  /** Take in an answer; tell whether there may be more. */
  async #hear(response) {
    const body = await response.text();
    if (response.status !== 200) {
      this.lost(new SignalingError(body || "The server does not know us any more", "signed_out"));
      return false;
    }
    const from = sender(response);
    if (!from) {
      this.lost(new SignalingError(body || "The server has ended", "server_shutdown"));
      return false;
    }
    if (from !== this.peerId) {
      this.emit("message", { peer: this.peer(from), data: body });
      return true;
    }
    for (const { id, name, connected } of peerLines(body))
      if (connected) this.joined({ id, name });
      else this.left(id);
    return true;
  }
}

/** Who an answer speaks of: the number in `Pragma`. */
function sender(response) {
  return Number(response.headers.get("Pragma")) || 0;
}

/** `NAME,ID,CONNECTED` per line; what does not look so is passed over. */
function* peerLines(text) {
  for (const line of text.split("\n")) {
    const match = /^(.*),\s*(\d+),\s*([01])\s*$/.exec(line);
    if (match) yield { name: match[1], id: Number(match[2]), connected: match[3] === "1" };
  }
}

async function refused(response, url) {
  const why = (await response.text()).slice(0, 200);
  const code = { 401: "not_authorized", 403: "forbidden", 429: "no_place", 503: "no_place" };
  if (response.status === 403 && why.includes("origin")) return diagnose(url);
  return new SignalingError(why || `The server answers ${response.status}`,
    code[response.status] ?? "not_signaling_server");
}
