// Messages between peers: descriptions, candidates and the hang-up, as JSON text. No I/O.

/** The longest id, and the longest line of a candidate, in characters. */
const ID_LIMIT = 256;
const LINE_LIMIT = 2048;
/** The digits of a share and of a tag. */
const SHARE_LIMIT = 64;
const TAG_LIMIT = 128;

/**
 * Read what a peer has sent; null if it is none of those.
 *
 * `{type, sdp, call}`; `{candidate, sdpMid, sdpMLineIndex, usernameFragment, call}`, without a type,
 * whose `candidate` is empty at the end of them; `{type: "bye", reason, call}`; or
 * `{type: "authenticate", call, tag, share, fingerprint}`.
 */
export function parseMessage(data) {
  if (data.trim() === "BYE") return { type: "bye", reason: "", call: null };
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    return null;
  }
  if (!message || typeof message !== "object" || Array.isArray(message)) return null;
  const { type = null, call = null } = message;
  if (["offer", "answer", "pranswer"].includes(type)) {
    const { sdp, share = null } = message;
    if (typeof sdp !== "string" || !isId(call) || !isTextOrNull(share, SHARE_LIMIT)) return null;
    return share === null ? { type, sdp, call } : { type, sdp, call, share };
  }
  if (type === "bye") {
    const { reason = "" } = message;
    return typeof reason === "string" && isId(call) ? { type, reason, call } : null;
  }
  if (type === "authenticate") {
    const { tag, share = null, fingerprint = null } = message;
    const isGood = isText(call, ID_LIMIT) && isText(tag, TAG_LIMIT)
      && isTextOrNull(share, SHARE_LIMIT) && isId(fingerprint);
    return isGood ? { type, call, tag, share, fingerprint } : null;
  }
  return "candidate" in message && (type === null || type === "candidate")
    ? parseCandidate(message)
    : null;
}

/** Some nest the browser's object, or send null for the end. */
function parseCandidate(message) {
  const inner = message.candidate ?? "";
  const nested = typeof inner === "object" && !Array.isArray(inner);
  const flat = nested ? { ...message, candidate: "", ...inner } : { ...message, candidate: inner };
  const { candidate, sdpMid = null, sdpMLineIndex = null, usernameFragment = null, call = null } = flat;
  const isGood =
    isText(candidate, LINE_LIMIT) &&
    [sdpMid, usernameFragment, call].every(isId) &&
    (sdpMLineIndex === null || Number.isInteger(sdpMLineIndex));
  return isGood ? { candidate, sdpMid, sdpMLineIndex, usernameFragment, call } : null;
}

function isId(value) {
  return isTextOrNull(value, ID_LIMIT);
}

function isTextOrNull(value, limit) {
  return value === null || isText(value, limit);
}

function isText(value, limit) {
  return typeof value === "string" && (value.length <= limit || [...value].length <= limit);
}
