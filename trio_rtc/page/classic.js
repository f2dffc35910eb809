// The protocol of libwebrtc's peerconnection example, by fetch: a hanging GET, and POSTs.

import { diagnose, folder, isOurs, Pause, Signaling, SignalingError, words } from "./signaling.js";

const ANSWER_MS = 10_000;
/** How long a server that does not answer is asked again. It keeps us for 30 s. */
const RETRY_MS = 25_000;
/** How long a GET is to hang at a server that can end it, and how much later it may be answered. */
const HANG_MS = 10_000;
const LATE_MS = 5000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;

/** With these a gateway says that a message has not reached the server. */
const NOT_DELIVERED = [502, 503];
/** With these a server says that it does not know us, or not from here. */
const SIGNED_OUT = [401, 403, 404];
/** How libwebrtc's example says that it knows somebody not, and nobody else does: with a 500. */
const ORIGINAL_REASONS = ["Sorry", "Error"];

/** An answer that should have come by now. */
class Late extends Error {}

export class ClassicSignaling extends Signaling {
  #url;
  /** How long it may take to sign in, in milliseconds. */
  #patience;
  #sending = Promise.resolve();
  #number = 0;
  /** What shows that a request is of this session, if the server has told it. */
  #session = "";
  #ended = new AbortController();
  #pause = new Pause();
  /** Whether the server is one of this project: that one says so in every answer. */
  #isOurs = false;

  /** A session with the first of these `Servers`. */
  constructor(servers, { name }) {
    super();
    this.#url = folder(servers.current).slice(0, -1);
    this.#patience = servers.patience(ANSWER_MS);
    this.server = servers.current;
    this.name = name;
  }

  /** Sign in; it lasts until `close`. */
  async open() {
    try {
      await this.#signIn();
    } catch (error) {
      // Otherwise the server keeps us for a while, and others see somebody who never answers.
      this.close();
      throw error instanceof SignalingError ? error : await diagnose(this.#url, this.#patience);
    }
    this.connected();
    this.#poll();
  }

  async #signIn() {
    const signal = AbortSignal.timeout(this.#patience);
    const response = await this.#fetch(`sign_in?${encodeURIComponent(this.name)}`, { signal });
    if (response.status !== 200) throw await refused(response, this.#url);
    this.peerId = sender(response);
    this.#session = response.headers.get("Signaling-Session") ?? "";
    await this.#checkOrigin();
    this.#isOurs = isOurs(response);
    for (const { id, name } of peerLines(await response.text())) {
      if (id === this.peerId) this.name = name;
      else this.peers.set(id, { id, name });
    }
    if (!this.peerId)
      throw new SignalingError(`${this.#url} is no signaling server`, "not_signaling_server");
  }

  /** Send a text to a peer; its number. Texts leave one at a time, in the order of the calls. */
  send(peer, data) {
    if (this.state === "lost") throw this.error;
    const to = peer.id ?? peer;
    const number = (this.#number += 1);
    this.#sending = this.#sending.then(() => this.#post(to, data, number));
    return number;
  }

  /** Sign out, even if the page is about to go. */
  close() {
    this.#ended.abort();
    if (!this.peerId) return;
    const request = { keepalive: true, cache: "no-store" };
    // What was sent before goes first; what fails now, the server finds out by itself.
    fetch(`${this.#url}/${this.#own("sign_out")}`, request).catch(() => {});
  }

  async #checkOrigin() {
    // A GET to the page's own server does not tell our origin; what we will post does.
    if (new URL(this.#url).origin !== location.origin) return;
    const { status } = await this.#fetch("healthz", { method: "POST" });
    if (status === 403) throw await diagnose(this.#url);
  }

  async #post(to, data, number) {
    let code = "send_failed";
    let message;
    try {
      const response = await this.#deliver(to, data);
      if (response.ok && (isOurs(response) || !this.#isOurs)) return;
      if ([404, 500].includes(response.status) && this.#isFinal(response)) code = "unknown_peer";
      if (response.status === 503 && isOurs(response)) code = "mailbox_full";
      message = (await words(response)) || `The server answers ${response.status}`;
    } catch (error) {
      message = error.message;
    }
    this.emit("failed", { peer: this.peer(to), number, code, message });
  }

  /** Send a message, again if a gateway says that it has not arrived. */
  async #deliver(to, data) {
    const deadline = performance.now() + RETRY_MS;
    let pause = FIRST_PAUSE_MS;
    for (;;) {
      const response = await this.#fetch(`${this.#own("message")}&to=${to}`, {
        method: "POST",
        body: data,
        headers: { "Content-Type": "text/plain" },
        // For such requests a browser has 64 KiB.
        keepalive: new Blob([data]).size < 60_000,
      });
      const lost = NOT_DELIVERED.includes(response.status) && !isOurs(response);
      if (!lost || this.#ended.signal.aborted || performance.now() + pause >= deadline) return response;
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  /** The path of a request of this session. */
  #own(path) {
    const session = this.#session && `&session=${encodeURIComponent(this.#session)}`;
    return `${path}?peer_id=${this.peerId}${session}`;
  }

  /** Whether it is the server itself that says so, and no gateway before it. */
  #isFinal(response) {
    return isOurs(response) || (!this.#isOurs && isTheOriginals(response));
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
    let longest = HANG_MS;
    let failures = 0;
    let deadline = 0;
    while (!this.#ended.signal.aborted) {
      const asked = performance.now();
      let why;
      let isLate = false;
      try {
        // Who fails asks for a quick answer: it tells that the server is there again.
        const response = await this.#wait(failures ? 1000 : longest);
        const done = await this.#hear(response);
        if (done === "lost") return;
        if (done === "heard") {
          [pause, failures] = [FIRST_PAUSE_MS, 0];
          this.connected();
          continue;
        }
        why = done;
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        isLate = error instanceof Late;
        why = error.message;
      }
      const now = performance.now();
      if (now - asked > LONGEST_PAUSE_MS) {
        // The other server's way to have a client ask again is to close the connection.
        if (!this.#isOurs) [pause, failures] = [FIRST_PAUSE_MS, 0];
        // What is in between may cut off what hangs for so long.
        else if (!isLate) longest = Math.max(1000, longest / 2);
      }
      if (!failures) deadline = now + RETRY_MS;
      failures += 1;
      if (failures > 1 || isLate) this.reconnecting(why);
      if (now >= deadline) {
        this.lost(new SignalingError("The signaling server has gone", "session_lost"));
        return;
      }
      await this.#pause.sleep(pause * (0.5 + Math.random() / 2));
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  /** One hanging GET. */
  async #wait(hang) {
    const late = new AbortController();
    const stop = () => late.abort(new Late("The server does not answer"));
    const abandon = () => late.abort();
    this.#ended.signal.addEventListener("abort", abandon);
    // The other server has no end to it: an empty answer is nothing that it may send.
    const limit = this.#isOurs ? setTimeout(stop, hang + LATE_MS) : 0;
    const settled = this.#isOurs ? 0 : setTimeout(() => this.connected(), LONGEST_PAUSE_MS);
    const seconds = this.#isOurs ? `&seconds=${hang / 1000}` : "";
    try {
      const url = `${this.#url}/${this.#own("wait")}${seconds}`;
      const response = await fetch(url, { cache: "no-store", signal: late.signal });
      return { response, body: await response.text() };
    } finally {
      clearTimeout(limit);
      clearTimeout(settled);
      this.#ended.signal.removeEventListener("abort", abandon);
    }
  }

  /** Take in an answer: "heard", "lost" if it is the end, or else what it is, in words. */
  async #hear({ response, body }) {
    const isServers = isOurs(response) || !this.#isOurs;
    const from = response.status === 200 && isServers ? sender(response) : 0;
    if (!from) {
      const isGoodbye = response.status === 200 && (this.#isOurs || body === "Server shutting down");
      const isEnd = isGoodbye || SIGNED_OUT.includes(response.status) || isTheOriginals(response);
      if (!isEnd || !(isGoodbye ? isOurs(response) || !this.#isOurs : this.#isFinal(response)))
        return `The server answers ${response.status}`;
      this.lost(isGoodbye
        ? new SignalingError("The server has ended", "server_shutdown")
        : new SignalingError("The server does not know us any more", "signed_out"));
      return "lost";
    }
    if (from !== this.peerId) {
      this.emit("message", { peer: this.peer(from), data: body });
      return "heard";
    }
    for (const { id, name, connected } of peerLines(body))
      if (connected) this.joined({ id, name });
      else this.left(id);
    return "heard";
  }
}

/** Whether libwebrtc's example says so. Of another origin, scripts are told no name of a server. */
function isTheOriginals(response) {
  return (response.headers.get("Server") ?? "").startsWith("PeerConnectionTestServer")
    || (response.status === 500 && ORIGINAL_REASONS.includes(response.statusText));
}

/** Who an answer speaks of: the number in `Pragma`. What is in between may add another one. */
function sender(response) {
  return Number.parseInt(response.headers.get("Pragma"), 10) || 0;
}

/** `NAME,ID,CONNECTED` per line; what does not look so is passed over. */
function* peerLines(text) {
  for (const line of text.split("\n")) {
    const match = /^(.*),\s*(\d+),\s*([01])\s*$/.exec(line);
    if (match) yield { name: match[1], id: Number(match[2]), connected: match[3] === "1" };
  }
}

async function refused(response, url) {
  const { status } = response;
  if (!isOurs(response) && [502, 503, 504].includes(status))
    return new SignalingError(`No signaling server answers at ${url}: a gateway says ${status}`,
      "server_unreachable");
  const why = await words(response);
  const code = { 401: "not_authorized", 403: "forbidden", 429: "no_place", 503: "no_place" };
  if (status === 403 && why.includes("origin")) return diagnose(url);
  return new SignalingError(why || `The server answers ${status}`, code[status] ?? "not_signaling_server");
}
