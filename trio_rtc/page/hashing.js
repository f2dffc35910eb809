// SHA-256 of what comes piece by piece, away from the page's thread where the browser lets it be.

import { sha256 } from "./noble.js";

/**
 * Files up to this many bytes are kept until they can be hashed at once, by the browser: it does that ten
 * times as fast as a script, and knows no other way. Only pages over https, or from localhost, have it.
 */
const AT_ONCE = 64 * 1024 * 1024;
/** Bytes that may wait for the thread. */
const MOST_WAITING = 16 * 1024 * 1024;
/** How long a thread may take to begin. */
const READY_MS = 3000;

/** Hashes one file after the other, each after a `begin`; `close` it in the end. */
export class Hasher {
  #whole = null;
  #filled = 0;
  #hash = sha256.create();
  #thread;

  /** A file of this size comes; null if nobody knows. */
  async begin(size) {
    this.#filled = 0;
    this.#hash = sha256.create();
    this.#whole = size !== null && size <= AT_ONCE && globalThis.crypto?.subtle ? new Uint8Array(size) : null;
    if (this.#whole) return;
    this.#thread ??= await openThread();
    await this.#thread?.ask("end");
  }

  /** Whether a thread does it. */
  get isAway() {
    return !this.#whole && Boolean(this.#thread);
  }

  /** Take in bytes; resolves when there is room for more. */
  async update(bytes) {
    if (this.isAway) await this.#thread.update(bytes);
    else if (!this.#whole) this.#hash.update(bytes);
    else {
      this.#whole.set(bytes, this.#filled);
      this.#filled += bytes.length;
    }
  }

  /** The hash of what has come so far, in hexadecimal. */
  async soFar() {
    if (this.isAway) return this.#thread.ask("so far");
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
    this.#thread?.close();
  }
}

/** A thread that hashes. What it is asked, it answers in the order of the questions. */
class Thread {
  #worker;
  #waiting = 0;
  #wake = () => {};
  #answers = [];
  #error = null;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      if (typeof data === "string") this.#answers.shift().resolve(data);
      else this.#waiting -= data;
      this.#wake();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#end(new Error("The browser does not hash what comes."));
    };
  }

  async update(bytes) {
    if (this.#error) throw this.#error;
    this.#worker.postMessage(bytes);
    this.#waiting += bytes.length;
    while (this.#waiting > MOST_WAITING && !this.#error) await new Promise((resolve) => (this.#wake = resolve));
    if (this.#error) throw this.#error;
  }

  ask(what) {
    return new Promise((resolve, reject) => {
      if (this.#error) {
        reject(this.#error);
        return;
      }
      this.#answers.push({ resolve, reject });
      this.#worker.postMessage(what);
    });
  }

  close() {
    this.#worker.terminate();
    this.#end(new Error("Nobody wants to know any more."));
  }

  #end(error) {
    this.#error ??= error;
    for (const { reject } of this.#answers.splice(0)) reject(this.#error);
    this.#wake();
  }
}

/** One that is ready; null where there are none, as for pages of another origin. */
function openThread() {
  return new Promise((resolve) => {
    let worker;
    try {
      worker = new Worker(new URL("hash_worker.js", import.meta.url));
    } catch {
      resolve(null);
      return;
    }
    const give = (thread) => {
      clearTimeout(timer);
      if (!thread) worker.terminate();
      resolve(thread);
    };
    const timer = setTimeout(give, READY_MS, null);
    worker.onmessage = () => give(new Thread(worker));
    worker.onerror = (event) => {
      event.preventDefault();
      give(null);
    };
  });
}

const hex = (digest) => Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
