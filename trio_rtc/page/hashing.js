// SHA-256 of what comes piece by piece, away from the page's thread, which is busy with the channel.

import { sha256 } from "./noble.js";

/**
 * Files up to this many bytes are kept until they can be hashed at once, by the browser: it does that ten
 * times as fast as a script, and knows no other way. Only pages over https, or from localhost, have it.
 */
const AT_ONCE = 64 * 1024 * 1024;
/** Bytes that may wait for the thread. */
const MOST_WAITING = 16 * 1024 * 1024;

/** Hashes one file after the other, each after a `begin`; `close` it in the end. */
export class Hasher {
  #worker = null;
  #whole = null;
  #filled = 0;
  #hash = sha256.create();
  #waiting = 0;
  #wake = () => {};
  #answers = [];
  #error = null;

  /** A file of this size comes; null if nobody knows. */
  begin(size) {
    this.#filled = 0;
    this.#whole = size !== null && size <= AT_ONCE && globalThis.crypto?.subtle ? new Uint8Array(size) : null;
    if (!this.#whole && !this.#worker) this.#open();
  }

  #open() {
    this.#worker = openWorker();
    if (!this.#worker) return;
    this.#worker.onmessage = ({ data }) => {
      if (typeof data === "string") this.#answers.shift().resolve(data);
      else this.#waiting -= data;
      this.#wake();
    };
    this.#worker.onerror = () => {
      this.#error = new Error("The browser does not hash what comes.");
      for (const { reject } of this.#answers.splice(0)) reject(this.#error);
      this.#wake();
    };
  }

  /** Take in bytes; resolves when there is room for more. */
  async update(bytes) {
    if (this.#whole) {
      this.#whole.set(bytes, this.#filled);
      this.#filled += bytes.length;
      return;
    }
    if (!this.#worker) {
      this.#hash.update(bytes);
      return;
    }
    this.#worker.postMessage(bytes);
    this.#waiting += bytes.length;
    while (this.#waiting > MOST_WAITING && !this.#error) await new Promise((resolve) => (this.#wake = resolve));
    if (this.#error) throw this.#error;
  }

  /** The hash of what has come so far, in hexadecimal. */
  soFar() {
    return this.#ask("so far");
  }

  /** The same, at the end of a file. */
  end() {
    return this.#ask("end");
  }

  close() {
    this.#worker?.terminate();
  }

  async #ask(what) {
    if (this.#error) throw this.#error;
    if (this.#whole)
      return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", this.#whole.subarray(0, this.#filled))));
    if (this.#worker)
      return new Promise((resolve, reject) => {
        this.#answers.push({ resolve, reject });
        this.#worker.postMessage(what);
      });
    const digest = this.#hash.clone().digest();
    if (what === "end") this.#hash = sha256.create();
    return hex(digest);
  }
}

const hex = (digest) => Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Null where there are none, as for modules of another origin. */
function openWorker() {
  try {
    return new Worker(new URL("hash_worker.js", import.meta.url), { type: "module" });
  } catch {
    return null;
  }
}
