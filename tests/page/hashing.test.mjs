// Hashes of files that come piece by piece, by the browser at once, by a script, and by a thread of one.

import assert from "node:assert/strict";
import { createHash, webcrypto } from "node:crypto";
import { test } from "node:test";

const { Hasher } = await import(`${process.env.PAGE}/hashing.js`);
globalThis.crypto ??= webcrypto;

const bytes = (size) => Uint8Array.from({ length: size }, (_, index) => (index * 7) % 251);
const expected = (...parts) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

for (const [how, size] of [["at once", 150], ["by a script", null]])
  test(`one file after the other, ${how}`, async () => {
    const hasher = new Hasher();
    for (const last of [50, 0, 150]) {
      await hasher.begin(size);
      for (let at = 0; at < last; at += 50) await hasher.update(bytes(50));
      assert.equal(await hasher.end(), expected(...Array(last / 50).fill(bytes(50))));
    }
    hasher.close();
  });

for (const [how, size] of [["at once", 100], ["by a script", null]])
  test(`so far, and then on, ${how}`, async () => {
    const hasher = new Hasher();
    await hasher.begin(size);
    await hasher.update(bytes(60));
    assert.equal(await hasher.soFar(), expected(bytes(60)));
    await hasher.update(bytes(40));
    assert.equal(await hasher.end(), expected(bytes(60), bytes(40)));
  });

/** A thread as browsers have them, of what hash_worker.js does. */
class FakeWorker {
  static starts = true;
  onmessage = () => {};
  onerror = () => {};

  constructor(url) {
    if (!FakeWorker.starts) {
      queueMicrotask(() => this.onerror({ preventDefault() {} }));
      return;
    }
    globalThis.addEventListener = (_, listener) => (this.listener = listener);
    globalThis.postMessage = (data) => queueMicrotask(() => this.onmessage({ data }));
    import(`${url}?${Math.random()}`);
  }

  postMessage(data) {
    queueMicrotask(() => this.listener({ data }));
  }

  terminate() {}
}

for (const starts of [true, false])
  test(`a thread that ${starts ? "starts" : "does not start"}`, async () => {
    FakeWorker.starts = starts;
    globalThis.Worker = FakeWorker;
    const hasher = new Hasher();
    for (const last of [60, 0, 120]) {
      await hasher.begin(null);
      assert.equal(hasher.isAway, starts);
      for (let at = 0; at < last; at += 60) await hasher.update(bytes(60));
      const digest = expected(...Array(last / 60).fill(bytes(60)));
      assert.equal(await hasher.soFar(), digest);
      assert.equal(await hasher.end(), digest);
    }
    hasher.close();
    delete globalThis.Worker;
  });
