// When a page whose session is lost signs in again by itself. No I/O.

const FIRST_MS = 500;
const LONGEST_MS = 10_000;

/** What passes by itself. Whoever is refused has to change something first. */
const PASSING = [
  "session_lost", "server_shutdown", "signed_out", "server_unreachable", "not_signaling_server",
  "no_place", "peers", "peers_per_address", "joins_per_second", "rooms",
];

/** How long to wait before an attempt (the first is 0); null if another one would fare no better. */
export function pauseBefore(attempt, code, random = Math.random) {
  if (!PASSING.includes(code)) return null;
  // All who have lost the same server come back at once, but for this.
  return Math.min(FIRST_MS * 2 ** attempt, LONGEST_MS) * (0.5 + random() / 2);
}
