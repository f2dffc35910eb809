// Several servers that are one to a page: who is asked when, and what it comes to.

import assert from "node:assert/strict";
import { test } from "node:test";

const { openFirst, Servers } = await import(`${process.env.PAGE}/servers.js`);
const { SignalingError } = await import(`${process.env.PAGE}/signaling.js`);
const { openSignaling } = await import(`${process.env.PAGE}/trio-rtc.js`);

const failing = (codes, asked = []) => (servers) => {
  asked.push(servers.current);
  const code = codes[servers.current];
  if (code) throw new SignalingError(`it says ${code}`, code);
  return servers;
};

test("they are asked in turn, and who has others is less patient", () => {
  const servers = new Servers(["ws://a", "http://b", "ws://c"]);
  servers.turn();
  assert.equal(servers.current, "http://b");
  const natives = servers.only((url) => url.startsWith("ws"));
  const asked = [1, 2, 3].map(() => [natives.current, natives.turn()][0]);
  assert.deepEqual(asked, ["ws://c", "ws://a", "ws://c"]);
  assert.ok(servers.patience(10_000) < 5000);
  assert.equal(new Servers(["ws://a"]).patience(10_000), 10_000);
});

test("the first that lets us in has the others behind it", async () => {
  const asked = [];
  const servers = await openFirst(["a", "b", "c"], failing({ a: "no_place" }, asked));
  assert.deepEqual(asked, ["a", "b"]);
  assert.deepEqual([1, 2, 3].map(() => [servers.current, servers.turn()][0]), ["b", "c", "a"]);
});

test("what every other one would say too is told at once", async () => {
  for (const code of ["not_authorized", "forbidden", "bad_message", "left"]) {
    const asked = [];
    await assert.rejects(openFirst(["a", "b"], failing({ a: code }, asked)), { code });
    assert.deepEqual(asked, ["a"]);
  }
});

test("if none lets us in, each is named with what it said", async () => {
  const same = openFirst(["a?token=x", "b"], failing({ "a?token=x": "no_place", b: "no_place" }));
  await assert.rejects(same, {
    code: "no_place", message: "None of 2 servers lets us in: a: it says no_place; b: it says no_place",
  });
  const other = openFirst(["a", "b"], failing({ a: "no_place", b: "not_signaling_server" }));
  await assert.rejects(other, { code: "server_unreachable" });
  const only = openFirst(["a"], failing({ a: "no_place" }));
  await assert.rejects(only, { code: "no_place", message: "it says no_place" });
});

test("all that is wrong with any of them is told before one is asked", async () => {
  for (const urls of [[], ["ws://127.0.0.1:1", "here"], ["ws://127.0.0.1:1", "ws://user@host"]])
    await assert.rejects(openSignaling(urls, { name: "alice" }), { code: "bad_url" });
  await assert.rejects(
    openSignaling(["ws://127.0.0.1:1", "http://127.0.0.1:1"], { name: "alice", token: "x" }),
    { code: "bad_token" });
});

/** WebSockets whose other end a test is. */
class FakeSocket {
  static OPEN = 1;
  static #made = [];
  static #waiting = null;
  readyState = 1;
  sent = [];

  constructor(url) {
    this.url = url;
    FakeSocket.#made.push(this);
    FakeSocket.#waiting?.();
  }

  /** The next that is made. */
  static async next() {
    while (!FakeSocket.#made.length) await new Promise((resolve) => (FakeSocket.#waiting = resolve));
    const socket = FakeSocket.#made.shift();
    socket.onopen();
    return socket;
  }

  send(text) {
    this.sent.push(JSON.parse(text).type);
  }

  close(code) {
    queueMicrotask(() => this.onclose?.({ code, reason: "" }));
  }

  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}

const WELCOME = {
  type: "welcome", id: 1, name: "alice", room: "", session: "secret", peers: [], resume_seconds: 60,
  max_message_bytes: 262144, messages_per_second: 1000, messages_burst: 1000,
};
const [GOING_AWAY, NO_PLACE] = [1001, 4503];

for (const place of [true, false])
  test(`a session goes on until all of them are full: ${place ? "one is not" : "they are"}`, async () => {
    Object.assign(globalThis, {
      WebSocket: FakeSocket, addEventListener: () => {}, removeEventListener: () => {},
    });
    const opening = openSignaling(["ws://a", "ws://b"], { name: "alice" });
    const first = await FakeSocket.next();
    first.say(WELCOME);
    const session = await opening;
    const over = new Promise((resolve) => {
      session.addEventListener("reconnected", () => resolve(session.server));
      session.addEventListener("lost", ({ detail }) => resolve(detail.code));
    });
    first.onclose({ code: GOING_AWAY, reason: "" });
    // The one that is going is not asked first, and counts for none that is full.
    for (const [url, code] of [["ws://b", NO_PLACE], ["ws://a", GOING_AWAY], ["ws://b", NO_PLACE]]) {
      const socket = await FakeSocket.next();
      assert.deepEqual([new URL(socket.url).host, socket.sent], [new URL(url).host, ["resume"]]);
      socket.onclose({ code, reason: "" });
    }
    const last = await FakeSocket.next();
    if (place) last.say({ type: "resumed", received: 0 });
    else last.onclose({ code: NO_PLACE, reason: "" });
    assert.equal(await over, place ? first.url : "no_place");
    if (place) session.close();
  });
