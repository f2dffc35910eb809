// How the page runs CPace: the draft's vectors, and exchanges with fixed scalars.

import { load, play } from "./play.mjs";

const { CPaceSide, generator, hex, multiply, unhex } = await load("cpace.js");
const bytes = (text) => unhex(text, text.length / 2);

await play(({ kind, ...given }) => {
  const at = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, typeof value === "string" ? bytes(value) : value]));
  if (kind === "generator") return hex(generator(at.secret, at.channel, at.session));
  if (kind === "multiply") {
    try {
      return hex(multiply(at.scalar, at.point));
    } catch {
      return null;
    }
  }
  const side = new CPaceSide(at);
  const { key, tag } = side.agree(at.other_share, at.other);
  return { share: hex(side.share), key: hex(key), tag: hex(tag) };
});
