// Where the content of a file is kept until somebody saves it: on the disk where the browser gives us
// a place there, otherwise in memory.

import { FileError } from "./files.js";

/** Files up to this many bytes are kept in memory. */
const SMALL = 32 * 1024 * 1024;
/** The most that is kept in memory where there is no other place. */
const LARGEST = 512 * 1024 * 1024;
const BATCH = 4 * 1024 * 1024;

/** A place for a file of this size (null: nobody knows): `write(data)`, `finish()`, `discard()`. */
export async function openStore(size) {
  if (size !== null && size <= SMALL) return new MemoryStore();
  const { quota = Infinity, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  if (size > quota - usage) throw new FileError("There is no room for it in this browser.", "no_space");
  try {
    const folder = await navigator.storage.getDirectory();
    const name = `received-${crypto.randomUUID()}`;
    const handle = await folder.getFileHandle(name, { create: true });
    return new DiskStore(folder, name, handle, await handle.createWritable());
  } catch {
    if (size !== null && size > LARGEST)
      throw new FileError("It is too large for this page; over https it could be kept on the disk.", "no_space");
    return new MemoryStore();
  }
}

class MemoryStore {
  #blobs = [];
  #pieces = [];
  #size = 0;
  #total = 0;

  async write(data) {
    this.#pieces.push(data);
    this.#size += data.length;
    this.#total += data.length;
    if (this.#total > LARGEST) throw new FileError("It is too large for this page.", "no_space");
    // Browsers may put blobs aside; arrays they cannot.
    if (this.#size >= BATCH) this.#batch();
  }

  #batch() {
    this.#blobs.push(new Blob(this.#pieces));
    [this.#pieces, this.#size] = [[], 0];
  }

  async finish() {
    this.#batch();
    return { blob: new Blob(this.#blobs, { type: "application/octet-stream" }), discard: () => {} };
  }

  discard() {
    this.#blobs = this.#pieces = [];
  }
}

class DiskStore {
  #folder;
  #name;
  #handle;
  #stream;
  #pieces = [];
  #size = 0;

  constructor(folder, name, handle, stream) {
    this.#folder = folder;
    this.#name = name;
    this.#handle = handle;
    this.#stream = stream;
  }

  async write(data) {
    this.#pieces.push(data);
    this.#size += data.length;
    if (this.#size >= BATCH) await this.#flush();
  }

  async #flush() {
    const pieces = this.#pieces;
    [this.#pieces, this.#size] = [[], 0];
    try {
      await this.#stream.write(new Blob(pieces));
    } catch (error) {
      throw new FileError(`There is no room for it any more: ${error.message}`, "no_space");
    }
  }

  async finish() {
    await this.#flush();
    await this.#stream.close();
    return { blob: await this.#handle.getFile(), discard: () => this.#remove() };
  }

  async discard() {
    try {
      await this.#stream.abort();
    } catch { /* It is closed. */ }
    await this.#remove();
  }

  async #remove() {
    try {
      await this.#folder.removeEntry(this.#name);
    } catch { /* It is gone. */ }
  }
}
