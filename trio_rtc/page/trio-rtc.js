// trio-rtc in a browser: signaling sessions and calls, for pages of your own.
//
//     import { openSignaling, Calls } from "https://your.server/trio-rtc.js";
//
//     const signaling = await openSignaling("wss://your.server", { name: "alice" });
//     const calls = new Calls(signaling);
//     const call = calls.call([...signaling.peers.values()][0]);
//     const channel = call.openChannel("chat");
//     channel.onopen = () => channel.send("hello");

import { ClassicSignaling } from "./classic.js";
import { problemOf } from "./names.js";
import { NativeSignaling } from "./native.js";
import { openFirst } from "./servers.js";
import { SignalingError } from "./signaling.js";

export { Call } from "./call.js";
export { Calls } from "./calls.js";
export { Signaling, SignalingError } from "./signaling.js";

/**
 * Sign in to a signaling server.
 *
 * The protocol follows from the scheme: `ws:` and `wss:` are trio-rtc.v1, whose sessions outlive
 * their connections; `http:` and `https:` the classic one, which has neither rooms nor tokens.
 * Of several URLs, those of a cluster, another one is tried when one does not let us in within a few
 * seconds; a session of trio-rtc.v1 goes on with another one in the same way.
 * Throws a SignalingError with one of the codes `bad_url`, `bad_room`, `bad_token`,
 * `server_unreachable`, `not_signaling_server`, `origin_refused`, `not_authorized`, `forbidden` and
 * `no_place`, or another one of the server.
 */
export async function openSignaling(url, { name, room = "", token = null }) {
  const urls = (Array.isArray(url) ? url : [url]).map(String);
  if (!urls.length) throw new SignalingError("No server is given", "bad_url");
  for (const one of urls) check(one, { room, token });
  return openFirst(urls, async (servers) => {
    const signaling = isNative(servers.current)
      ? new NativeSignaling(servers.only(isNative), { name, room, token })
      : new ClassicSignaling(servers, { name });
    await signaling.open();
    return signaling;
  });
}

const isNative = (url) => new URL(url).protocol.startsWith("ws");

/** Throw what is wrong with what was given, a round trip sooner than the server would. */
function check(url, { room, token }) {
  const bad = (why) => new SignalingError(`This ${why}`, "bad_url");
  let address;
  try {
    address = new URL(url);
  } catch {
    throw bad("is not the address of a signaling server");
  }
  const scheme = address.protocol;
  if (address.username || address.password) throw bad("address has a user or a password, which are not used");
  if (address.hash) throw bad("address has a fragment, which is not used");
  if (scheme === "ws:" || scheme === "wss:") {
    const problem = problemOf(room, { room: true });
    if (problem) throw new SignalingError(`The room ${problem}`, "bad_message");
  } else if (scheme === "http:" || scheme === "https:") {
    if (address.search) throw bad("address has a query, for which there is no place");
    if (room) throw new SignalingError("The classic protocol has no rooms", "bad_room");
    if (token) throw new SignalingError("The classic protocol has no tokens", "bad_token");
  } else throw bad("is not the address of a signaling server");
}
