// The sound of a call that rings, here or at the other side, made of tones.

import { remembered } from "../remembered.js";
import { ringPattern } from "../../rings.js";

/** How far ahead of their time tones are made. */
const AHEAD_S = 1;

/** Ring ("incoming" or "outgoing") until the function that is given back is called. */
export function startRinging(kind) {
  if (remembered("ring", "on") !== "on") return () => {};
  let audio;
  try {
    audio = new AudioContext();
  } catch {
    return () => {}; // No sound device.
  }
  const { period, tones } = ringPattern(kind);
  let next = audio.currentTime;
  const schedule = () => {
    while (next < audio.currentTime + AHEAD_S) {
      for (const tone of tones) play(audio, next, tone);
      next += period;
    }
  };
  schedule();
  const timer = setInterval(schedule, (AHEAD_S * 1000) / 2);
  // A page that nobody has touched may make no sound; the question is seen all the same.
  audio.resume().catch(() => {});
  document.body.dataset.ringing = kind;
  return () => {
    clearInterval(timer);
    if (audio.state !== "closed") audio.close();
    delete document.body.dataset.ringing;
  };
}

export function play(audio, start, { at, seconds, hertz, volume }) {
  const gain = new GainNode(audio, { gain: 0 });
  const tone = new OscillatorNode(audio, { frequency: hertz });
  tone.connect(gain).connect(audio.destination);
  const begin = start + at;
  // A tone that begins or ends at once clicks.
  gain.gain.setValueAtTime(0, begin);
  gain.gain.linearRampToValueAtTime(volume, begin + 0.02);
  gain.gain.setValueAtTime(volume, begin + seconds - 0.05);
  gain.gain.linearRampToValueAtTime(0, begin + seconds);
  tone.start(begin);
  tone.stop(begin + seconds);
}
