// Choosing camera, microphone and speaker, and trying them before a call.

import { choices, KINDS } from "../devices.js";
import { ringPattern } from "../rings.js";
import { $, element } from "./dom.js";
import { mediaError } from "./errors.js";
import { remember, remembered } from "./remembered.js";
import { closeSource, DEVICES, openSource } from "./media/sources.js";
import { chosenDevices, playThrough } from "./media/speaker.js";
import { play } from "./media/ringing.js";

const LEVEL_MS = 100;
/** How much louder than its mean a voice is shown: a quiet one fills half of the meter. */
const LEVEL_GAIN = 6;

export class DevicePanel {
  #onChange;
  #test = null;

  /** `onChange()` is told when another camera or microphone is wanted. */
  constructor(onChange) {
    this.#onChange = onChange;
    $("devices").addEventListener("toggle", () => ($("devices").open ? this.#list() : this.#stop()));
    navigator.mediaDevices?.addEventListener("devicechange", () => {
      if ($("devices").open) this.#list();
    });
    for (const of of Object.keys(KINDS))
      $(of).addEventListener("change", () => this.#choose(of, $(of).value));
    $("test").addEventListener("click", () => (this.#test ? this.#stop() : this.#begin()));
    $("test-speaker").addEventListener("click", playSound);
    $("ring").checked = remembered("ring", "on") === "on";
    $("ring").addEventListener("change", () => remember("ring", $("ring").checked ? "on" : "off"));
    $("speaker-field").hidden = !HTMLMediaElement.prototype.setSinkId;
  }

  close() {
    $("devices").open = false;
    this.#stop();
  }

  async #list() {
    const found = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    const chosen = chosenDevices();
    for (const of of Object.keys(KINDS)) {
      $(of).replaceChildren(...choices(found, of).map(({ id, label }) =>
        element("option", { value: id, textContent: label })));
      $(of).value = chosen[of];
      if ($(of).selectedIndex < 0) $(of).value = "";
    }
  }

  async #choose(of, id) {
    remember(`device-${of}`, id);
    if (of === "speaker") for (const video of document.querySelectorAll(".remote video")) playThrough(video);
    else {
      if (this.#test) await this.#begin();
      await this.#onChange();
    }
  }

  async #begin() {
    this.#stop();
    const stopped = { is: false };
    this.#test = { stop: () => (stopped.is = true) };
    $("testing").hidden = false;
    $("test").textContent = "Stop the test";
    $("test-result").textContent = "The browser may ask whether it may.";
    let stream;
    try {
      stream = await openSource("camera");
    } catch (error) {
      if (!stopped.is) $("test-result").textContent = mediaError(error, DEVICES.camera);
      return;
    }
    if (stopped.is) {
      closeSource(stream);
      return;
    }
    $("test-video").srcObject = stream;
    const stopLevel = watchLevel(stream, (level) => ($("level").value = level));
    this.#test = { stop: () => {
      stopLevel();
      closeSource(stream);
    } };
    const names = stream.getTracks().map(({ label }) => label).filter(Boolean);
    $("test-result").textContent = `Say something: the bar should move. In use: ${names.join(", ")}.`;
    // Now it tells their names.
    await this.#list();
  }

  #stop() {
    this.#test?.stop();
    this.#test = null;
    $("test-video").srcObject = null;
    $("testing").hidden = true;
    $("test").textContent = "Test camera and microphone";
  }
}

/** Tell how loud a stream is, from 0 to 1, until the function that is given back is called. */
function watchLevel(stream, tell) {
  if (!stream.getAudioTracks().length) return () => {};
  const audio = new AudioContext();
  const analyser = new AnalyserNode(audio, { fftSize: 1024 });
  audio.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const mean = Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
    tell(Math.min(1, mean * LEVEL_GAIN));
  }, LEVEL_MS);
  return () => {
    clearInterval(timer);
    audio.close();
  };
}

/** One ring, through the chosen speaker. */
async function playSound() {
  const audio = new AudioContext();
  await audio.setSinkId?.(chosenDevices().speaker).catch(() => {});
  const { period, tones } = ringPattern("incoming");
  for (const tone of tones) play(audio, audio.currentTime, tone);
  setTimeout(() => audio.close(), period * 1000);
}
