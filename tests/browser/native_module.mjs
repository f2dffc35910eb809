// The page's native signaling in Node, without its pauses: tells how long each of them would be.
//
//     node native_module.mjs FOLDER URL COUNT
//
// FOLDER has the page's modules. It prints the first COUNT pauses, in milliseconds.

import { pathToFileURL } from "node:url";
import WebSocket from "ws";

const [folder, url, count] = process.argv.slice(2);
Object.assign(globalThis, {
  WebSocket,
  addEventListener: () => {},
  removeEventListener: () => {},
  location: { origin: "null" },
});
Math.random = () => 1;

const pauses = [];
const { setTimeout } = globalThis;
globalThis.setTimeout = (callback, delay) => {
  // What is longer is a deadline.
  if (delay > 6000) return setTimeout(callback, delay);
  pauses.push(delay);
  if (pauses.length == count) {
    console.log(JSON.stringify(pauses));
    process.exit();
  }
  return setTimeout(callback, 0);
};

const { NativeSignaling } = await import(pathToFileURL(`${folder}/native.js`));
const { Servers } = await import(pathToFileURL(`${folder}/servers.js`));
await new NativeSignaling(new Servers([url]), { name: "alice" }).open();
