// When a page signs in again by itself, and how calls ring.

import assert from "node:assert/strict";
import { test } from "node:test";

const { pauseBefore } = await import(`${process.env.PAGE}/again.js`);
const { ringPattern } = await import(`${process.env.PAGE}/rings.js`);

test("pauses grow to ten seconds, and are not the same for all", () => {
  const longest = (attempt) => pauseBefore(attempt, "session_lost", () => 1);
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map(longest), [500, 1000, 2000, 4000, 8000, 10000, 10000]);
  assert.equal(pauseBefore(0, "session_lost", () => 0), 250);
});

test("whoever is refused is not let in by asking again", () => {
  for (const code of ["not_authorized", "forbidden", "bad_message", "superseded", "origin_refused", undefined])
    assert.equal(pauseBefore(0, code), null, code);
  for (const code of ["server_shutdown", "signed_out", "server_unreachable", "no_place"])
    assert.notEqual(pauseBefore(9, code), null, code);
});

test("tones end before they come again, and are not loud", () => {
  for (const kind of ["incoming", "outgoing"]) {
    const { period, tones } = ringPattern(kind);
    assert.ok(tones.length);
    for (const { at, seconds, volume } of tones) {
      assert.ok(at + seconds < period);
      assert.ok(seconds > 0.07);
      assert.ok(volume > 0 && volume <= 0.2);
    }
  }
});
