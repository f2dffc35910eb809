// What this page sends: a source, changed at any time, and the screen beside it.

import { $, notify } from "./dom.js";
import { mediaError } from "./errors.js";
import { closeSource, DEVICES, openSource } from "./media/sources.js";

/** The choice of the source, our own picture, and the tracks of the call there is. */
export class Sending {
  #kind = "none";
  #stream = null;
  #screen = null;
  #screenSenders = [];
  #call = null;
  #senders = {};
  /** Whether the source was opened for a call, and is given back after it. */
  #isOfCall = false;

  constructor() {
    $("source").addEventListener("change", () => this.#choose($("source").value));
    $("mute").addEventListener("click", () => this.#toggle("audio"));
    $("hide").addEventListener("click", () => this.#toggle("video"));
    $("share").addEventListener("click", () => (this.#screen ? this.#unshare() : this.#share()));
  }

  /** What to begin a call with: a list of [track, stream]. */
  get tracks() {
    return this.#stream ? this.#stream.getTracks().map((track) => [track, this.#stream]) : [];
  }

  /** Send in this call from now on; the first tracks it has already. */
  follow(call) {
    this.#call = call;
    this.#senders = {};
    call.addEventListener("ended", () => {
      if (this.#call !== call) return;
      this.#unshare();
      this.#call = null;
      this.release();
    });
  }

  /**
   * Have what a call wants that is made in this way ("video", "voice" or "chat"); whether that is there.
   * What sends the like already stays.
   */
  async prepare(way) {
    if (way === "chat") {
      await this.#use("none", null);
      return true;
    }
    const has = (kind) => Boolean(this.#stream?.[kind]().length);
    if (way === "video" ? has("getVideoTracks") : has("getAudioTracks") && !has("getVideoTracks"))
      return true;
    this.#isOfCall = await this.#choose(way === "video" ? "camera" : "microphone");
    return this.#isOfCall;
  }

  /** Open again what was chosen, as other devices are wanted. */
  async reopen() {
    if (!["camera", "microphone"].includes(this.#kind)) return;
    const isOfCall = this.#isOfCall;
    if (await this.#choose(this.#kind)) this.#isOfCall = isOfCall;
  }

  /** Give back what was opened for a call. */
  release() {
    if (this.#isOfCall) this.#use("none", null);
  }

  /** Give all devices back. */
  stop() {
    this.#unshare();
    this.#use("none", null);
  }

  /** Open a source, and send it; whether that worked. */
  async #choose(kind) {
    const select = $("source");
    const isFocused = document.activeElement === select;
    select.disabled = true;
    try {
      await this.#use(kind, kind === "none" ? null : await openSource(kind));
      return true;
    } catch (error) {
      notify(mediaError(error, DEVICES[kind]), "error");
      select.value = this.#kind;
      return false;
    } finally {
      select.disabled = false;
      if (isFocused) select.focus();
    }
  }

  async #use(kind, stream) {
    const before = this.#stream;
    // Whoever is mute stays so, whatever is sent.
    for (const track of stream?.getTracks() ?? [])
      track.enabled = this.#tracks(track.kind).every(({ enabled }) => enabled);
    this.#kind = kind;
    this.#stream = stream;
    this.#isOfCall = false;
    $("source").value = kind;
    $("self-video").srcObject = stream;
    $("self").classList.toggle("idle", !stream?.getVideoTracks().length);
    this.#showMute();
    for (const track of stream?.getTracks() ?? [])
      // The browser has a button of its own to end a screen.
      track.addEventListener("ended", () => {
        if (this.#stream === stream) this.#use("none", null);
      });
    if (this.#call && !this.#call.end)
      for (const name of ["audio", "video"]) await this.#replace(name, stream);
    if (before) closeSource(before);
  }

  async #replace(kind, stream) {
    const track = stream?.getTracks().find((one) => one.kind === kind) ?? null;
    const known = this.#senders[kind] ?? this.#call.connection.getSenders().find(
      (sender) => sender.track?.kind === kind && !this.#screenSenders.includes(sender));
    if (known) await known.replaceTrack(track);
    else if (track) this.#senders[kind] = this.#call.addTrack(track, stream);
    if (known) this.#senders[kind] = known;
  }

  #toggle(kind) {
    for (const track of this.#tracks(kind)) track.enabled = !track.enabled;
    this.#showMute();
  }

  #tracks(kind) {
    return this.#stream?.getTracks().filter((track) => track.kind === kind) ?? [];
  }

  #showMute() {
    for (const [id, kind, on, off] of [
      ["mute", "audio", "Mute", "Unmute"],
      ["hide", "video", "Picture off", "Picture on"],
    ]) {
      const [track] = this.#tracks(kind);
      $(id).hidden = !track;
      $(id).classList.toggle("on", track?.enabled === false);
      $(id).textContent = track?.enabled === false ? off : on;
    }
  }

  async #share() {
    const call = this.#call;
    if (!call || call.end) return;
    let stream;
    try {
      stream = await openSource("screen");
    } catch (error) {
      notify(mediaError(error, "screen"), "error");
      return;
    }
    if (call.end) return closeSource(stream);
    this.#screen = stream;
    this.#screenSenders = stream.getTracks().map((track) => call.addTrack(track, stream));
    stream.getVideoTracks()[0].addEventListener("ended", () => this.#unshare());
    this.#showShare();
  }

  #unshare() {
    if (!this.#screen) return;
    if (this.#call && !this.#call.end)
      for (const sender of this.#screenSenders) this.#call.connection.removeTrack(sender);
    closeSource(this.#screen);
    this.#screen = null;
    this.#screenSenders = [];
    this.#showShare();
  }

  #showShare() {
    $("share").classList.toggle("on", Boolean(this.#screen));
    $("share").textContent = this.#screen ? "Stop sharing" : "Share screen";
  }
}
