// What the page says of the names of peers and rooms.

import { load, play } from "./play.mjs";

const { problemOf } = await load("names.js");

await play(({ text, room }) => problemOf(text, { room }));
