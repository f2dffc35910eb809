// Inviting somebody by a link; and the code that calls want as long as one with a code is out.

import { invitationLink, newCode } from "../invitations.js";
import { $, notify } from "./dom.js";

export class Invitation {
  #room = "";
  /** The code that all calls have to know; empty if they need none. */
  code = "";

  constructor() {
    $("invite").addEventListener("click", () => this.#copy(""));
    $("invite-private").addEventListener("click", () => this.#copy(this.code || newCode()));
    $("without-code").addEventListener("click", () => this.use(this.#room, ""));
  }

  /** Invite to this room. With a code, be somebody's guest who has sent it. */
  use(room, code) {
    this.#room = room;
    this.code = code;
    $("private").hidden = !code;
    if (!code && document.activeElement === document.body) $("invite-private").focus();
  }

  async #copy(code) {
    const link = invitationLink(location.href, { room: this.#room, code });
    this.use(this.#room, code || this.code);
    $("invitation").value = link;
    $("invitation").hidden = false;
    const ends = code ? "Only who has this very link can be in a call with you." : "Whoever opens it is in this room.";
    try {
      await navigator.clipboard.writeText(link);
      notify(`The invitation is copied. ${ends}`);
    } catch {
      // Browsers give the clipboard only to pages over https, or from localhost.
      $("invitation").focus();
      $("invitation").select();
      notify(`Copy the link, and send it to somebody. ${ends}`);
    }
  }
}
