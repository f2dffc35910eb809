// What this page sends: a source, changed at any time, and the screen beside it.

import { $, notify } from "./dom.js";
import { mediaError } from "./errors.js";
import { closeSource, DEVICES, openSource } from "./sources.js";

/** The choice of the source, our own picture, and the tracks of the call there is. */
export class Sending {
  #kind = "none";
  #stream = null;
  #screen = null;
  #screenSenders = [];
  #call = null;
  #senders = {};

  constructor() {
    $("source").addEventListener("change", () => this.#choose($("source").value));
    $("mute").addEventListener("click", () => this.#mute());
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
    });
  }

  /** Give all devices back. */
  stop() {
    this.#unshare();
    this.#use("none", null);
  }

  async #choose(kind) {
    if (kind === "none") return this.#use(kind, null);
    const select = $("source");
    select.disabled = true;
    try {
      return await this.#use(kind, await openSource(kind));
    } catch (error) {
      notify(mediaError(error, DEVICES[kind]), "error");
      select.value = this.#kind;
      return undefined;
    } finally {
      select.disabled = false;
      select.focus();
    }
  }

  async #use(kind, stream) {
    const before = this.#stream;
    this.#kind = kind;
    this.#stream = stream;
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

  #mute() {
    const tracks = this.#stream?.getAudioTracks() ?? [];
    for (const track of tracks) track.enabled = !track.enabled;
    this.#showMute();
  }

  #showMute() {
    const [track] = this.#stream?.getAudioTracks() ?? [];
    $("mute").hidden = !track;
    const muted = track?.enabled === false;
    $("mute").classList.toggle("on", muted);
    $("mute").textContent = muted ? "Unmute" : "Mute";
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
