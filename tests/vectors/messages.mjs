// How the page reads what a peer has sent.

import { load, play } from "./play.mjs";

const { parseMessage } = await load("messages.js");

await play(({ data }) => parseMessage(data));
