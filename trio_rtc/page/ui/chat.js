// The chat of a call, and its files.

import { $, bytes, element, notify } from "./dom.js";
import { isFileChannel } from "../files.js";
import { Transfer } from "./transfer_row.js";
import { linked } from "../links.js";
import { Unfinished } from "../parts.js";
import { pickPlaces } from "../stores.js";
import { receiveFiles, sendFiles } from "../transfers.js";

const LABEL = "chat";
const SHOWN_BYTES = 24;
const MOST_MESSAGES = 500;
/** Files that are larger are asked about. */
const ASK_ABOVE = 32 * 1024 * 1024;

export class Chat {
  #call = null;
  #channel = null;
  #waiting = [];
  #links = [];
  #unfinished = new Unfinished();

  constructor() {
    $("chat-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say($("chat-text").value);
    });
    $("file").addEventListener("change", () => {
      this.#sendFiles([...$("file").files]);
      $("file").value = "";
    });
  }

  /** Show the channels of this call. The caller opens the one for the chat. */
  follow(call) {
    this.clear();
    this.#call = call;
    $("chat-title").textContent = `Chat with ${call.peer.name}`;
    // What was said, and the files that have come, are there until the next call.
    call.addEventListener("ended", () => {
      const isEmpty = !$("messages").childElementCount && !$("files").childElementCount;
      $("chat").classList.toggle("kept", !isEmpty);
    });
    call.addEventListener("channel", ({ detail }) => this.#use(detail));
    if (!call.incoming) this.#use(call.openChannel(LABEL));
  }

  clear() {
    this.#call = this.#channel = null;
    this.#waiting = [];
    for (const forget of this.#links.splice(0)) forget();
    $("messages").replaceChildren();
    $("files").replaceChildren();
    $("chat").classList.remove("kept");
  }

  #use(channel) {
    if (isFileChannel(channel)) {
      this.#receiveFiles(channel);
      return;
    }
    channel.binaryType = "arraybuffer";
    this.#channel = channel;
    const flush = () => {
      for (const text of this.#waiting.splice(0)) channel.send(text);
    };
    if (channel.readyState === "open") flush();
    channel.addEventListener("open", flush);
    channel.addEventListener("message", ({ data }) => this.#show(readable(data)));
    channel.addEventListener("close", () => {
      if (this.#channel === channel) this.#channel = null;
    });
  }

  #say(text) {
    if (!text || !this.#call || this.#call.end) return;
    if (!this.#channel) this.#use(this.#call.openChannel(LABEL));
    if (this.#channel.readyState === "open") this.#channel.send(text);
    else this.#waiting.push(text);
    this.#show(text, "mine");
    $("chat-text").value = "";
  }

  #show(text, kind = "theirs") {
    const list = $("messages");
    const shown = linked(text).map((part) => (part.href ? link(part) : part.text));
    list.append(element("p", { className: kind }, ...shown));
    if (list.childElementCount > MOST_MESSAGES) list.firstElementChild.remove();
    list.scrollTop = list.scrollHeight;
  }

  async #sendFiles(files) {
    if (!files.length || !this.#call || this.#call.end) return;
    const name = described(files);
    const row = new Transfer(`Sending ${name}`, files.reduce((sum, file) => sum + file.size, 0));
    try {
      await sendFiles(this.#call, files, { onProgress: row.progress, signal: row.signal });
      row.finish(`Sent ${name}, ${bytes(row.size)}`);
    } catch (error) {
      row.finish(`${name} was not sent`);
      if (error.code !== "cancelled" || !row.signal.aborted)
        notify(`${name} was not sent: ${error.message}`, "error");
    }
  }

  async #receiveFiles(channel) {
    const call = this.#call;
    let row = null;
    let name = "A file";
    let isSaved = false;
    const stop = new AbortController();
    const accept = async ({ entries, size, kept, open }) => {
      name = described(entries);
      row = new Transfer(`Receiving ${name}`, size, stop);
      // A small one is kept in memory until somebody saves it; for others there has to be room.
      if (size !== null && size <= ASK_ABOVE) return true;
      const answer = await row.ask(call.peer.name, kept, () => (kept ? open : pickPlaces(entries)));
      isSaved = typeof answer === "function";
      return answer;
    };
    try {
      const arrived = await receiveFiles(channel, {
        call, accept, unfinished: this.#unfinished, onProgress: (count) => row.progress(count),
        signal: stop.signal });
      if (isSaved) row.finish(`Saved ${name}, ${bytes(arrived.reduce((sum, { blob }) => sum + blob.size, 0))}`);
      else row.finish("Received ", ...arrived.flatMap((one, index) => [index ? ", " : "", this.#link(one)]));
    } catch (error) {
      row?.finish(`${name} was not received`);
      if (error.code !== "declined" && !stop.signal.aborted)
        notify(`${name} was not received: ${error.message}`, "error");
    }
  }

  #link({ name, blob, discard }) {
    const href = URL.createObjectURL(blob);
    this.#links.push(() => {
      URL.revokeObjectURL(href);
      discard();
    });
    return element("a", { href, download: name, textContent: `${name}, ${bytes(blob.size)}` });
  }
}

/** A link out of the page, which tells nobody of it. */
function link({ text, href }) {
  return element("a", { href, textContent: text, target: "_blank", rel: "noopener noreferrer" });
}

function described(files) {
  const name = files[0] ? files[0].name || files[0].path : "Nothing";
  return files.length > 1 ? `${name} and ${files.length - 1} more` : name;
}

function readable(data) {
  if (typeof data === "string") return data;
  const start = Array.from(new Uint8Array(data.slice(0, SHOWN_BYTES)), (byte) =>
    byte.toString(16).padStart(2, "0")).join(" ");
  return `${bytes(data.byteLength)}: ${start}${data.byteLength > SHOWN_BYTES ? " …" : ""}`;
}
