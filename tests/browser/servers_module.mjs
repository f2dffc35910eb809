// The page's signaling in Node, with several servers. It has patience with all but one of them.
//
//     node servers_module.mjs FOLDER TOKEN SILENT URL...
//
// FOLDER has the page's modules. It prints a line of JSON for each thing that happens: the server that
// has let it in, the one with which it has gone on, and the code and the sentence of an error.

import { pathToFileURL } from "node:url";
import WebSocket from "ws";

const [folder, token, silent, ...urls] = process.argv.slice(2);
/** As in browsers, an error is followed by a close, which tells of it. */
class PageWebSocket extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("error", () => {});
  }
}
Object.assign(globalThis, {
  WebSocket: PageWebSocket,
  addEventListener: () => {},
  removeEventListener: () => {},
  location: { origin: "null" },
});

const say = (what) => console.log(JSON.stringify(what));
const { Servers } = await import(pathToFileURL(`${folder}/servers.js`));
const { openSignaling } = await import(pathToFileURL(`${folder}/trio-rtc.js`));
Servers.prototype.patience = function patience() {
  return this.current === silent ? 100 : 30_000;
};
try {
  const signaling = await openSignaling(urls, { name: "page", token });
  say({ server: signaling.server });
  signaling.addEventListener("reconnected", () => {
    say({ server: signaling.server });
    signaling.close();
  });
  // Node would stay for connections that might be of use once more.
  if (token !== "stay") process.exit();
} catch ({ code, message }) {
  say({ code, message });
  process.exit();
}
