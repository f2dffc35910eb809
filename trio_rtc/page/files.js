// Files over data channels, as docs/files.md has it: both sides as machines, without I/O.

export const LABEL = "files";
export const PROTOCOL = "trio-rtc.files.v1";
/** Bytes of a message of content. */
export const PIECE = 64 * 1024;
/** Bytes that may be on their way without a word of the receiver about them. */
export const WINDOW = 16 * 1024 * 1024;

const LIST_BYTES = 12 * 1024;
const HAVE_FILES = 100;
const MAX_ENTRIES = 1_000_000;
const DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?$/i;
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/u;

/** What is wrong with a transfer; `code` as in docs/files.md. */
export class FileError extends Error {
  constructor(message, code) {
    super(message);
    this.name = "FileError";
    this.code = code;
  }
}

export function isFileChannel(channel) {
  return channel.protocol === PROTOCOL;
}

/** The messages that carry a manifest: a list of {path, size, modified, folder}. */
export function* manifest(entries) {
  let part = [];
  let used = 0;
  const encoder = new TextEncoder();
  for (const entry of entries) {
    const size = encoder.encode(JSON.stringify(entry)).length + 1;
    if (part.length && used + size > LIST_BYTES) {
      yield JSON.stringify({ type: "entries", entries: part });
      [part, used] = [[], 0];
    }
    part.push(entry);
    used += size;
  }
  if (part.length) yield JSON.stringify({ type: "entries", entries: part });
  yield JSON.stringify({ type: "offer", count: entries.length });
}

/** The messages that say what is here already: a list of [index, size, hash]. */
export function* keptFiles(files) {
  for (let at = 0; at < files.length; at += HAVE_FILES)
    yield JSON.stringify({ type: "have", files: files.slice(at, at + HAVE_FILES) });
}

/** The names in a path, each in normal form C; throws if one is no name for a file. */
export function namesOf(path) {
  const names = path.split("/").map((name) => name.normalize("NFC"));
  const bad = (name) => !name || name === "." || name === ".." || CONTROL.test(name)
    || name.includes("\\") || /^[A-Za-z]:/.test(name) || DEVICE.test(name)
    || new TextEncoder().encode(name).length > 255;
  if (names.some(bad)) throw new FileError(`${JSON.stringify(path)} is no name for a file.`, "bad_name");
  return names;
}

const WORDS = {
  cancelled: "The other side has cancelled it.",
  declined: "The other side does not want it.",
  no_space: "The other side has no room for it.",
};

function parse(data) {
  let said = null;
  try {
    said = JSON.parse(data);
  } catch { /* It is no JSON. */ }
  if (!said || typeof said !== "object") throw unexpected("something else");
  if (said.type !== "failed") return said;
  const words = WORDS[said.code] ?? String(said.message || "The other side has given up.");
  throw new FileError(words.slice(0, 200), String(said.code));
}

function unexpected(what) {
  return new FileError(`The other side says ${what} where it makes no sense.`, "bad_message");
}

const isSize = (value) => Number.isSafeInteger(value) && value >= 0;
const isHash = (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

/** The receiver's side. `receive` tells what a message brings; null if there is nothing to do. */
export class FilesReception {
  #state = "manifest";
  #next = 0;
  #came = 0;
  #kept = new Map();
  entries = [];

  get complete() {
    return this.#state === "complete";
  }

  get current() {
    return this.entries[this.#next];
  }

  receive(data) {
    if (typeof data !== "string") return this.#content(data);
    const said = parse(data);
    const key = `${this.#state} ${said.type}`;
    if (key === "manifest entries" && Array.isArray(said.entries)) return this.#list(said.entries);
    if (key === "manifest offer" && said.count === this.entries.length) {
      this.#state = "asking";
      return { type: "offer", entries: this.entries };
    }
    if (key === "between begin" && said.index === this.#next) {
      const start = said.start ?? 0;
      if (start !== 0 && start !== this.#kept.get(said.index)) throw unexpected("a bad beginning");
      this.#state = "content";
      this.#came = start;
      return { type: "begin", index: said.index, entry: this.current, start };
    }
    if (key === "content end" && isHash(said.sha256)) return this.#end(said);
    throw unexpected(JSON.stringify(said.type ?? "nothing"));
  }

  #list(entries) {
    for (const entry of entries) {
      const good = typeof entry?.path === "string" && (entry.size == null || isSize(entry.size));
      if (!good) throw unexpected("a bad manifest");
      this.entries.push({ ...entry, size: entry.size ?? null, names: namesOf(entry.path) });
    }
    if (this.entries.length > MAX_ENTRIES) throw new FileError("There are too many files.", "too_many_files");
    return null;
  }

  /** Begin; `kept` has how many bytes are here of some entries, by their index. */
  accepted(kept = new Map()) {
    this.#kept = kept;
    this.#advance();
  }

  #advance() {
    while (this.current?.folder) this.#next++;
    this.#state = this.current ? "between" : "complete";
  }

  #content(data) {
    if (this.#state !== "content") throw unexpected("content");
    this.#came += data.byteLength;
    const { size, path } = this.current;
    if (size !== null && this.#came > size)
      throw new FileError(`${path} is larger than was said.`, "wrong_size");
    return { type: "content", data };
  }

  #end({ size, sha256 }) {
    const entry = this.current;
    if (size !== this.#came || (entry.size !== null && size !== entry.size))
      throw new FileError(`${entry.path} is not as large as was said.`, "wrong_size");
    this.#next++;
    this.#advance();
    return { type: "end", entry, sha256 };
  }
}

/** The sender's side: what the receiver has said. */
export class FilesTransmission {
  accepted = false;
  done = false;
  sent = 0;
  received = 0;
  kept = new Map();
  #count;

  constructor(count) {
    this.#count = count;
  }

  receive(data) {
    if (typeof data !== "string") throw unexpected("content");
    const said = parse(data);
    if (said.type === "have" && !this.accepted && Array.isArray(said.files)) {
      for (const [index, size, sha256] of said.files) {
        if (!isSize(index) || index >= this.#count || !isSize(size) || !isHash(sha256))
          throw unexpected("a bad list");
        this.kept.set(index, { size, sha256 });
      }
    } else if (said.type === "accept" && !this.accepted) this.accepted = true;
    else if (said.type === "received" && this.received <= said.bytes && said.bytes <= this.sent)
      this.received = said.bytes;
    else if (said.type === "done" && this.accepted) this.done = true;
    else throw unexpected(JSON.stringify(said.type ?? "nothing"));
  }

  get maySend() {
    return this.sent - this.received < WINDOW;
  }
}
