// A call that rings here: who calls, and in which ways it may be answered.

import { $, notify } from "./dom.js";
import { callEnd } from "./errors.js";
import { startRinging } from "./media/ringing.js";

const CALLS = { video: "with video", voice: "to talk", chat: "to chat" };

export class Incoming {
  #call = null;
  #sending;
  #onAnswer;
  #stopRinging = () => {};

  /** `onAnswer(call)` is told when somebody answers, and `sending` has what is to be sent. */
  constructor(sending, onAnswer) {
    this.#sending = sending;
    this.#onAnswer = onAnswer;
    for (const button of $("incoming").querySelectorAll("[data-way]"))
      button.addEventListener("click", () => this.#answer(button.dataset.way));
    $("decline").addEventListener("click", () => this.#call?.decline());
    $("incoming").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#call?.decline();
    });
  }

  get isRinging() {
    return this.#call !== null;
  }

  ring(call) {
    this.#call = call;
    const before = document.activeElement;
    $("incoming-text").textContent = `${call.peer.name} is calling ${CALLS[call.way]}`;
    document.title = `${call.peer.name} is calling`;
    for (const button of $("incoming").querySelectorAll("[data-way]"))
      button.classList.toggle("primary", button.dataset.way === call.way);
    $("incoming").hidden = false;
    $("incoming").querySelector(".primary").focus();
    this.#stopRinging = startRinging("incoming");
    call.addEventListener("ended", ({ detail }) => {
      if (this.#call !== call) return;
      this.#stop();
      before?.focus();
      const why = callEnd(detail, call.peer.name);
      if (why) notify(why);
    });
  }

  async #answer(way) {
    const call = this.#call;
    const buttons = [...$("incoming").querySelectorAll("[data-way]")];
    for (const button of buttons) button.disabled = true;
    this.#stopRinging();
    const isReady = await this.#sending.prepare(way);
    for (const button of buttons) button.disabled = false;
    if (this.#call !== call) this.#sending.release();
    else if (isReady) {
      this.#stop();
      this.#onAnswer(call);
      // Who has no camera after all may still talk, or write.
    } else buttons.find((button) => button.dataset.way === "chat").focus();
  }

  #stop() {
    this.#call = null;
    this.#stopRinging();
    $("incoming").hidden = true;
    document.title = "trio-rtc";
  }
}
