// Invitations: links into the page that have a room, and perhaps a code for its calls. No I/O.

import { readPhrase } from "./codes.js";

/** Without what is easily taken for something else. 32 of them: each is five bits. */
const LETTERS = "abcdefghjkmnpqrstuvwxyz023456789";
/** Nobody types the code of a link, so that it may be longer than a phrase: 60 bits. */
const GROUPS = 3;
const GROUP = 4;

/** A new code; `random(n)` gives random bytes. */
export function newCode(random = (size) => crypto.getRandomValues(new Uint8Array(size))) {
  const [first, second, ...rest] = random(2 + GROUPS * GROUP);
  const letters = rest.map((byte) => LETTERS[byte % LETTERS.length]).join("");
  const groups = letters.match(new RegExp(`.{${GROUP}}`, "g"));
  return [1 + ((first * 256 + second) % 9999), ...groups].join("-");
}

/** A link to the page at this address. The code stands behind the #, which no server gets to see. */
export function invitationLink(page, { room = "", code = "" }) {
  const link = new URL("./", page);
  link.search = link.hash = "";
  if (room) link.searchParams.set("room", room);
  if (code) link.hash = `code=${code}`;
  return link.href;
}

/** What a link invites to: `{room, name, code}`; empty texts for what it does not say. */
export function invitationOf(link) {
  const { searchParams, hash } = new URL(link);
  let code = "";
  try {
    code = /^#code=(.+)$/.exec(decodeURIComponent(hash))?.[1] ?? "";
  } catch { /* It is no text. */ }
  return {
    room: searchParams.get("room") ?? "",
    name: searchParams.get("name") ?? "",
    code: readPhrase(code)?.text ?? "",
  };
}
