// Files from page to page over channels that are cut: what has come is kept, and only the rest is sent.

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { webcrypto } from "node:crypto";
import { test } from "node:test";

const { FilesReception } = await import(`${process.env.PAGE}/files.js`);
const { Parts, Unfinished } = await import(`${process.env.PAGE}/parts.js`);
const { receiveFiles, sendFiles } = await import(`${process.env.PAGE}/transfers.js`);
globalThis.crypto ??= webcrypto;

const MIB = 1024 * 1024;
const bytes = (size, seed = 7) => Uint8Array.from({ length: size }, (_, index) => (index * seed) % 251);
const file = (name, size, seed) => new File([bytes(size, seed)], name, { lastModified: 1000 });

/** One end of a channel in this process; `cut` closes both after so many bytes of content. */
class Channel extends EventTarget {
  readyState = "open";
  bufferedAmount = 0;
  content = 0;
  cut = Infinity;

  static pair() {
    const [one, other] = [new Channel(), new Channel()];
    [one.other, other.other] = [other, one];
    return [one, other];
  }

  send(data) {
    if (this.readyState !== "open") throw new Error("it is closed");
    if (typeof data !== "string") {
      if (this.content + data.length > this.cut) {
        this.close();
        return;
      }
      this.content += data.length;
      data = data.slice().buffer;
    }
    setImmediate(() => this.other.dispatchEvent(Object.assign(new Event("message"), { data })));
  }

  close() {
    for (const end of [this, this.other]) {
      if (end.readyState !== "open") continue;
      end.readyState = "closed";
      setImmediate(() => end.dispatchEvent(new Event("close")));
    }
  }
}

/** Send once: what came of it at both ends, what was offered, and how much went over the channel. */
async function transfer(files, unfinished, { cut = Infinity, open = true, stop } = {}) {
  const [near, far] = Channel.pair();
  near.cut = cut;
  let offer = null;
  const accept = async (what) => {
    offer = what;
    stop?.abort();
    return open;
  };
  const [sent, received] = await Promise.allSettled([
    sendFiles({ openChannel: () => near }, files),
    receiveFiles(far, { accept, unfinished, signal: stop?.signal }),
  ]);
  return { sent, received, offer, content: near.content };
}

async function expectAll({ sent, received }, files) {
  assert.equal(sent.status, "fulfilled", sent.reason);
  assert.equal(received.status, "fulfilled", received.reason);
  assert.deepEqual(received.value.map(({ name }) => name), files.map(({ name }) => name));
  for (const [index, one] of received.value.entries())
    assert.deepEqual(new Uint8Array(await one.blob.arrayBuffer()),
      new Uint8Array(await files[index].arrayBuffer()));
}

test("only what is missing is sent again", async () => {
  const files = [file("a", 3 * MIB), file("empty", 0), file("b", 9 * MIB), file("c", MIB)];
  const unfinished = new Unfinished();
  let sentBefore = 0;
  for (const cut of [2 * MIB, 4 * MIB, 5 * MIB]) {
    const once = await transfer(files, unfinished, { cut });
    assert.equal(once.received.reason.code, "interrupted");
    assert.equal(once.offer.kept, sentBefore);
    sentBefore += once.content;
  }
  assert.equal(sentBefore, 11 * MIB);
  const last = await transfer(files, unfinished);
  assert.equal(last.offer.kept, 11 * MIB);
  assert.equal(last.content, 2 * MIB);
  await expectAll(last, files);
  // It is not kept any longer.
  assert.equal((await transfer(files, unfinished)).content, 13 * MIB);
});

test("a file that is another one by now comes from its beginning", async () => {
  const unfinished = new Unfinished();
  const before = [file("a", 2 * MIB), file("b", 4 * MIB)];
  await transfer(before, unfinished, { cut: 4 * MIB });
  const after = [file("a", 2 * MIB, 11), before[1]];
  const again = await transfer(after, unfinished);
  assert.equal(again.content, 4 * MIB);
  await expectAll(again, after);
  await transfer(before, unfinished, { cut: 4 * MIB });
  const other = [before[0], file("b", 4 * MIB, 11)];
  const last = await transfer(other, unfinished);
  assert.equal(last.content, 4 * MIB);
  await expectAll(last, other);
});

/** A place that somebody has chosen. */
class Place {
  written = [];
  discarded = false;

  async write(data) {
    this.written.push(data.slice());
  }

  async flush() {}

  async finish() {
    return { blob: new Blob(this.written), discard: () => this.discard() };
  }

  discard() {
    this.discarded = true;
  }
}

test("a place that was chosen is not asked for again, and goes when it is not wanted", async () => {
  const places = [];
  const open = async () => (places.push(new Place()), places.at(-1));
  const unfinished = new Unfinished();
  const files = [file("a", 3 * MIB)];
  await transfer(files, unfinished, { cut: MIB, open });
  const again = await transfer(files, unfinished, { open: true });
  assert.equal(again.offer.open, open);
  await expectAll(again, files);
  assert.equal(places.length, 1);
  await transfer(files, unfinished, { cut: MIB, open });
  const declined = await transfer(files, unfinished, { open: false });
  assert.equal(declined.sent.reason.code, "declined");
  assert.deepEqual(places.map(({ discarded }) => discarded), [false, true]);
  assert.equal((await transfer(files, unfinished)).offer.kept, 0);
});

test("who cancels keeps nothing, and of many transfers the oldest goes", async () => {
  const places = [];
  const open = async () => (places.push(new Place()), places.at(-1));
  const unfinished = new Unfinished();
  await transfer([file("x", MIB)], unfinished, { open, stop: new AbortController() });
  assert.equal((await transfer([file("x", MIB)], unfinished)).offer.kept, 0);
  for (const name of "abcd") await transfer([file(name, 2 * MIB)], unfinished, { cut: MIB, open });
  assert.deepEqual(places.map(({ discarded }) => discarded), [true, false, false, false]);
  assert.equal((await transfer([file("a", 2 * MIB)], unfinished)).content, 2 * MIB);
  assert.equal((await transfer([file("d", 2 * MIB)], unfinished)).content, MIB);
});

test("who has cancelled before it began sends nothing, and takes nothing", async () => {
  const signal = AbortSignal.abort();
  const asked = [];
  const accept = async (offer) => (asked.push(offer), true);
  for (const [ours, others] of [[{ signal }, {}], [{}, { signal }]]) {
    const [near, far] = Channel.pair();
    const [sent, received] = await Promise.allSettled([
      sendFiles({ openChannel: () => near }, [file("a", MIB)], ours),
      receiveFiles(far, { accept, ...others }),
    ]);
    assert.deepEqual([sent.reason?.code, received.reason?.code], ["cancelled", "cancelled"]);
    assert.equal(near.content, 0);
  }
  assert.deepEqual(asked, []);
});

test("what is of unknown size, or cannot be written any more, is not kept", async () => {
  const places = [];
  const open = async () => (places.push(new Place()), places.at(-1));
  const unfinished = new Unfinished();
  const begun = async (entry) => {
    const parts = new Parts(open);
    await parts.begin(0, entry, 0);
    await parts.write(bytes(MIB));
    return parts;
  };
  const known = { path: "a", names: ["a"], size: 2 * MIB };
  const unknown = { ...known, size: null };
  await unfinished.keep([unknown], await begun(unknown));
  const parts = await begun(known);
  places.at(-1).flush = async () => { throw new Error("the disk is full"); };
  await unfinished.keep([known], parts);
  assert.deepEqual(places.map(({ discarded }) => discarded), [true, true]);
  assert.equal(unfinished.take([known]), null);
  await unfinished.keep([known], await begun(known));
  assert.deepEqual(unfinished.take([known]).have.map(([index, size]) => [index, size]), [[0, MIB]]);
});

test("nobody begins where nothing is", () => {
  for (const start of [1, -1, "0", 5]) {
    const reception = new FilesReception();
    reception.receive(JSON.stringify({ type: "entries", entries: [{ path: "a", size: 9 }] }));
    reception.receive(JSON.stringify({ type: "offer", count: 1 }));
    reception.accepted(new Map([[0, 4]]));
    assert.throws(() => reception.receive(JSON.stringify({ type: "begin", index: 0, start })),
      { code: "bad_message" });
  }
  assert.deepEqual(new Parts(null).have, []);
});
