// The chat of a call, and its files.

import { $, bytes, element, notify } from "./dom.js";
import { isFileChannel, receiveFile, sendFile } from "./files.js";

const LABEL = "chat";
const SHOWN_BYTES = 24;
const MOST_MESSAGES = 500;

export class Chat {
  #call = null;
  #channel = null;
  #waiting = [];
  #links = [];

  constructor() {
    $("chat-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say($("chat-text").value);
    });
    $("file").addEventListener("change", () => {
      for (const file of $("file").files) this.#sendFile(file);
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
    for (const link of this.#links.splice(0)) URL.revokeObjectURL(link);
    $("messages").replaceChildren();
    $("files").replaceChildren();
    $("chat").classList.remove("kept");
  }

  #use(channel) {
    if (isFileChannel(channel)) {
      this.#receiveFile(channel);
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
    list.append(element("p", { className: kind, textContent: text }));
    if (list.childElementCount > MOST_MESSAGES) list.firstElementChild.remove();
    list.scrollTop = list.scrollHeight;
  }

  async #sendFile(file) {
    if (!this.#call || this.#call.end) return;
    const row = transfer(`Sending ${file.name}`, file.size);
    try {
      await sendFile(this.#call, file, row.progress);
      row.finish(`Sent ${file.name}, ${bytes(file.size)}`);
    } catch (error) {
      row.finish(`${file.name} was not sent`);
      notify(`${file.name} was not sent: ${error.message}`, "error");
    }
  }

  async #receiveFile(channel) {
    let row;
    let name = "A file";
    try {
      const blob = await receiveFile(
        channel,
        (head) => {
          name = head.name;
          row = transfer(`Receiving ${name}`, head.size);
        },
        (count) => row.progress(count),
      );
      const href = URL.createObjectURL(blob);
      this.#links.push(href);
      row.finish("Received ", element("a", {
        href, download: name, textContent: `${name}, ${bytes(blob.size)}` }));
    } catch (error) {
      row?.finish(`${name} was not received`);
      notify(`${name} was not received: ${error.message}`, "error");
    }
  }
}

function transfer(text, size) {
  const label = element("span", { textContent: text });
  const bar = element("progress", { max: Math.max(size, 1), value: 0, ariaLabel: text });
  const row = element("div", { className: "transfer" }, label, bar);
  $("files").append(row);
  return {
    progress: (count) => (bar.value = count),
    finish: (...content) => {
      bar.remove();
      label.replaceChildren(...content);
    },
  };
}

function readable(data) {
  if (typeof data === "string") return data;
  const start = Array.from(new Uint8Array(data.slice(0, SHOWN_BYTES)), (byte) =>
    byte.toString(16).padStart(2, "0")).join(" ");
  return `${bytes(data.byteLength)}: ${start}${data.byteLength > SHOWN_BYTES ? " …" : ""}`;
}
