// Devices to choose from, and who sends nothing any more.

import assert from "node:assert/strict";
import { test } from "node:test";

const { choices, wanted } = await import(`${process.env.PAGE}/devices.js`);
const { Activity, SILENT_MS } = await import(`${process.env.PAGE}/activity.js`);

const device = (kind, deviceId, label) => ({ kind, deviceId, label });

test("the system's own choice comes first, and each device once", () => {
  const found = [
    device("audioinput", "default", "Default"), device("audioinput", "m1", "Headset"),
    device("audioinput", "communications", "x"), device("videoinput", "c1", ""), device("videoinput", "c2", "Lens"),
  ];
  const labels = (of) => choices(found, of).map(({ id, label }) => `${id}: ${label}`);
  assert.deepEqual(labels("microphone"), [": as the system has it", "m1: Headset"]);
  assert.deepEqual(labels("camera"), [": as the system has it", "c1: Camera 1", "c2: Lens"]);
  assert.deepEqual(labels("speaker"), [": as the system has it"]);
});

test("before a permission browsers tell no ids, and nothing can be chosen", () => {
  assert.equal(choices([device("videoinput", "", "")], "camera").length, 1);
});

test("a device that is gone is no reason to have none", () => {
  const { audio, video } = wanted("camera", { camera: "c1", microphone: "m1" });
  assert.equal(video.deviceId, "c1");
  assert.equal(audio.deviceId, "m1");
  assert.ok(!JSON.stringify([audio, video]).includes("exact"));
  assert.deepEqual(wanted("microphone"), { audio: true });
});

test("who sends no packet for a while sends nothing any more", () => {
  const activity = new Activity();
  const look = (now, packets) => [...activity.look(now, new Map(Object.entries(packets)))];
  assert.deepEqual(look(0, { sound: 1, picture: 5 }), []);
  assert.deepEqual(look(SILENT_MS - 1, { sound: 2, picture: 5 }), []);
  assert.deepEqual(look(SILENT_MS, { sound: 3, picture: 5 }), ["picture"]);
  assert.deepEqual(look(SILENT_MS + 1, { sound: 4, picture: 6 }), []);
});

test("who never sent anything has not ended", () => {
  const activity = new Activity();
  activity.look(0, new Map([["a", 0]]));
  assert.equal(activity.look(10 * SILENT_MS, new Map([["a", 0]])).size, 0);
});

test("a track that comes back begins anew", () => {
  const activity = new Activity();
  activity.look(0, new Map([["a", 5]]));
  activity.look(1000, new Map());
  assert.equal(activity.look(SILENT_MS, new Map([["a", 5]])).size, 0);
});
