// SHA-256 of what comes piece by piece.

import { sha256 } from "./noble.js";

/**
 * Files up to this many bytes are kept until they can be hashed at once, by the browser: it does that ten
 * times as fast as a script, and knows no other way. Only pages over https, or from localhost, have it.
 */
const AT_ONCE = 64 * 1024 * 1024;

/** Hashes one file after the other, each after a `begin`. */
export class Hasher {
  #whole = null;
  #filled = 0;
  #hash = sha256.create();

  /** A file of this size comes; null if nobody knows. */
  begin(size) {
    this.#filled = 0;
    this.#hash = sha256.create();
    this.#whole = size !== null && size <= AT_ONCE && globalThis.crypto?.subtle ? new Uint8Array(size) : null;
  }

  async update(bytes) {
    if (!this.#whole) {
      this.#hash.update(bytes);
      return;
    }
    this.#whole.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  /** The hash of what has come so far, in hexadecimal. */
  async soFar() {
    return hex(this.#whole
      ? new Uint8Array(await crypto.subtle.digest("SHA-256", this.#whole.subarray(0, this.#filled)))
      : this.#hash.clone().digest());
  }

  /** The same, at the end of a file. */
  end() {
    return this.soFar();
  }

  close() {
    this.#whole = null;
  }
}

const hex = (digest) => Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
