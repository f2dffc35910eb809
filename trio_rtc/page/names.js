// What a peer or a room may be called. The rules are those of the server, which has the last word.

const LONGEST_NAME = 512;

/** Characters of control, also of the direction, and those that separate lines. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** Why nobody, or no room, may be called so; null if there is no reason. */
export function problemOf(text, { room = false } = {}) {
  if (/\p{Surrogate}/u.test(text)) return "is no text: it has half a character";
  if (CONTROL.test(text)) return "has control characters";
  if (room && text.includes(",")) return "has a comma";
  const size = new TextEncoder().encode(text.normalize("NFC")).length;
  return size > LONGEST_NAME ? `is ${size} bytes long, ${LONGEST_NAME} are allowed` : null;
}
