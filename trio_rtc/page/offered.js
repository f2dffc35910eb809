// What a call is about, by its offer (RFC 8866, RFC 8843). No I/O.

/** "video", "voice" or "chat": what the one who offers sends. */
export function wayOf(sdp) {
  const sent = sdp.split(/^m=/m).slice(1).filter(isSent);
  const has = (kind) => sent.some((section) => section.startsWith(kind));
  return has("video") ? "video" : has("audio") ? "voice" : "chat";
}

function isSent(section) {
  const isRejected = /^\w+ 0 /.test(section) && !/^a=bundle-only\s*$/m.test(section);
  return !isRejected && !/^a=(recvonly|inactive)\s*$/m.test(section);
}
