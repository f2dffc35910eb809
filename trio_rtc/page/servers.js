// Servers that are one to their clients: another is asked when one does not let us in. No I/O.

import { SignalingError } from "./signaling.js";

/** How long one may take to answer and to let us in, while there are others to ask. */
const PATIENCE_MS = 4000;

/** What every other one would say, too. */
const OF_US = [
  "bad_url", "bad_room", "bad_token", "bad_message", "not_authorized", "forbidden", "left",
];

/** The URLs of servers; at least one. */
export class Servers {
  #urls;
  #refusing = new Set();

  constructor(urls) {
    this.#urls = [...urls];
  }

  /** The one to be asked. */
  get current() {
    return this.#urls[0];
  }

  /** How long it may take, if there are others; otherwise `alone`. */
  patience(alone) {
    return this.#urls.length > 1 ? PATIENCE_MS : alone;
  }

  /** Ask the next one from now on; after the last the first. */
  turn() {
    this.#urls.push(this.#urls.shift());
  }

  /** The current one has accepted us, and what others have said before is of the past. */
  letIn() {
    this.#refusing.clear();
  }

  /** The current one has refused us, as it has no place; whether each has said so by now. */
  allRefuse() {
    this.#refusing.add(this.current);
    return this.#urls.every((url) => this.#refusing.has(url));
  }

  /** Those that are of a kind. */
  only(isOfKind) {
    return new Servers(this.#urls.filter(isOfKind));
  }
}

/** What one of several servers gives: `open(servers)` is called with each of them in front, until one lets us in. */
export async function openFirst(urls, open) {
  const failures = [];
  for (let at = 0; at < urls.length; at++) {
    try {
      return await open(new Servers([...urls.slice(at), ...urls.slice(0, at)]));
    } catch (error) {
      if (urls.length === 1 || OF_US.includes(error.code)) throw error;
      failures.push(error);
    }
  }
  throw allFailed(urls, failures);
}

function allFailed(urls, failures) {
  const said = failures.map(({ message }, at) => `${urls[at].replace(/[?#].*/s, "")}: ${message}`);
  const codes = new Set(failures.map(({ code }) => code));
  return new SignalingError(
    `None of ${urls.length} servers lets us in: ${said.join("; ")}`,
    codes.size === 1 ? failures[0].code : "server_unreachable");
}
