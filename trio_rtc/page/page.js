// The page: signing in, who is there, and the one call at a time that it has.

import { Chat } from "./ui/chat.js";
import { phraseOfLink, readPhrase, senderOf } from "./codes.js";
import { $, clearNotices, element, notify } from "./ui/dom.js";
import { callEnd, isOrdinary, signalingError } from "./ui/errors.js";
import { Sending } from "./ui/sending.js";
import { Stage } from "./ui/stage.js";
import { setUpTheme } from "./ui/theme.js";
import { Calls, openSignaling } from "./trio-rtc.js";

const sending = new Sending();
const chat = new Chat();
const stage = new Stage();
let signaling = null;
let calls = null;
let current = null;
let ringing = null;

// Signing in, and out.

const form = $("sign-in-form");
const fields = form.elements;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearNotices();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await signIn();
  } catch (error) {
    notify(signalingError(error), "error");
    setStatus("idle", "Not signed in");
    fields.name.focus();
  } finally {
    button.disabled = false;
  }
});

// Files, from whoever has told us a code.

const codeForm = $("code-form");

codeForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearNotices();
  const phrase = readPhrase(codeForm.elements.code.value);
  if (!phrase) return notify("This is no code. One is like 7-guitarist-paperweight.", "error");
  const button = codeForm.querySelector("button");
  button.disabled = true;
  try {
    await signIn({ name: "receiver", room: phrase.room });
    const sender = await senderOf(signaling, phrase);
    if (sender) return take(calls.call(sender, { code: phrase.text }));
    leave("");
    showSignIn("Not signed in");
    notify("Nobody waits with this code: it was used, or is for another server.", "error");
  } catch (error) {
    notify(signalingError(error), "error");
    setStatus("idle", "Not signed in");
  } finally {
    button.disabled = false;
  }
  return undefined;
});

/** A link with a code has it filled in already. */
function fillIn() {
  const code = phraseOfLink();
  if (!code) return;
  codeForm.elements.code.value = code;
  codeForm.querySelector("button").focus();
}
addEventListener("hashchange", fillIn);

fields.protocol.addEventListener("change", () => {
  for (const field of [fields.room, fields.token])
    field.disabled = fields.protocol.value === "classic";
});

/** What was typed, without the blanks that keyboards add. Any other character may be meant. */
function typed(field) {
  return field.value.replace(/^ +| +$/g, "");
}

async function signIn(as = {}) {
  const url = new URL("./", location.href);
  url.search = url.hash = "";
  const isNative = fields.protocol.value === "native";
  if (isNative) url.protocol = url.protocol.replace("http", "ws");
  setStatus("reconnecting", "Signing in …");
  const options = { name: as.name ?? typed(fields.name) };
  if (isNative)
    Object.assign(options, { room: as.room ?? typed(fields.room), token: fields.token.value });
  signaling = await openSignaling(url.href, options);
  calls = new Calls(signaling);
  calls.addEventListener("call", ({ detail }) => ring(detail));
  for (const change of ["peerjoined", "peerleft"]) signaling.addEventListener(change, showPeers);
  signaling.addEventListener("reconnecting", () =>
    setStatus("reconnecting", "The server is out of reach. Connecting again …"));
  signaling.addEventListener("reconnected", () => setStatus("connected", whereWeAre()));
  signaling.addEventListener("lost", ({ detail }) => signedOut(detail));
  chat.clear();
  document.body.dataset.view = "room";
  setStatus("connected", whereWeAre());
  $("me").textContent = `You are ${signaling.name}, number ${signaling.peerId}.`;
  showPeers();
  ($("peers").querySelector("button") ?? $("source")).focus();
}

function whereWeAre() {
  return signaling.room ? `In the room ${signaling.room}` : "In the common room";
}

function setStatus(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

$("sign-out").addEventListener("click", () => {
  leave("");
  showSignIn("Not signed in");
});

function signedOut(error) {
  notify(signalingError(error), "error");
  setStatus("lost", "Signed out");
  // A call needs no server once it stands.
  if (current) current.addEventListener("ended", () => showSignIn());
  else showSignIn();
}

function showSignIn(text) {
  if (signaling && signaling.state !== "lost" && text === undefined) return;
  sending.stop();
  document.body.dataset.view = "sign-in";
  setStatus("idle", text ?? "Signed out");
  fields.name.focus();
}

function leave(reason) {
  calls?.hangUpAll(reason);
  signaling?.close();
}

// A page that goes says so: its calls end at once, and its name is free.
addEventListener("pagehide", () => leave("page_closed"));
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// Who is there.

function showPeers() {
  const peers = [...signaling.peers.values()];
  const rows = new Map([...$("peers").children].map((row) => [Number(row.dataset.id), row]));
  for (const [id, row] of rows) if (!signaling.peers.has(id)) row.remove();
  for (const peer of peers) if (!rows.has(peer.id)) $("peers").append(peerRow(peer));
  $("people-count").textContent = peers.length;
  $("nobody").hidden = peers.length > 0;
  showWhetherFree();
}

function peerRow(peer) {
  const button = element("button", { type: "button", textContent: "Call" });
  button.setAttribute("aria-label", `Call ${peer.name}, number ${peer.id}`);
  button.addEventListener("click", () => callPeer(peer));
  const avatar = element("span", { className: "avatar", textContent: [...peer.name][0] ?? "?" });
  avatar.ariaHidden = "true";
  const name = element("span", { className: "name", textContent: `${peer.name} ` },
    element("small", { textContent: `#${peer.id}` }));
  const row = element("li", { title: peer.name }, avatar, name, button);
  row.dataset.id = peer.id;
  return row;
}

function showWhetherFree() {
  for (const button of $("peers").querySelectorAll("button")) button.disabled = current !== null;
}

// The call.

function callPeer(peer) {
  clearNotices();
  try {
    take(calls.call(peer, { tracks: sending.tracks }));
  } catch (error) {
    notify(error.message, "error");
  }
}

function ring(call) {
  if (current || ringing) {
    call.decline("busy");
    notify(`${call.peer.name} has called while you were busy.`);
    return;
  }
  ringing = call;
  const before = document.activeElement;
  $("incoming-text").textContent = document.title = `${call.peer.name} is calling`;
  $("incoming").hidden = false;
  $("answer").focus();
  call.addEventListener("ended", ({ detail }) => {
    if (ringing !== call) return;
    stopRinging();
    before?.focus();
    const why = callEnd(detail, call.peer.name);
    if (why) notify(why);
  });
}

function stopRinging() {
  ringing = null;
  $("incoming").hidden = true;
  document.title = "trio-rtc";
}

$("answer").addEventListener("click", () => {
  const call = ringing;
  stopRinging();
  clearNotices();
  take(call);
  call.accept(sending.tracks);
});

$("decline").addEventListener("click", () => ringing.decline());
$("incoming").addEventListener("keydown", (event) => {
  if (event.key === "Escape") ringing.decline();
});

$("hang-up").addEventListener("click", () => current?.hangUp());

function take(call) {
  current = call;
  for (const part of [sending, chat, stage]) part.follow(call);
  call.addEventListener("state", () => showCall(call));
  call.addEventListener("problem", ({ detail }) =>
    notify(`Something in the call did not work: ${detail.message}`, "error"));
  call.addEventListener("ended", ({ detail }) => {
    current = null;
    showCall(null);
    const why = callEnd(detail, call.peer.name);
    if (why) notify(why, isOrdinary(detail) ? "info" : "error");
    const button = $("peers").querySelector(`[data-id="${call.peer.id}"] button`);
    (button ?? $("source")).focus();
  });
  showCall(call);
  $("chat-text").focus();
}

const WAITING = {
  calling: (name) => `Calling ${name} …`,
  connecting: (name) => `Connecting with ${name} …`,
  disconnected: (name) => `Nothing is heard of ${name}. Looking for another way …`,
};

function showCall(call) {
  const state = call && call.state !== "ended" ? call.state : null;
  if (state) document.body.dataset.call = state === "ringing" ? "connecting" : state;
  else delete document.body.dataset.call;
  $("stage-title").textContent = state ? `Call with ${call.peer.name}` : "You";
  document.title = state ? `${call.peer.name} – trio-rtc` : "trio-rtc";
  stage.wait(WAITING[state]?.(call.peer.name) ?? "");
  showWhetherFree();
}

setUpTheme($("theme"));
$("self").classList.add("idle");
fillIn();
