// Signing in to a server that ends, or is started, in the middle of it.

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.location = new URL("http://server.test/");
const { ClassicSignaling } = await import(`${process.env.PAGE}/classic.js`);
const { Servers } = await import(`${process.env.PAGE}/servers.js`);

/** Answer the requests in turn: with a response, or not at all if it is null. What was asked. */
function script(...answers) {
  const asked = [];
  globalThis.fetch = async (url, { method = "GET" } = {}) => {
    asked.push(`${method} ${new URL(url).pathname}`);
    const answer = answers.shift();
    if (!answer) throw new TypeError("Failed to fetch");
    return answer;
  };
  return asked;
}

const ours = (body, headers = {}) => new Response(body, { headers: { "Signaling-Server": "trio-rtc", ...headers } });
const signIn = () => new ClassicSignaling(new Servers([location.href]), { name: "alice" }).open();

test("a server that is started between two questions refuses nobody's origin", async () => {
  const asked = script(null, null, ours("ok"), ours("ok"));
  await assert.rejects(signIn(), { code: "not_signaling_server" });
  assert.deepEqual(asked, ["GET /sign_in", "POST /healthz", "GET /healthz", "POST /healthz"]);
});

test("what is refused again is refused", async () => {
  script(null, null, ours("ok"), null);
  await assert.rejects(signIn(), { code: "origin_refused" });
});

test("a server that ends behind its answer is out of reach, and signed out of", async () => {
  const asked = script(ours("alice,7,1\n", { Pragma: "7" }));
  await assert.rejects(signIn(), { code: "server_unreachable" });
  assert.ok(asked.includes("GET /sign_out"));
});
