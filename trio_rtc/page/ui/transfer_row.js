// How far a transfer is, in a row of the page: how much, how fast, how long still, and a way out.

import { $, bytes, element } from "./dom.js";

/** Between two looks at how fast it is. */
const RATE_MS = 500;
/** Between two changes of what is shown. */
const SHOW_MS = 100;

export class Transfer {
  #label;
  #detail = element("span", { className: "detail" });
  #bar;
  #cancel = element("button", { type: "button", className: "quiet", textContent: "Cancel" });
  #stop;
  #at = performance.now();
  #seen = 0;
  #rate = 0;
  #shown = 0;

  /** `size` is null if nobody knows; `stop` is an AbortController. */
  constructor(text, size, stop = new AbortController()) {
    this.size = size;
    this.#stop = stop;
    this.#label = element("span", { textContent: text });
    this.#bar = element("progress", { ariaLabel: text, max: Math.max(size ?? 1, 1) });
    if (size !== null) this.#bar.value = 0;
    this.#cancel.setAttribute("aria-label", `Cancel: ${text}`);
    this.#cancel.addEventListener("click", () => stop.abort());
    this.row = element("div", { className: "transfer" },
      this.#label, this.#bar, this.#detail, this.#cancel);
    $("files").append(this.row);
  }

  get signal() {
    return this.#stop.signal;
  }

  progress = (count) => {
    const now = performance.now();
    if (now - this.#shown < SHOW_MS && count !== this.size) return;
    this.#shown = now;
    if (now - this.#at >= RATE_MS) {
      const rate = (1000 * (count - this.#seen)) / (now - this.#at);
      this.#rate = this.#rate ? 0.7 * this.#rate + 0.3 * rate : rate;
      [this.#at, this.#seen] = [now, count];
    }
    const parts = [this.size === null ? bytes(count) : `${bytes(count)} of ${bytes(this.size)}`];
    if (this.#rate) parts.push(`${bytes(Math.round(this.#rate))}/s`);
    if (this.#rate && this.size !== null) parts.push(time((this.size - count) / this.#rate));
    if (this.size !== null) this.#bar.value = count;
    this.#detail.textContent = parts.join(", ");
  };

  /**
   * Ask whether to receive it, of which so many bytes are here, and then `where`; resolves with false or with
   * what that gives, or true.
   */
  ask(from, kept, where) {
    const take = element("button", { type: "button", className: "primary", textContent: "Receive" });
    const decline = element("button", { type: "button", textContent: "Decline" });
    const question = element("span", { className: "question" }, take, decline);
    this.#detail.textContent =
      `${from} offers ${this.size === null ? "a file of unknown size" : bytes(this.size)}`
      + (kept ? `, of which ${bytes(kept)} are here already` : "");
    this.#cancel.hidden = true;
    this.row.append(question);
    return new Promise((resolve) => {
      const answer = (wanted) => () => {
        question.remove();
        this.#cancel.hidden = false;
        resolve(wanted);
      };
      take.addEventListener("click", async () => {
        try {
          // It has to be asked for at once: browsers want to see somebody press a button.
          answer((await where()) ?? true)();
        } catch {
          take.focus(); // No place was chosen: the question stays.
        }
      });
      decline.addEventListener("click", answer(false));
      this.#stop.signal.addEventListener("abort", answer(false));
    });
  }

  finish(...content) {
    for (const part of [this.#bar, this.#detail, this.#cancel]) part.remove();
    this.row.querySelector(".question")?.remove();
    this.#label.replaceChildren(...content);
  }
}

function time(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const rest = Math.ceil(seconds);
  return rest < 60 ? `${rest} s left` : `${Math.floor(rest / 60)} min ${rest % 60} s left`;
}
