// One call, from either side: a connection, its set-up, its end.

import { describeAttempt } from "./attempts.js";
import { Authentication, onlySha256 } from "./authentication.js";
import { endOfHangUp } from "./end_reasons.js";
import { Negotiation } from "./negotiation.js";
import { wayOf } from "./offered.js";

const CONNECT_MS = 30_000;
const RESTORE_MS = 15_000;
/** Until another ICE restart, if the one before has neither failed nor helped. */
const TRY_EVERY_MS = 4000;
/** How long the other side's goodbye may come after the end of its connection, */
const LINGER_MS = 1000;
/** and if it is one of ours, which always says it: TCP may have to send it again. */
const FAREWELL_MS = 5_000;

/**
 * A call with a peer, from `Calls.call` or from the `call` event of `Calls`.
 *
 * Its `state` is "calling", "ringing" (until `accept`), "connecting", "connected", "disconnected" or
 * "ended"; its `end` tells then why: `{reason, detail}`, one of `END_REASONS`,
 * or `declined`, `bad_description`, `connect_timeout`, `unknown_peer` or `signaling_lost`.
 *
 * Events: `state`, `channel` (RTCDataChannel), `track` (RTCTrackEvent), `problem` (Error: something
 * went wrong that does not end the call), `ended` (`{reason, detail}`).
 */
export class Call extends EventTarget {
  #signaling;
  #offer;
  #timer = 0;
  #restorer = 0;
  #tracks = [];
  #peerLeft = false;
  #serverLost = false;
  #isClosing = false;
  #negotiation;
  #authentication = null;
  #authenticated = () => {};
  end = null;

  constructor(signaling, peer, { offer = null, tracks = [], code, iceServers, iceTransportPolicy } = {}) {
    super();
    if (code) this.#authentication = new Authentication(code);
    this.#signaling = signaling;
    this.#offer = offer;
    this.peer = peer;
    this.incoming = offer !== null;
    this.state = this.incoming ? "ringing" : "calling";
    /** The RTCPeerConnection. */
    this.connection = new RTCPeerConnection({
      iceServers: iceServers ?? signaling.iceServers,
      iceTransportPolicy: iceTransportPolicy ?? "all",
      bundlePolicy: "max-bundle",
    });
    this.#negotiation = new Negotiation(this.connection, {
      // Of two who call each other at once, the one who signed in later gives way.
      polite: signaling.peerId > peer.id,
      call: this.incoming ? (offer.call ?? null) : randomId(),
      host: this.#host(),
    });
    this.#negotiation.remoteHasIds = this.incoming && offer.call != null;
    this.connection.addEventListener("connectionstatechange", () => this.#follow());
    this.connection.addEventListener("datachannel", ({ channel }) => this.#emit("channel", channel));
    this.connection.addEventListener("track", (event) => this.#emit("track", event));
    if (!this.incoming) this.#begin(tracks);
  }

  /** What the one who calls sends: "video", "voice" or "chat"; null for a call of our own. */
  get way() {
    return this.#offer && wayOf(this.#offer.sdp);
  }

  /** Whether the one who calls wants to show that both know a code. */
  get hasCode() {
    return Boolean(this.#offer?.share);
  }

  /** Whether the other side has shown that it knows our code. */
  get isAuthenticated() {
    return this.#authentication?.done ?? false;
  }

  /** The id that the messages of this call carry. */
  get id() {
    return this.#negotiation.call;
  }

  #begin(tracks) {
    for (const [track, stream] of tracks) this.connection.addTrack(track, stream);
    const kinds = new Set(tracks.map(([track]) => track.kind));
    for (const kind of ["audio", "video"])
      if (!kinds.has(kind)) this.connection.addTransceiver(kind, { direction: "recvonly" });
    this.#startTimer();
  }

  /**
   * Answer an incoming call, with these tracks: a list of [track, stream]. With a `code` it is answered
   * only if the other side knows that, too.
   */
  accept(tracks = [], { code } = {}) {
    if (this.state !== "ringing") return;
    if (code) this.#authentication = new Authentication(code);
    this.#tracks = tracks;
    this.#setState("connecting");
    this.#startTimer();
    this.#negotiation.receive(this.#offer);
  }

  /** Refuse an incoming call. */
  decline(reason = "declined") {
    this.#sayBye(reason);
    this.finish("hung_up", reason);
  }

  /** End the call; the reason is told to a peer that understands reasons. */
  hangUp(reason = "") {
    this.#sayBye(reason);
    this.finish("hung_up", reason);
  }

  /** Send a track from now on; the RTCRtpSender, whose `replaceTrack` needs no negotiation. */
  addTrack(track, stream) {
    return this.connection.addTrack(track, stream);
  }

  /** Open a data channel; the RTCDataChannel. */
  openChannel(label, options = {}) {
    return this.connection.createDataChannel(label, options);
  }

  // What follows is called by `Calls`.

  /** Take in a message of the peer. */
  receive(message) {
    if (this.end) return;
    if (message.type === "bye") {
      if (message.call != null && message.call !== this.id) return;
      const reason = endOfHangUp(message.reason, this.#negotiation.established);
      this.finish(reason, message.reason);
    } else if (this.state === "ringing" && message.type === "offer") {
      // The peer has given up the call before, and calls again.
      this.#offer = message;
      this.#negotiation.call = message.call ?? null;
    } else if (message.type === "authenticate") this.#authenticate(message);
    else this.#negotiation.receive(message);
  }

  supersedes(offer) {
    return this.#negotiation.supersedes(offer);
  }

  peerLeft() {
    this.#peerLeft = true;
    // It may have lost its server only, as we may lose ours.
    if (this.state !== "connected" || this.#isClosing) this.finish("peer_left");
  }

  notDelivered({ code, message }) {
    if (!this.#negotiation.established) this.finish(code, message);
  }

  signalingLost(error) {
    if (this.state === "calling" || this.state === "ringing" || this.state === "connecting")
      this.finish("signaling_lost", error.message);
    this.#serverLost = true;
    if (this.#isClosing) this.finish("connection_closed");
  }

  finish(reason, detail = "") {
    if (this.end) return;
    this.end = { reason, detail };
    clearTimeout(this.#timer);
    clearTimeout(this.#restorer);
    this.#negotiation.stop();
    this.connection.close();
    this.#setState("ended");
    this.#emit("ended", this.end);
  }

  #host() {
    return {
      send: (message) => this.#send(message),
      complain: (error) => {
        if (!this.end) this.#emit("problem", error);
      },
      fail: (reason, detail) => {
        this.#sayBye(reason);
        this.finish(reason, detail);
      },
      authenticated: (sdp, { begins }) => {
        if (!this.#authentication) return sdp;
        // Whose offer begins a call is seen before it is answered.
        return begins ? onlySha256(sdp) : this.#trusting(() => this.#authentication.described(sdp));
      },
      describing: async (offer) => {
        await this.#challenge(offer);
        for (const [track, stream] of this.#tracks) this.connection.addTrack(track, stream);
        this.#tracks = [];
      },
    };
  }

  /** Do what may show that the other side is not the one that was asked for: then the call ends. */
  #trusting(work) {
    try {
      return work();
    } catch (error) {
      if (!this.#negotiation.established && !this.end) {
        this.#sayBye(error.code);
        this.finish(error.code);
      }
      throw error;
    }
  }

  /** Before an offer is answered: ask whether the other side knows the code, and wait for that. */
  async #challenge(offer) {
    if (!this.#authentication) return;
    const { sdp } = await this.connection.createAnswer();
    const proof = new Promise((resolve) => (this.#authenticated = resolve));
    this.#send(this.#trusting(() => this.#authentication.begin(offer, sdp)));
    await proof;
    this.#trusting(() => this.#authentication.described(offer.sdp));
  }

  #authenticate(message) {
    if (!this.#authentication || message.call !== this.id) return;
    try {
      const reply = this.#trusting(() => this.#authentication.receive(message));
      if (reply) this.#send(reply);
      if (this.#authentication.done) this.#authenticated();
    } catch (error) {
      console.debug("the other side does not know the code:", error.code);
    }
  }

  #withShare(message) {
    const begins = message.type === "offer" && !this.#negotiation.established;
    if (!begins || !this.#authentication) return message;
    return { ...message, share: this.#authentication.share(message.call, message.sdp) };
  }

  #send(message) {
    if (this.end) return;
    try {
      this.#signaling.send(this.peer, JSON.stringify(this.#withShare(message)));
    } catch (error) {
      if (!this.#negotiation.established) this.finish(error.code ?? "signaling_lost", error.message);
      else if (message.type) this.#emit("problem", error);
    }
  }

  #sayBye(reason) {
    if (this.end) return;
    const bye = { type: "bye", reason, call: this.id };
    try {
      // Without an id it takes the form that every client knows. Codes are known with ids only.
      const text = this.#negotiation.remoteHasIds || this.#authentication ? JSON.stringify(bye) : "BYE";
      this.#signaling.send(this.peer, text);
    } catch (error) {
      console.debug("could not tell the peer that the call is over:", error.message);
    }
  }

  /** What has been tried by now, in words. */
  #attempt() {
    const described = this.connection.remoteDescription?.sdp ?? null;
    const { localCandidates, remoteCandidates } = this.#negotiation;
    const theirs = described && [
      ...[...described.matchAll(/^a=(candidate:.*)$/gm)].map(([, line]) => line), ...remoteCandidates];
    const urls = (this.connection.getConfiguration().iceServers ?? []).flatMap((one) => one.urls);
    return describeAttempt(localCandidates, theirs, urls.some((url) => /^turns?:/i.test(url)));
  }

  #startTimer() {
    this.#timer = setTimeout(() => {
      this.#sayBye("connect_timeout");
      this.finish("connect_timeout", this.#attempt());
    }, CONNECT_MS);
  }

  #follow() {
    if (this.#isClosing) return;
    switch (this.connection.connectionState) {
      case "connecting":
        if (this.state === "calling") this.#setState("connecting");
        break;
      case "connected":
        clearTimeout(this.#timer);
        clearTimeout(this.#restorer);
        this.#setState("connected");
        for (const transport of this.#transports())
          transport.addEventListener("statechange", this.#followTransport);
        break;
      case "disconnected":
      case "failed":
        this.#lose();
        break;
      case "closed":
        this.finish("connection_closed");
    }
  }

  #transports() {
    const { sctp } = this.connection;
    const live = this.connection.getTransceivers().filter(({ stopped }) => !stopped);
    const all = [sctp?.transport, ...live.map(({ receiver }) => receiver.transport)];
    return new Set(all.filter((transport) => transport));
  }

  /** Who closes a connection tells the other side by DTLS too, which needs no server. */
  #followTransport = () => {
    if (this.end || this.#isClosing) return undefined;
    if ([...this.#transports()].some(({ state }) => state !== "closed")) return undefined;
    this.#isClosing = true;
    if (this.#peerLeft) return this.finish("peer_left");
    if (this.#serverLost) return this.finish("connection_closed");
    const patience = this.#negotiation.remoteHasIds ? FAREWELL_MS : LINGER_MS;
    clearTimeout(this.#restorer);
    this.#restorer = setTimeout(() => this.finish("connection_closed"), patience);
    return undefined;
  };

  #lose() {
    if (this.#peerLeft) return this.finish("peer_left");
    if (this.state === "disconnected") return undefined;
    if (this.state !== "connected") {
      this.#sayBye("connection_lost");
      return this.finish("connection_lost", this.#attempt());
    }
    this.#setState("disconnected");
    const deadline = performance.now() + RESTORE_MS;
    const attempt = () => {
      if (performance.now() >= deadline) {
        this.#sayBye("connection_lost");
        this.finish("connection_lost");
        return;
      }
      this.connection.restartIce();
      this.#restorer = setTimeout(attempt, TRY_EVERY_MS);
    };
    // Many a connection comes back by itself within a moment.
    this.#restorer = setTimeout(attempt, 1000);
    return undefined;
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#emit("state", state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function randomId() {
  // crypto.randomUUID is there in secure contexts only.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
