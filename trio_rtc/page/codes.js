// Code phrases, such as 7-guitarist-paperweight: where its two ends meet, and a link that has one.

/** How long the one who sends may take to be there. */
export const SENDER_MS = 10_000;

/** `{text, room}` of what somebody has typed; null if that is no phrase. */
export function readPhrase(typed) {
  const words = typed.trim().toLowerCase().split(/[\s-]+/);
  if (words.length < 2 || !/^[0-9]{1,4}$/.test(words[0]) || !words.every((word) => word)) return null;
  const number = Number(words[0]);
  return { text: [number, ...words.slice(1)].join("-"), room: `code-${number}` };
}

/** The phrase of a link into the page, which no server gets to see; empty if there is none. */
export function phraseOfLink() {
  try {
    return readPhrase(decodeURIComponent(location.hash.slice(1)))?.text ?? "";
  } catch {
    return "";
  }
}

/** The peer who waits with this phrase; null if nobody comes. */
export function senderOf(signaling, { room }) {
  const find = () => [...signaling.peers.values()].find(({ name }) => name === room);
  return new Promise((resolve) => {
    const look = () => {
      const peer = find();
      if (peer) resolve(peer);
    };
    look();
    signaling.addEventListener("peerjoined", look);
    setTimeout(() => resolve(find() ?? null), SENDER_MS);
  });
}
