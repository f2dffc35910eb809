// Who is at the other end of a call, by a code that both know. Without I/O; the exchange is that of
// trio_rtc/calls/authentication.py.

import { CPaceSide, hex, unhex } from "./cpace.js";

const CHANNEL = "trio-rtc call";
const utf8 = (text) => new TextEncoder().encode(text);

/** The other side is not the one we asked for; `code` as in Python. */
export class AuthenticationError extends Error {
  constructor(code) {
    super(code);
    this.name = "AuthenticationError";
    this.code = code;
  }
}

export class Authentication {
  #secret;
  #random;
  #side = null;
  #agreed = null;
  #pinned = null;
  #calling = true;
  /** Whether the other side has shown that it knows the code. */
  done = false;

  constructor(code, random = (size) => crypto.getRandomValues(new Uint8Array(size))) {
    this.#secret = utf8(code.normalize("NFC").toLowerCase().trim().split(/\s+/).join("-"));
    this.#random = random;
  }

  #open(call, own, calling) {
    this.#calling = calling;
    this.#side = new CPaceSide({
      secret: this.#secret,
      channel: utf8(CHANNEL),
      session: utf8(call),
      own: utf8(own),
      initiator: calling,
      scalar: this.#random(32),
    });
  }

  /** What our offer carries. */
  share(call, sdp) {
    this.#open(call, fingerprintOf(sdp), true);
    return hex(this.#side.share);
  }

  /** What to ask the one who has made this offer; `sdp` has our own certificate. */
  begin(offer, sdp) {
    const theirs = fingerprintOf(offer.sdp);
    if (!offer.share || !offer.call) throw new AuthenticationError("not_authenticated");
    const own = fingerprintOf(sdp);
    this.#open(offer.call, own, false);
    this.#agree(offer.share, theirs);
    return {
      type: "authenticate",
      call: offer.call,
      fingerprint: own,
      share: hex(this.#side.share),
      tag: hex(this.#agreed.tag),
    };
  }

  #agree(share, fingerprint) {
    try {
      this.#agreed = this.#side.agree(unhex(share, 32), utf8(fingerprint));
    } catch {
      throw new AuthenticationError("wrong_code");
    }
    this.#pinned = fingerprint;
  }

  /** What to reply to what the other side says of the code, if anything. */
  receive({ call, tag, share, fingerprint }) {
    if (this.done || !this.#side) return null;
    if (this.#calling) this.#agree(share, String(fingerprint).replaceAll(":", "").toLowerCase());
    let right = false;
    try {
      right = this.#agreed.confirms(unhex(tag, 64));
    } catch { /* It is no tag. */ }
    if (!right) throw new AuthenticationError("wrong_code");
    this.done = true;
    return this.#calling ? { type: "authenticate", call, tag: hex(this.#agreed.tag) } : null;
  }

  /** A description of the other side, with the one certificate that was agreed on. */
  described(sdp) {
    if (!this.done || fingerprintOf(sdp) !== this.#pinned) throw new AuthenticationError("not_authenticated");
    return onlySha256(sdp);
  }
}

/** A description without hashes of other kinds, which cannot be compared. */
export function onlySha256(sdp) {
  return sdp.replace(/^a=fingerprint:(?!sha-256 ).*$/gim, "a=x-other-hash");
}

/** The one SHA-256 fingerprint of a description. */
function fingerprintOf(sdp) {
  const found = new Set(
    [...sdp.matchAll(/^a=fingerprint:sha-256 +([0-9a-f:]+)\s*$/gim)].map(([, value]) =>
      value.replaceAll(":", "").toLowerCase()),
  );
  if (found.size !== 1) throw new AuthenticationError("not_authenticated");
  return [...found][0];
}
