// Attempts to connect: what two sides have tried, and what may help, in words, as wire/attempts.py
// has it. No I/O.

const SHOWN_PAIRS = 2;

/** Not of the Internet: private, shared, of the link, of the machine, of examples. */
const PRIVATE = [
  /^(0|10|127)\./, /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./, /^169\.254\./, /^172\.(1[6-9]|2\d|3[01])\./,
  /^192\.168\./, /^192\.0\.2\./, /^198\.(1[89]|51\.100)\./, /^203\.0\.113\./, /^::1?$/, /^f[cd]/i, /^fe[89ab]/i,
  /^2001:db8:/i,
];

/** The address of a candidate's line (RFC 8839, section 5.1); null if it has none. */
function parse(line) {
  const words = line.trim().split(/\s+/);
  if (words.length < 8 || words[6] !== "typ") return null;
  const [, , transport, , host, , , kind] = words;
  const version = host.includes(":") ? 6 : /^\d+(\.\d+){3}$/.test(host) ? 4 : null;
  return {
    host, kind, version, transport: transport.toLowerCase(),
    isPrivate: version === null || PRIVATE.some((one) => one.test(host)),
    text: `${host} (${kind})`,
  };
}

/** One is told for each media section. */
function parseAll(lines) {
  const all = lines.map(parse).filter(Boolean);
  return [...new Map(all.map((one) => [`${one.text} ${one.transport}`, one])).values()];
}

/**
 * What was tried, pair by pair, and what there was not, in a sentence.
 *
 * `local` and `remote` are lines of candidates; `remote` is null if they have not answered. `turn` tells
 * whether we had a TURN server.
 */
export function describeAttempt(local, remote, turn) {
  if (remote === null) return "they have not answered";
  const [ours, theirs] = [parseAll(local), parseAll(remote)];
  return [...tried(ours, theirs), ...missing(ours, theirs, turn)].join("; ");
}

function tried(ours, theirs) {
  if (!ours.length) return ["we have no address"];
  if (!theirs.length) return ["they offered no address"];
  if (theirs.every(({ version }) => version === null))
    return ["they offered only .local names, which resolve in their own network alone"];
  // What a STUN server sees is checked from the host's own address (RFC 8445, section 6.1.2.4). A
  // name hides an address of ours, whatever its version.
  const pairs = ours.flatMap((one) => theirs.map((other) => [one, other])).filter(([one, other]) =>
    ["host", "relay"].includes(one.kind)
    && one.transport === other.transport
    && (one.version === null || one.version === other.version));
  if (!pairs.length) return [`none of our addresses goes with one of theirs (${list(ours)}; ${list(theirs)})`];
  const shown = pairs.slice(0, SHOWN_PAIRS).map(([one, other]) => `${one.text} does not reach ${other.text}`);
  const more = pairs.length - SHOWN_PAIRS;
  if (more > 0) shown.push(more > 1 ? `nor does any of ${more} more pairs` : "nor does another pair");
  return [shown.join(", ")];
}

const list = (addresses) => addresses.slice(0, 3).map(({ text }) => text).join(", ");

function missing(ours, theirs, turn) {
  const found = [];
  const named = theirs.filter(({ version }) => version !== null);
  if (named.length && named.every(({ isPrivate }) => isPrivate))
    found.push("their addresses are of a private network");
  if (!turn) found.push("no TURN server was given");
  else if (ours.every(({ kind }) => kind !== "relay")) found.push("the TURN server has given no relay");
  return found;
}
