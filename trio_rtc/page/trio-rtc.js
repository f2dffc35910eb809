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
import { SignalingError } from "./signaling.js";

export { Call } from "./call.js";
export { Calls } from "./calls.js";
export { Signaling, SignalingError } from "./signaling.js";

/**
 * Sign in to a signaling server.
 *
 * The protocol follows from the scheme: `ws:` and `wss:` are trio-rtc.v1, whose sessions outlive
 * their connections; `http:` and `https:` the classic one, which has neither rooms nor tokens.
 * Throws a SignalingError with one of the codes `bad_url`, `bad_room`, `bad_token`,
 * `server_unreachable`, `not_signaling_server`, `origin_refused`, `not_authorized`, `forbidden` and
 * `no_place`, or another one of the server.
 */
export async function openSignaling(url, { name, room = "", token = null }) {
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
  let signaling;
  if (scheme === "ws:" || scheme === "wss:") {
    // What the server would say, a round trip sooner.
    const problem = problemOf(room, { room: true });
    if (problem) throw new SignalingError(`The room ${problem}`, "bad_message");
    signaling = new NativeSignaling(url, { name, room, token });
  } else if (scheme === "http:" || scheme === "https:") {
    if (address.search) throw bad("address has a query, for which there is no place");
    if (room) throw new SignalingError("The classic protocol has no rooms", "bad_room");
    if (token) throw new SignalingError("The classic protocol has no tokens", "bad_token");
    signaling = new ClassicSignaling(url, { name });
  } else throw bad("is not the address of a signaling server");
  await signaling.open();
  return signaling;
}
