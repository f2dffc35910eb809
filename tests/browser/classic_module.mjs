// The page's classic signaling in Node: tells what it hears until it has been told to stop.
//
//     node classic_module.mjs FOLDER URL
//
// FOLDER has the page's modules. It prints the messages that come before one that is "stop".

import { pathToFileURL } from "node:url";

const [folder, url] = process.argv.slice(2);
Object.assign(globalThis, {
  addEventListener: () => {},
  removeEventListener: () => {},
  location: { origin: "null" },
});

const { ClassicSignaling } = await import(pathToFileURL(`${folder}/classic.js`));
const { Servers } = await import(pathToFileURL(`${folder}/servers.js`));
const signaling = new ClassicSignaling(new Servers([url]), { name: "alice" });
const heard = [];
signaling.addEventListener("message", ({ detail }) => {
  if (detail.data !== "stop") return heard.push(detail.data);
  console.log(JSON.stringify(heard));
  process.exit();
});
signaling.addEventListener("lost", ({ detail }) => {
  console.log(JSON.stringify(detail.code));
  process.exit();
});
await signaling.open();
