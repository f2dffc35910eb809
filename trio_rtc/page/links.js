// Links in what people write.

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`]+/giu;
/** What ends a sentence, and not an address. */
const ENDING = /[.,;:!?…]+$/u;

/** The parts of a text, in their order: {text, href}, where `href` is null for what is no link. */
export function linked(text) {
  const found = [];
  let at = 0;
  const add = (end, href = null) => {
    if (end > at) found.push({ text: text.slice(at, end), href });
    at = end;
  };
  for (const match of text.matchAll(ADDRESS)) {
    const address = ended(match[0]);
    if (!URL.canParse?.(address)) continue;
    add(match.index);
    add(match.index + address.length, address);
  }
  add(text.length);
  return found;
}

/** An address without what belongs to the sentence around it. */
function ended(address) {
  let shorter = address.replace(ENDING, "");
  // A bracket that was opened within it is its own.
  while (shorter.endsWith(")") && shorter.split(")").length > shorter.split("(").length)
    shorter = shorter.slice(0, -1).replace(ENDING, "");
  return shorter;
}
