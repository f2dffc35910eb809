// Who is there, with the ways to call them.

import { $, element } from "./dom.js";

/** The ways of a call: what is sent in it. */
export const WAYS = { video: "Video", voice: "Voice", chat: "Chat" };

export class People {
  #onCall;

  /** `onCall(peer, way)` is told which button was pressed. */
  constructor(onCall) {
    this.#onCall = onCall;
  }

  /** Show these, a Map by id; only who is free can call. */
  show(peers, isFree) {
    const count = new Map();
    for (const { name } of peers.values()) count.set(name, (count.get(name) ?? 0) + 1);
    const rows = new Map();
    for (const row of [...$("peers").children]) {
      const peer = peers.get(Number(row.dataset.id));
      if (peer && row.title === peer.name && row.dataset.alike === String(count.get(peer.name) > 1))
        rows.set(peer.id, row);
      else row.remove();
    }
    for (const peer of peers.values())
      if (!rows.has(peer.id)) $("peers").append(this.#row(peer, count.get(peer.name) > 1));
    $("people-count").textContent = peers.size;
    $("nobody").hidden = peers.size > 0;
    for (const button of $("peers").querySelectorAll("button")) button.disabled = !isFree;
  }

  /** Put the keyboard where this peer, or anybody, can be called. */
  focus(id) {
    const row = $("peers").querySelector(`[data-id="${id}"]`) ?? $("peers").firstElementChild;
    (row?.querySelector("button:not(:disabled)") ?? $("invite")).focus();
  }

  /** A number tells those apart who are called alike. */
  #row(peer, alike) {
    const avatar = element("span", { className: "avatar", textContent: [...peer.name][0] ?? "?" });
    avatar.ariaHidden = "true";
    const name = element("span", { className: "name", textContent: alike ? `${peer.name} ` : peer.name });
    if (alike) name.append(element("small", { textContent: `#${peer.id}` }));
    const buttons = Object.entries(WAYS).map(([way, text]) => {
      const button = element("button", { type: "button", textContent: text });
      button.dataset.way = way;
      button.setAttribute("aria-label", `${text} with ${peer.name}${alike ? `, number ${peer.id}` : ""}`);
      button.addEventListener("click", () => this.#onCall(peer, way));
      return button;
    });
    const row = element("li", { title: peer.name }, avatar, name,
      element("span", { className: "ways" }, ...buttons));
    row.dataset.id = peer.id;
    row.dataset.alike = alike;
    return row;
  }
}
