// Sending and receiving files: what is read, and where it is written.

import {
  FileError, FilesReception, FilesTransmission, keptFiles, LABEL, manifest, PIECE, PROTOCOL,
} from "./files.js";
import { Hasher } from "./hashing.js";
import { Parts } from "./parts.js";

const BLOCK = 4 * 1024 * 1024;
const BUFFER_HIGH = 4 * 1024 * 1024;
const BUFFER_LOW = 1024 * 1024;
/** After so many bytes the sender hears that they have been written. */
const REPORT_EVERY = 1024 * 1024;

/** What comes over a channel, one after the other; and an error at its end. */
class Conversation {
  #messages = [];
  #wake = () => {};
  #ended = null;

  constructor(channel, call, signal) {
    this.channel = channel;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = BUFFER_LOW;
    const wake = () => this.#wake();
    channel.addEventListener("message", ({ data }) => {
      this.#messages.push(data);
      wake();
    });
    for (const event of ["open", "bufferedamountlow"]) channel.addEventListener(event, wake);
    for (const event of ["close", "error"])
      channel.addEventListener(event, () => {
        this.#ended ??= new FileError(
          call?.end ? "The call was over before the end." : "It ended before all had come.", "interrupted");
        wake();
      });
    const cancel = () => {
      this.#ended = new FileError("You have cancelled it.", "cancelled");
      this.#messages = [];
      wake();
    };
    signal?.addEventListener("abort", cancel);
    // Of what was before, there is no event.
    if (signal?.aborted) cancel();
  }

  /** Wait for anything to happen. */
  async change() {
    if (this.#ended) throw this.#ended;
    await new Promise((resolve) => (this.#wake = resolve));
    if (this.#ended && !this.#messages.length) throw this.#ended;
  }

  /** A message if there is one; throws at the end. */
  take() {
    if (!this.#messages.length && this.#ended) throw this.#ended;
    return this.#messages.shift();
  }

  async receive() {
    for (;;) {
      const message = this.take();
      if (message !== undefined) return message;
      await this.change();
    }
  }

  send(data) {
    // What came before the end is looked at first, and may say why; then the event of the end is there.
    if (this.#ended && !this.#messages.length) throw this.#ended;
    if (/^clos/.test(this.channel.readyState)) return;
    this.channel.send(typeof data === "string" || data instanceof Uint8Array ? data : JSON.stringify(data));
  }

  /** Close it, after a word about what went wrong. */
  close(error) {
    try {
      if (error && error.code !== "interrupted")
        this.channel.send(JSON.stringify({
          type: "failed", code: error.code ?? "file_failed", message: error.message }));
    } catch { /* It is over already. */ }
    this.channel.close();
  }
}

/**
 * Send files; resolves when the other side has all of them.
 *
 * `onProgress(bytes)` is told what the other side has written; `signal` (AbortSignal) cancels it.
 */
export async function sendFiles(call, files, { onProgress = () => {}, signal } = {}) {
  const entries = files.map((file) => ({
    path: (file.webkitRelativePath || file.name).normalize("NFC"),
    size: file.size,
    modified: file.lastModified / 1000,
  }));
  const talk = new Conversation(call.openChannel(LABEL, { protocol: PROTOCOL }), call, signal);
  const transmission = new FilesTransmission(entries.length);
  const hasher = new Hasher();
  let kept = 0;
  const listen = () => {
    for (let data = talk.take(); data !== undefined; data = talk.take()) transmission.receive(data);
    onProgress(kept + transmission.received);
  };
  const until = async (condition) => {
    for (listen(); !condition(); listen()) await talk.change();
  };
  try {
    await until(() => talk.channel.readyState === "open");
    for (const text of manifest(entries)) talk.send(text);
    await until(() => transmission.accepted);
    for (const [index, file] of files.entries()) {
      const start = await skip(file, transmission.kept.get(index), hasher);
      kept += start;
      talk.send({ type: "begin", index, start });
      let hash = start < file.size ? null : hasher.end();
      let next = start < file.size ? read(file, start) : null;
      for (let at = start; at < file.size; at += BLOCK) {
        const block = await next;
        // It is read while this one is sent.
        next = at + BLOCK < file.size ? read(file, at + BLOCK) : null;
        next?.catch(() => {});
        await hasher.update(block);
        if (!next) {
          hash = hasher.end();
          hash.catch(() => {});
        }
        for (let offset = 0; offset < block.length; offset += PIECE) {
          const piece = block.subarray(offset, offset + PIECE);
          await until(() => transmission.maySend && talk.channel.bufferedAmount < BUFFER_HIGH);
          transmission.sent += piece.length;
          talk.send(piece);
        }
      }
      talk.send({ type: "end", size: file.size, sha256: await hash });
    }
    await until(() => transmission.done);
    talk.close();
  } catch (error) {
    const reason = error.code === "interrupted" ? lastWord(listen, error) : error;
    talk.close(reason);
    throw reason;
  } finally {
    hasher.close();
  }
}

/** Why the other side has closed the channel, if it has said so. */
function lastWord(listen, error) {
  try {
    listen();
    return error;
  } catch (said) {
    return said;
  }
}

/** How much of a file the other side has, if it has the same; that much has been hashed then. */
async function skip(file, part, hasher) {
  await hasher.begin(file.size);
  if (!part || part.size > file.size) return 0;
  for (let at = 0; at < part.size; at += BLOCK)
    await hasher.update((await read(file, at)).subarray(0, part.size - at));
  if ((await hasher.soFar()) === part.sha256) return part.size;
  await hasher.begin(file.size);
  return 0;
}

async function read(file, at) {
  try {
    return new Uint8Array(await file.slice(at, at + BLOCK).arrayBuffer());
  } catch {
    throw new FileError(`${file.name} has changed, or cannot be read.`, "file_changed");
  }
}

/**
 * Receive what comes over a channel; resolves with a list of {name, blob, discard}.
 *
 * `accept({entries, size, kept, open})` is asked first; `size` is null if nobody knows. It resolves with whether
 * they are wanted, or with a function that opens a place for an entry (as stores.js does). Of transfers that are
 * cut, `unfinished` (parts.js) keeps what has come: when the same comes again, `kept` bytes of it are here, and
 * `open` is the function that was resolved with then, or null. `onProgress(bytes)` is told what has been written; `signal`
 * (AbortSignal) cancels it.
 */
export async function receiveFiles(channel, { call, accept, unfinished, onProgress = () => {}, signal } = {}) {
  const talk = new Conversation(channel, call, signal);
  const reception = new FilesReception();
  let parts = null;
  try {
    let event;
    do event = reception.receive(await talk.receive()); while (event?.type !== "offer");
    const { entries } = event;
    const files = entries.filter(({ folder }) => !folder);
    const known = files.every(({ size }) => size !== null);
    const size = known ? files.reduce((sum, one) => sum + one.size, 0) : null;
    parts = unfinished?.take(entries) ?? null;
    const kept = parts ? [...parts.sizes.values()].reduce((sum, one) => sum + one, 0) : 0;
    const accepted = await accept({ entries: files, size, kept, open: parts?.open });
    if (!accepted) throw new FileError("It is not wanted.", "declined");
    parts ??= new Parts(typeof accepted === "function" ? accepted : null);
    for (const text of keptFiles(parts.have)) talk.send(text);
    talk.send({ type: "accept" });
    reception.accepted(parts.sizes);
    await receiveContent(talk, reception, parts, (written) => onProgress(kept + written));
    talk.send({ type: "done" });
    return parts.finish();
  } catch (error) {
    if (error.code === "interrupted" && parts && unfinished) await unfinished.keep(reception.entries, parts);
    else parts?.discard();
    talk.close(error);
    throw error;
  }
}

/** Take the files one after the other. */
async function receiveContent(talk, reception, parts, onProgress) {
  let written = 0;
  let told = 0;
  while (!reception.complete) {
    const event = reception.receive(await talk.receive());
    if (event.type === "begin") await parts.begin(event.index, event.entry, event.start);
    else if (event.type === "content") {
      const data = new Uint8Array(event.data);
      await parts.write(data);
      written += data.length;
      if (written - told >= REPORT_EVERY) {
        told = written;
        talk.send({ type: "received", bytes: written });
      }
    } else await parts.end(event.entry, event.sha256);
    onProgress(written);
  }
}
