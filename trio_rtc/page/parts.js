// What has come of the files of a transfer, and what is kept of transfers that were cut.

import { FileError } from "./files.js";
import { Hasher } from "./hashing.js";
import { openStore } from "./stores.js";

/** Transfers of which something is kept; of more, the oldest goes. */
const MOST_KEPT = 3;

/** The files of one transfer, as far as they are here, by their index in its manifest. */
export class Parts {
  #parts = new Map();
  #current = null;
  #spare = null;

  /** `open(entry)` opens a place for a file that somebody has chosen; null if nobody has. */
  constructor(open) {
    this.open = open;
  }

  /** How much of each is here. */
  get sizes() {
    return new Map([...this.#parts].map(([index, { size }]) => [index, size]));
  }

  /** The same for the sender: a list of [index, size, hash]. */
  get have() {
    return [...this.#parts].map(([index, { size, sha256 }]) => [index, size, sha256]);
  }

  /** Content of this file comes next, from where it ended, or from its beginning. */
  async begin(index, entry, start) {
    const before = this.#parts.get(index);
    if (start) {
      this.#current = before;
      return;
    }
    this.#parts.delete(index);
    if (before) discard(before);
    const store = await (this.open ? this.open(entry) : openStore(entry.size));
    const hasher = this.#spare ?? new Hasher();
    this.#spare = null;
    this.#current = { size: 0, sha256: null, hasher, store, arrived: null };
    this.#parts.set(index, this.#current);
    await hasher.begin(entry.size);
  }

  async write(data) {
    const { hasher, store } = this.#current;
    await hasher.update(data);
    await store.write(data);
    this.#current.size += data.length;
  }

  /** All of the file is here; throws unless it is what was sent. */
  async end(entry, sha256) {
    const part = this.#current;
    if (!part.arrived) [part.sha256] = await Promise.all([part.hasher.end(), part.store.flush()]);
    if (part.sha256 !== sha256)
      throw new FileError(`${entry.path} is not what was sent: its hash differs.`, "wrong_hash");
    if (!part.arrived) {
      part.arrived = { name: entry.names.at(-1), path: entry.path, ...(await part.store.finish()) };
      this.#spare?.close();
      [this.#spare, part.hasher] = [part.hasher, null];
    }
    this.#current = null;
  }

  /** Have what is here stay as it is. */
  async pause() {
    for (const [index, part] of this.#parts)
      if (!part.arrived && !part.size) {
        this.#parts.delete(index);
        discard(part);
      } else if (!part.arrived) [part.sha256] = await Promise.all([part.hasher.soFar(), part.store.flush()]);
    this.#current = null;
  }

  /** Everything is here: a list of {name, path, blob, discard}. */
  finish() {
    this.#spare?.close();
    return [...this.#parts].sort(([a], [b]) => a - b).map(([, { arrived }]) => arrived);
  }

  discard() {
    this.#spare?.close();
    for (const part of this.#parts.values()) discard(part);
    this.#parts.clear();
  }
}

function discard({ hasher, store, arrived }) {
  hasher?.close();
  if (arrived) arrived.discard();
  else store.discard();
}

/** What is kept of transfers that were cut, for as long as the page is there. */
export class Unfinished {
  #kept = new Map();

  /** What is here of these files, which is not kept any longer; null if there is nothing. */
  take(entries) {
    const key = keyOf(entries);
    const parts = this.#kept.get(key) ?? null;
    this.#kept.delete(key);
    return parts;
  }

  /** Keep it for the same files. */
  async keep(entries, parts) {
    // What is of unknown size never comes again as it was.
    const may = entries.every(({ size, folder }) => size !== null || folder);
    if (!may || !(await isPaused(parts))) {
      parts.discard();
      return;
    }
    const key = keyOf(entries);
    this.#kept.get(key)?.discard();
    this.#kept.set(key, parts);
    for (const [oldest, gone] of this.#kept) {
      if (this.#kept.size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
      gone.discard();
    }
  }
}

async function isPaused(parts) {
  try {
    await parts.pause();
    return true;
  } catch (error) {
    console.debug("nothing is kept of a transfer:", error.message);
    return false;
  }
}

const keyOf = (entries) => JSON.stringify(entries.map(({ path, size, modified }) => [path, size, modified]));
