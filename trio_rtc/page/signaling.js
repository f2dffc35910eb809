// A client's side of a signaling session, whatever protocol carries it.

/** How long it may take to learn why a server does not take us. */
const DIAGNOSIS_MS = 10_000;

/** What went wrong with signaling. `code` is stable, and the same as in Python. */
export class SignalingError extends Error {
  constructor(message, code) {
    super(message);
    this.name = "SignalingError";
    this.code = code;
  }
}

/**
 * A session with a signaling server.
 *
 * Events, each a CustomEvent: `peerjoined` and `peerleft` (detail: the peer, `{id, name}`),
 * `message` (`{peer, data}`, a string), `failed` (`{peer, number, code, message}`: something sent to
 * a peer has reached nobody; `number` is what `send` has returned for it), `reconnecting` (`{why}`),
 * `reconnected`, and `lost` (a SignalingError), after which nothing comes any more.
 */
export class Signaling extends EventTarget {
  peerId = 0;
  name = "";
  room = "";
  iceServers = [];
  /** The URL of the server that the session is, or was, with. */
  server = "";
  /** The others who are signed in now, by id. */
  peers = new Map();
  /** "opening", "connected", "reconnecting" or "lost". */
  state = "opening";
  /** Why the session is over: a SignalingError. */
  error = null;

  /** A peer by its id. */
  peer(id) {
    return this.peers.get(id) ?? { id, name: `peer_${id}` };
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  joined(peer) {
    if (peer.id === this.peerId || this.peers.has(peer.id)) return;
    this.peers.set(peer.id, peer);
    this.emit("peerjoined", peer);
  }

  left(id) {
    const peer = this.peers.get(id);
    if (!peer) return;
    this.peers.delete(id);
    this.emit("peerleft", peer);
  }

  connected() {
    const again = this.state === "reconnecting";
    this.state = "connected";
    if (again) this.emit("reconnected");
  }

  reconnecting(why) {
    if (this.state !== "connected") return;
    this.state = "reconnecting";
    this.emit("reconnecting", { why });
  }

  lost(error) {
    if (this.state === "lost") return;
    this.state = "lost";
    this.error = error;
    this.emit("lost", error);
  }
}

/** A pause that `wake` can end. */
export class Pause {
  #resolve = () => {};

  async sleep(milliseconds) {
    let timer;
    await new Promise((resolve) => {
      this.#resolve = resolve;
      timer = setTimeout(resolve, milliseconds);
    });
    clearTimeout(timer);
  }

  wake() {
    this.#resolve();
  }
}

/** Whether a server of this project says so, and not what stands in between. */
export function isOurs(response) {
  return response.headers.get("Signaling-Server") === "trio-rtc"
    || response.headers.get("Server") === "trio-rtc";
}

/** What an answer says, if that is plain text: on one line, and no more of it than is read. */
export async function words(response) {
  if (!/^text\/plain\b/i.test(response.headers.get("Content-Type") ?? "")) return "";
  return (await response.text()).slice(0, 1000).replace(/[\s\p{Cc}]+/gu, " ").trim().slice(0, 160);
}

/** An address without its last name, where it has one: what others stand beside. */
export function folder(url) {
  const address = new URL(url);
  address.search = address.hash = "";
  if (!address.pathname.endsWith("/")) address.pathname += "/";
  return address.href;
}

/**
 * Why a server does not take us: browsers tell scripts nothing about a handshake that failed.
 *
 * A POST tells our origin, as the handshake does, and so gets the same refusal.
 */
export async function diagnose(httpUrl, patience = DIAGNOSIS_MS) {
  const unreachable = (why = "") =>
    new SignalingError(`No signaling server answers at ${httpUrl}${why}`, "server_unreachable");
  const healthz = new URL("healthz", folder(httpUrl));
  const ask = (options) =>
    fetch(healthz, { cache: "no-store", signal: AbortSignal.timeout(patience), ...options });
  let response = null;
  try {
    response = await ask({ method: "POST" });
  } catch (error) {
    if (error.name === "TimeoutError") return unreachable();
    try {
      await ask({ mode: "no-cors" });
    } catch {
      return unreachable();
    }
    // A server that has been started meanwhile answers the GET, too: only a refusal comes again.
    try {
      response = await ask({ method: "POST" });
    } catch (failed) {
      if (failed.name === "TimeoutError") return unreachable();
    }
  }
  if (response && !isOurs(response) && [502, 503, 504].includes(response.status))
    return unreachable(`: a gateway says ${response.status}`);
  if (!response || response.status === 403)
    return new SignalingError(
      `The server does not allow pages of ${location.origin}`, "origin_refused");
  if (response.status === 429 || response.status === 503)
    return new SignalingError("The server takes no more connections from here", "no_place");
  return new SignalingError(`${httpUrl} is no signaling server`, "not_signaling_server");
}
