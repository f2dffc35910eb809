// Plays vectors: reads them from standard input, and prints what a page's module makes of them.
//
//     node KIND.mjs FOLDER
//
// FOLDER has the page's modules.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** One of the page's modules. */
export function load(name) {
  return import(pathToFileURL(`${process.argv[2]}/${name}`));
}

/** Have each vector played, by its name if it has one. */
export async function play(player) {
  const vectors = JSON.parse(readFileSync(0, "utf8"));
  const played = Array.isArray(vectors) ? [] : {};
  for (const [name, vector] of Object.entries(vectors)) played[name] = await player(vector);
  console.log(JSON.stringify(played));
}
