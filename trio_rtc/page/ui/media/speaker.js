// The devices that somebody has chosen, and the speaker among them.

import { remembered } from "../remembered.js";

/** The ids of what was chosen: `{camera, microphone, speaker}`, empty for the system's own choice. */
export function chosenDevices() {
  const chosen = (of) => remembered(`device-${of}`);
  return { camera: chosen("camera"), microphone: chosen("microphone"), speaker: chosen("speaker") };
}

/** Have an element with sound play through the chosen speaker, where the browser lets pages choose. */
export async function playThrough(media) {
  const { speaker } = chosenDevices();
  if (!media.setSinkId || media.sinkId === speaker) return;
  try {
    await media.setSinkId(speaker);
  } catch (error) {
    // It is not plugged in: the sound comes where all sound comes.
    console.debug("the speaker cannot be used:", error.message);
  }
}
