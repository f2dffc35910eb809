// A thread that hashes: what it gets are bytes, or "so far" or "end", which it answers in hexadecimal.

import { sha256 } from "./noble.js";

let hash = sha256.create();

addEventListener("message", ({ data }) => {
  if (typeof data !== "string") {
    hash.update(data);
    postMessage(data.length);
    return;
  }
  const digest = hash.clone().digest();
  if (data === "end") hash = sha256.create();
  postMessage(Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""));
});
