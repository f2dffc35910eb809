// What was tried, as the page says it.

import { load, play } from "./play.mjs";

const { describeAttempt } = await load("attempts.js");

await play(({ local, remote, turn }) => describeAttempt(local, remote, turn));
