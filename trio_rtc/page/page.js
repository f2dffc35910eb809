// The page: signing in, who is there, and the one call at a time that it has.

import { phraseOfLink, readPhrase, senderOf } from "./codes.js";
import { invitationOf } from "./invitations.js";
import { removeLeftovers } from "./stores.js";
import { Chat } from "./ui/chat.js";
import { DevicePanel } from "./ui/device_panel.js";
import { $, clearNotices, notify } from "./ui/dom.js";
import { callEnd, isOrdinary, signalingError } from "./ui/errors.js";
import { Incoming } from "./ui/incoming.js";
import { Invitation } from "./ui/invitation.js";
import { People } from "./ui/people.js";
import { remember, remembered } from "./ui/remembered.js";
import { startRinging } from "./ui/media/ringing.js";
import { Sending } from "./ui/sending.js";
import { Stage } from "./ui/stage.js";
import { setUpTheme } from "./ui/theme.js";
import { Visit } from "./ui/visit.js";

const sending = new Sending();
const chat = new Chat();
const stage = new Stage();
const visit = new Visit();
const invitation = new Invitation();
const people = new People(callPeer);
const incoming = new Incoming(sending, answer);
const devices = new DevicePanel(() => sending.reopen());
let current = null;

// Signing in, and out.

const form = $("sign-in-form");
const fields = form.elements;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = typed(fields.name);
  const isIn = await signIn(form, { name, room: typed(fields.room), token: fields.token.value });
  if (!isIn) return fields.name.focus();
  remember("name", name);
  invitation.use(visit.signaling.room, invitationOf(location.href).code);
  showRoomInAddress(visit.signaling.room);
  return people.focus();
});

/** Whoever loads the page again is asked into the same room. */
function showRoomInAddress(room) {
  const address = new URL(location.href);
  address.search = room ? new URLSearchParams({ room }) : "";
  history.replaceState(null, "", address);
}

fields.protocol.addEventListener("change", () => {
  for (const field of [fields.room, fields.token])
    field.disabled = fields.protocol.value === "classic";
});

/** What was typed, without the blanks that keyboards add. Any other character may be meant. */
function typed(field) {
  return field.value.replace(/^ +| +$/g, "");
}

/** Sign in by one of the forms; whether that worked. */
async function signIn(by, { name, room, token }) {
  clearNotices();
  const button = by.querySelector("button[type=submit]");
  button.disabled = true;
  const url = new URL("./", location.href);
  url.search = url.hash = "";
  const isNative = fields.protocol.value === "native";
  if (isNative) url.protocol = url.protocol.replace("http", "ws");
  try {
    await visit.begin(url.href, isNative ? { name, room, token } : { name });
    chat.clear();
    document.body.dataset.view = "room";
    return true;
  } catch (error) {
    notify(signalingError(error), "error");
    setStatus("idle", "Not signed in");
    return false;
  } finally {
    button.disabled = false;
  }
}

visit.addEventListener("joined", () => {
  $("me").textContent = `You are ${visit.signaling.name}.`;
  showPeople();
});
visit.addEventListener("status", ({ detail }) => setStatus(detail.state, detail.text));
visit.addEventListener("peers", showPeople);
visit.addEventListener("call", ({ detail }) => ring(detail));
visit.addEventListener("over", ({ detail }) => {
  notify(signalingError(detail), "error");
  setStatus("lost", "Signed out");
  // A call needs no server once it stands.
  if (current) current.addEventListener("ended", () => showSignIn("Signed out"));
  else showSignIn("Signed out");
});

function setStatus(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

$("sign-out").addEventListener("click", () => {
  leave("");
  showSignIn("Not signed in");
});

function showSignIn(text) {
  sending.stop();
  devices.close();
  document.body.dataset.view = "sign-in";
  setStatus("idle", text);
  fields.name.focus();
}

function leave(reason) {
  current?.hangUp(reason);
  visit.leave(reason);
}

// A page that goes says so: its calls end at once, and its name is free.
addEventListener("pagehide", () => leave("page_closed"));
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
addEventListener("beforeunload", (event) => {
  if (current) event.preventDefault();
});

// Files, from whoever has told us a code.

const codeForm = $("code-form");

codeForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearNotices();
  const phrase = readPhrase(codeForm.elements.code.value);
  if (!phrase) return notify("This is no code. One is like 7-guitarist-paperweight.", "error");
  if (!(await signIn(codeForm, { name: "receiver", room: phrase.room }))) return undefined;
  const sender = await senderOf(visit.signaling, phrase);
  if (sender) return take(visit.calls.call(sender, { code: phrase.text }));
  leave("");
  showSignIn("Not signed in");
  return notify("Nobody waits with this code: it was used, or is for another server.", "error");
});

// Who is there.

function showPeople() {
  people.show(visit.signaling.peers, current === null);
}

// The call.

async function callPeer(peer, way) {
  clearNotices();
  if (!(await sending.prepare(way))) return;
  try {
    take(visit.calls.call(peer, { tracks: sending.tracks, code: invitation.code }));
  } catch (error) {
    sending.release();
    notify(error.message, "error");
  }
}

function ring(call) {
  const { name } = call.peer;
  if (current || incoming.isRinging) {
    call.decline("busy");
    notify(`${name} has called while you were busy.`);
  } else if (invitation.code && !call.hasCode) {
    call.decline("not_authenticated");
    notify(`${name} has called without the code of your invitation.`);
  } else incoming.ring(call);
}

function answer(call) {
  clearNotices();
  take(call);
  call.accept(sending.tracks, { code: invitation.code });
}

$("hang-up").addEventListener("click", () => current?.hangUp());

function take(call) {
  current = call;
  for (const part of [sending, chat, stage]) part.follow(call);
  const stopRinging = call.incoming ? () => {} : startRinging("outgoing");
  call.addEventListener("state", () => {
    if (call.state !== "calling") stopRinging();
    showCall(call);
  });
  call.addEventListener("problem", ({ detail }) =>
    notify(`Something in the call did not work: ${detail.message}`, "error"));
  call.addEventListener("ended", ({ detail }) => {
    current = null;
    showCall(null);
    const why = callEnd(detail, call.peer.name);
    if (why) notify(why, isOrdinary(detail) ? "info" : "error");
    // Whoever guesses at a code has one guess.
    if ([detail.reason, detail.detail].includes("wrong_code")) invitation.use(visit.signaling.room, "");
    people.focus(call.peer.id);
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
  $("verified").hidden = !(state === "connected" && call.isAuthenticated);
  document.title = state ? `${call.peer.name} – trio-rtc` : "trio-rtc";
  stage.wait(WAITING[state]?.(call.peer.name) ?? "");
  showPeople();
}

/** What is known already: who was here, and what a link says. */
function fillIn() {
  const invited = invitationOf(location.href);
  fields.name.value ||= invited.name || remembered("name");
  fields.room.value ||= invited.room;
  $("invited").hidden = !invited.room && !invited.code;
  $("invited").textContent = invited.room ? `You are invited to the room ${invited.room}.` : "You are invited.";
  const code = phraseOfLink();
  if (!code) return;
  codeForm.elements.code.value = code;
  codeForm.querySelector("button").focus();
}
addEventListener("hashchange", fillIn);

setUpTheme($("theme"));
$("self").classList.add("idle");
fillIn();
removeLeftovers();
