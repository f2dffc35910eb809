// Why calls are over, and what a hang-up says of it. Python has the same list.

/** The reasons of a call that was connected, and of many a one that was not: those of CallEnd. */
export const END_REASONS = [
  "hung_up",
  "peer_hung_up",
  "peer_left",
  "connection_lost",
  "connection_closed",
  "superseded",
];

/** With these the other side says that it does not take the call. */
const DECLINING = ["declined", "busy"];

/** The end that comes of a hang-up, by what it says and whether the call stands. */
export function endOfHangUp(said, stands) {
  return DECLINING.includes(said) && !stands ? "declined" : "peer_hung_up";
}
