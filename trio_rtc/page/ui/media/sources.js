// Where pictures and sound come from: a camera, the screen, or a test picture with a tone.

import { wanted } from "../../devices.js";
import { chosenDevices } from "./speaker.js";

const WIDTH = 640;
const HEIGHT = 360;
const FRAMES_PER_SECOND = 20;
const TONE_HZ = 440;

/** What the browser calls the device of a source, for messages to people. */
export const DEVICES = {
  camera: "camera or microphone", microphone: "microphone", screen: "screen", picture: "test picture" };

/** A stream of a source; a rejection is a DOMException, as of getUserMedia. */
export async function openSource(kind) {
  if (kind === "picture") return openPicture();
  if (!navigator.mediaDevices)
    throw new Error("browsers allow that only to pages over https, or from localhost");
  if (kind === "screen") return navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
  return openDevice(kind);
}

async function openDevice(kind) {
  const constraints = wanted(kind, chosenDevices());
  const { audio, video } = constraints;
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    if (error.name !== "NotFoundError" || !video) throw error;
    // Half of it is better than nothing.
    return navigator.mediaDevices.getUserMedia({ video }).catch(() =>
      navigator.mediaDevices.getUserMedia({ audio }));
  }
}

/** End a stream, and what makes it. */
export function closeSource(stream) {
  for (const track of stream.getTracks()) track.stop();
  stream.close?.();
}

function openPicture() {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext("2d", { alpha: false });
  draw(context);
  const drawing = setInterval(draw, 1000 / FRAMES_PER_SECOND, context);
  const stream = canvas.captureStream(FRAMES_PER_SECOND);
  const audio = openTone(stream);
  stream.close = () => {
    clearInterval(drawing);
    audio?.close();
  };
  return stream;
}

function openTone(stream) {
  let audio;
  try {
    audio = new AudioContext();
  } catch {
    return null; // No sound device: the picture alone will do.
  }
  const destination = audio.createMediaStreamDestination();
  const gain = new GainNode(audio, { gain: 0.08 });
  const tone = new OscillatorNode(audio, { frequency: TONE_HZ });
  tone.connect(gain).connect(destination);
  tone.start();
  audio.resume().catch(() => {});
  stream.addTrack(destination.stream.getAudioTracks()[0]);
  return audio;
}

const BARS = ["#e8e8e8", "#e3d445", "#3fc8c8", "#45c04f", "#c34fc3", "#cf4540", "#3f4fc9"];

function draw(context) {
  const seconds = performance.now() / 1000;
  const width = WIDTH / BARS.length;
  BARS.forEach((color, index) => {
    context.fillStyle = color;
    context.fillRect(Math.floor(index * width), 0, Math.ceil(width), HEIGHT);
  });
  context.fillStyle = "#14191c";
  context.fillRect(0, HEIGHT * 0.68, WIDTH, HEIGHT * 0.32);
  context.fillStyle = "#2dd4bf";
  const x = ((seconds * 140) % (WIDTH + 60)) - 30;
  context.beginPath();
  context.arc(x, HEIGHT * 0.84, 22, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = "#fff";
  context.font = "600 40px ui-monospace, monospace";
  context.textAlign = "center";
  context.fillText(new Date().toISOString().slice(11, 21), WIDTH / 2, HEIGHT * 0.88);
}
