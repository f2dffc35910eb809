// With which code a session of the page ends after a close; null where it connects again.

import { load, play } from "./play.mjs";

const { FINAL } = await load("closes.js");

await play(({ code }) => FINAL[code] ?? null);
