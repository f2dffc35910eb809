// Links that invite somebody, and what is read out of them.

import assert from "node:assert/strict";
import { test } from "node:test";

const { invitationLink, invitationOf, newCode } = await import(`${process.env.PAGE}/invitations.js`);

const PAGE = "https://rtc.example/calls/?room=old&x=1#code=1-a";

test("a link has the room, and nothing of the address that it is made at", () => {
  assert.equal(invitationLink(PAGE, { room: "den" }), "https://rtc.example/calls/?room=den");
  assert.equal(invitationLink(PAGE, {}), "https://rtc.example/calls/");
});

test("whatever a room is called, it is read as it was written", () => {
  for (const room of ["den", "a b&c=d#e", "Küche 🍲", "100%", "+"])
    assert.equal(invitationOf(invitationLink(PAGE, { room, code: "7-a-b" })).room, room);
});

test("a code stands where no server sees it", () => {
  const link = new URL(invitationLink(PAGE, { room: "den", code: "7-a-b" }));
  assert.equal(link.search, "?room=den");
  assert.equal(link.hash, "#code=7-a-b");
  assert.equal(invitationOf(link.href).code, "7-a-b");
});

test("codes are phrases, and differ", () => {
  const codes = new Set(Array.from({ length: 200 }, () => newCode()));
  assert.equal(codes.size, 200);
  for (const code of codes) {
    assert.match(code, /^[1-9][0-9]{0,3}(-[a-z0-9]{4}){3}$/);
    assert.equal(invitationOf(invitationLink(PAGE, { code })).code, code);
  }
});

test("what is no invitation invites to nothing", () => {
  const nothing = { room: "", name: "", code: "" };
  for (const hash of ["", "#", "#code=", "#code=abc", "#7-guitarist-paperweight", "#code=%E0%A4%A"])
    assert.deepEqual(invitationOf(`https://rtc.example/${hash}`), nothing);
  assert.equal(invitationOf("https://rtc.example/?name=ann").name, "ann");
});
