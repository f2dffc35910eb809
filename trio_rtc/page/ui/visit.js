// A visit to a room: a signaling session, and the one after it when that is lost.

import { pauseBefore } from "../again.js";
import { Pause } from "../signaling.js";
import { Calls, openSignaling, SignalingError } from "../trio-rtc.js";
import { signalingError } from "./errors.js";

/**
 * Events: `joined` (there is a session, the first or another one), `status` (`{state, text}`), `call`
 * (one that rings), `peers` (somebody has come or gone), `over` (the error that ends the visit).
 */
export class Visit extends EventTarget {
  #asked = null;
  #number = 0;
  #pause = new Pause();
  /** The session, which is another one after each `joined`. */
  signaling = null;
  calls = null;

  /** Sign in with the arguments of `openSignaling`; throws as that does. */
  async begin(url, options) {
    this.#asked = [url, options];
    this.#number += 1;
    this.#tell("reconnecting", "Signing in …");
    await this.#join(this.#number);
  }

  /** Leave, and hang up. */
  leave(reason = "") {
    this.#number += 1;
    this.#pause.wake();
    this.calls?.hangUpAll(reason);
    this.signaling?.close();
  }

  async #join(number) {
    const signaling = await openSignaling(...this.#asked);
    if (number !== this.#number) {
      signaling.close();
      throw new SignalingError("The visit is over", "left");
    }
    this.signaling = signaling;
    this.calls = new Calls(signaling);
    this.calls.addEventListener("call", ({ detail }) => this.#emit("call", detail));
    for (const change of ["peerjoined", "peerleft"])
      signaling.addEventListener(change, () => this.#emit("peers"));
    signaling.addEventListener("reconnecting", () =>
      this.#tell("reconnecting", "The server is out of reach. Connecting again …"));
    signaling.addEventListener("reconnected", () => this.#tellWhere());
    signaling.addEventListener("lost", ({ detail }) => this.#joinAgain(number, detail));
    this.#tellWhere();
    this.#emit("joined");
  }

  async #joinAgain(number, error) {
    const wake = () => this.#pause.wake();
    addEventListener("online", wake);
    try {
      for (let attempt = 0; number === this.#number; attempt++) {
        const pause = pauseBefore(attempt, error.code);
        if (pause === null) {
          this.#emit("over", error);
          return;
        }
        this.#tell("reconnecting", `${signalingError(error)} Signing in again …`);
        await this.#pause.sleep(pause);
        if (number !== this.#number) return;
        try {
          await this.#join(number);
          return;
        } catch (failed) {
          error = failed;
        }
      }
    } finally {
      removeEventListener("online", wake);
    }
  }

  #tellWhere() {
    const { room } = this.signaling;
    this.#tell("connected", room ? `In the room ${room}` : "In the common room");
  }

  #tell(state, text) {
    this.#emit("status", { state, text });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
