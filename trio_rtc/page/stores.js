// Where the content of a file is kept until somebody saves it: on the disk where the browser gives us
// a place there, otherwise in memory.

import { FileError } from "./files.js";

/** Files up to this many bytes are kept in memory. */
const SMALL = 64 * 1024 * 1024;
/** The most that is kept in memory where there is no other place. */
const LARGEST = 512 * 1024 * 1024;
const BATCH = 4 * 1024 * 1024;

/** A place for a file of this size (null: nobody knows): `write(data)`, `flush()`, `finish()`, `discard()`. */
export async function openStore(size) {
  if (size !== null && size <= SMALL) return new MemoryStore();
  const { quota = Infinity, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  if (size > quota - usage) throw new FileError("There is no room for it in this browser.", "no_space");
  try {
    shelf ??= openShelf();
    const { folder, mark } = await shelf;
    const name = `${mark}-${++opened}`;
    const handle = await folder.getFileHandle(name, { create: true });
    return new DiskStore(handle, await handle.createWritable(), () => folder.removeEntry(name));
  } catch {
    if (size !== null && size > LARGEST)
      throw new FileError("It is too large for this page; over https it could be kept on the disk.", "no_space");
    return new MemoryStore();
  }
}

/** Where files are on the disk: the folder that the browser has for all pages of this origin, and what the names
 * of ours begin with. */
let shelf = null;
let opened = 0;

async function openShelf() {
  const folder = await navigator.storage.getDirectory();
  const mark = `received-${crypto.randomUUID()}`;
  // For as long as the page is there, this tells others that it is.
  await new Promise((resolve, reject) => {
    navigator.locks.request(mark, () => {
      resolve();
      return new Promise(() => {});
    }).catch(reject);
  });
  await removeLeftovers();
  return { folder, mark };
}

/** Remove what pages have left behind on the disk that are not there any more: closed, or crashed. */
export async function removeLeftovers() {
  if (!navigator.locks || !navigator.storage?.getDirectory) return;
  try {
    const folder = await navigator.storage.getDirectory();
    const names = [];
    for await (const name of folder.keys()) names.push(name);
    for (const name of names) {
      const mark = /^received-[0-9a-f-]{36}/.exec(name)?.[0];
      if (mark)
        await navigator.locks.request(mark, { ifAvailable: true }, (lock) => lock && folder.removeEntry(name));
    }
  } catch (error) {
    console.debug("what pages have left behind stays:", error.message);
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
    if (!this.#size) return;
    this.#blobs.push(new Blob(this.#pieces));
    [this.#pieces, this.#size] = [[], 0];
  }

  async flush() {
    this.#batch();
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
  #handle;
  #stream;
  #remove;
  #filling = new Uint8Array(BATCH);
  #spare = new Uint8Array(BATCH);
  #size = 0;
  #writing = Promise.resolve();

  constructor(handle, stream, remove) {
    this.#handle = handle;
    this.#stream = stream;
    this.#remove = remove;
  }

  async write(data) {
    for (let at = 0; at < data.length; ) {
      if (this.#size === BATCH) await this.#flush();
      const part = data.subarray(at, at + BATCH - this.#size);
      this.#filling.set(part, this.#size);
      this.#size += part.length;
      at += part.length;
    }
  }

  /** Have a batch written, once the one before is: meanwhile the next one comes. */
  async #flush() {
    await this.#written();
    const batch = this.#filling.subarray(0, this.#size);
    [this.#filling, this.#spare] = [this.#spare, this.#filling];
    this.#size = 0;
    this.#writing = this.#stream.write(batch);
    this.#writing.catch(() => {});
  }

  async #written() {
    try {
      await this.#writing;
    } catch (error) {
      throw new FileError(`There is no room for it any more: ${error.message}`, "no_space");
    }
  }

  /** Have all of it written. */
  async flush() {
    await this.#flush();
    await this.#written();
  }

  async finish() {
    await this.#stream.close();
    return { blob: await this.#handle.getFile(), discard: () => this.#drop() };
  }

  async discard() {
    try {
      await this.#stream.abort();
    } catch { /* It is closed. */ }
    await this.#drop();
  }

  async #drop() {
    try {
      await this.#remove();
    } catch { /* It is gone. */ }
  }
}

/**
 * Have somebody choose where files are saved, where the browser lets them: a function that opens a place
 * for an entry, as `openStore` does; null if there is no such choice. Throws an AbortError if they choose
 * nothing. A file has its name only when all of it is there.
 */
export async function pickPlaces(entries) {
  try {
    if (entries.length === 1 && globalThis.showSaveFilePicker) {
      const handle = await showSaveFilePicker({ suggestedName: entries[0].names.at(-1) });
      return () => openPicked(handle);
    }
    if (entries.length > 1 && globalThis.showDirectoryPicker) {
      const folder = await showDirectoryPicker({ mode: "readwrite" });
      return async ({ names }) => openPicked(await newFile(folder, names));
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    console.debug("no place can be chosen:", error.message);
  }
  return null;
}

async function openPicked(handle) {
  return new DiskStore(handle, await handle.createWritable(), () => handle.remove?.());
}

/** A file of a path in a folder; with a number in its name if there is one already. */
async function newFile(folder, names) {
  for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create: true });
  const [, stem, ending] = /^(.+?)(\.[^.]*)?$/.exec(names.at(-1));
  for (let number = 1; ; number++) {
    const name = number === 1 ? names.at(-1) : `${stem} (${number})${ending ?? ""}`;
    try {
      await folder.getFileHandle(name);
    } catch {
      return folder.getFileHandle(name, { create: true });
    }
  }
}
