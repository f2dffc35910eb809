// Perfect negotiation (W3C WebRTC, section 10.7) and trickle ICE (RFC 8838) of one connection.

const ANSWER_MS = 30_000;
const EARLY_LIMIT = 256;
const KEPT_CANDIDATES = 64;
/** How long an offer that crosses ours waits for our first candidate. */
const FIRST_CANDIDATE_MS = 2000;
/** How long the other side may take to answer our offer instead of waiting for an answer to its own. */
const GRACE_MS = 2000;

/**
 * Makes and answers offers, and exchanges candidates.
 *
 * `host` is the call: `send(message)`, `complain(error)`, `fail(code, why)` and `describing()`, which
 * is awaited after the first offer of the other side has been applied and before it is answered, and
 * `authenticated(sdp, {begins})`, which gives back a description that may be used, or throws.
 */
export class Negotiation {
  #pc;
  #polite;
  #host;
  #makingOffer = false;
  #gathers;
  #early = [];
  #work = Promise.resolve();
  #answerTimer = 0;
  #toldEnd = "";
  /** An offer without an id that crosses ours; and whether such a peer takes its own back. */
  #crossing = null;
  #graceTimer = 0;
  #remoteTakesBack = null;
  /** The id of the call that messages carry; null if the other side knows of none. */
  call;
  remoteHasIds = false;
  established = false;
  /** The first candidates of both sides, as lines; for what there is to say of an attempt. */
  localCandidates = [];
  remoteCandidates = [];

  constructor(pc, { polite, call, host }) {
    this.#pc = pc;
    this.#polite = polite;
    this.#host = host;
    this.call = call;
    pc.addEventListener("negotiationneeded", () => this.#offer());
    pc.addEventListener("icecandidate", ({ candidate }) => this.#found(candidate));
    this.#gathers = new Promise((resolve) => {
      pc.addEventListener("icecandidate", resolve, { once: true });
    });
  }

  /** Whether an offer is of a call after this one. */
  supersedes(offer) {
    return this.established && offer.call != null && offer.call !== this.call;
  }

  /** Take in a description or a candidate of the other side, each in its turn. */
  receive(message) {
    this.#work = this.#work.then(() => this.#act(message)).catch((error) => {
      this.#host.complain(error);
    });
  }

  async #act(message) {
    if (this.#pc.signalingState === "closed") return;
    if (message.type === "offer") await this.#answer(message);
    else if (message.type === "answer" || message.type === "pranswer") await this.#accept(message);
    else await this.#hear(message);
  }

  async #offer() {
    if (this.#pc.signalingState !== "stable") return;
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      if (this.#pc.signalingState !== "have-local-offer") return;
      this.#sendDescription();
      clearTimeout(this.#answerTimer);
      if (this.established) this.#answerTimer = setTimeout(() => this.#takeBack(), ANSWER_MS);
    } catch (error) {
      this.#host.complain(error);
    } finally {
      this.#makingOffer = false;
    }
  }

  async #takeBack() {
    if (this.#pc.signalingState !== "have-local-offer") return;
    this.#host.complain(new Error("The other side did not answer an offer"));
    await this.#pc.setLocalDescription({ type: "rollback" });
  }

  async #answer(offer) {
    const collision = this.#makingOffer || this.#pc.signalingState !== "stable";
    if (collision && offer.call == null && this.#remoteTakesBack === null) {
      // Browsers answer ours instead, and many other stacks cannot. Nobody knows which this is.
      this.#crossing = offer;
      clearTimeout(this.#graceTimer);
      this.#graceTimer = setTimeout(() => this.#giveWay(), GRACE_MS);
      return;
    }
    // Theirs crosses ours, which stands.
    if (collision && !this.#givesWayTo(offer)) return;
    // Chromium 156 never finds a candidate if our offer is undone before it has found the first.
    if (collision) await Promise.race([this.#gathers, sleep(FIRST_CANDIDATE_MS)]);
    if (this.#pc.signalingState === "closed") return;
    this.#setRemoteCall(offer.call);
    await this.#apply(offer);
    if (!this.established) await this.#host.describing(offer);
    if (this.#pc.signalingState === "closed") return;
    try {
      await this.#pc.setLocalDescription();
    } catch (error) {
      await this.#refuse(error, "have-remote-offer");
    }
    this.#sendDescription();
    this.established = true;
  }

  #givesWayTo(offer) {
    return offer.call == null ? !this.#remoteTakesBack : this.#polite;
  }

  #giveWay() {
    if (!this.#crossing) return;
    this.#remoteTakesBack = false;
    this.receive(this.#crossing);
    this.#crossing = null;
  }

  async #accept(answer) {
    if (this.#pc.signalingState !== "have-local-offer") return;
    if (answer.call != null && answer.call !== this.call) return;
    if (this.#crossing) {
      clearTimeout(this.#graceTimer);
      this.#crossing = null;
      this.#remoteTakesBack = true;
    }
    this.#setRemoteCall(answer.call);
    clearTimeout(this.#answerTimer);
    await this.#apply(answer);
    this.established = true;
  }

  async #apply({ type, sdp }) {
    const known = this.#host.authenticated(sdp, { begins: type === "offer" && !this.established });
    try {
      await this.#pc.setRemoteDescription({ type, sdp: known });
    } catch (error) {
      await this.#refuse(error, "have-local-offer");
    }
    const early = this.#early;
    this.#early = [];
    for (const candidate of early) if (this.#isDescribed(candidate)) await this.#add(candidate);
  }

  /** What the other side offers cannot be used: a call that stands goes on as it was. */
  async #refuse(error, state) {
    if (!this.established)
      this.#host.fail("bad_description", `What the other side offers cannot be used: ${error.message}`);
    else if (this.#pc.signalingState === state)
      await this.#pc.setLocalDescription({ type: "rollback" });
    throw error;
  }

  async #hear(candidate) {
    if (this.#isDescribed(candidate)) await this.#add(candidate);
    // It may belong to a description that is still to come, such as that of a restart.
    else if (this.#early.length < EARLY_LIMIT) this.#early.push(candidate);
  }

  async #add(candidate) {
    if (candidate.call != null && candidate.call !== this.call) return;
    // Some write it as in a description.
    const text = candidate.candidate.replace(/^a=/, "");
    if (text && !text.startsWith("candidate:")) return;
    if (this.remoteCandidates.length < KEPT_CANDIDATES) this.remoteCandidates.push(text);
    try {
      await this.#pc.addIceCandidate({
        candidate: text,
        sdpMid: candidate.sdpMid ?? null,
        sdpMLineIndex: candidate.sdpMLineIndex ?? null,
        usernameFragment: candidate.usernameFragment ?? null,
      });
    } catch (error) {
      // Those of another generation (RFC 8838, section 16) and of rejected sections are no loss.
      console.debug("a candidate was dropped:", error.message);
    }
  }

  /** Whether the other side has described the ICE generation of its candidate. */
  #isDescribed(candidate) {
    const lines = this.#pc.remoteDescription?.sdp.split(/\r?\n/) ?? [];
    const ufrag = candidate.usernameFragment || /\bufrag (\S+)/.exec(candidate.candidate)?.[1];
    return lines.length > 0 && (ufrag === undefined || lines.includes(`a=ice-ufrag:${ufrag}`));
  }

  #found(candidate) {
    if (candidate?.candidate) {
      if (this.localCandidates.length < KEPT_CANDIDATES) this.localCandidates.push(candidate.candidate);
      this.#send(candidate.toJSON());
      return;
    }
    // Some browsers tell of the end of a generation with an empty candidate, all with null.
    const sdp = this.#pc.localDescription?.sdp ?? "";
    const ufrag = /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1] ?? "";
    if (candidate ? candidate.usernameFragment !== ufrag : this.#toldEnd === ufrag) return;
    if (this.#toldEnd === ufrag) return;
    this.#toldEnd = ufrag;
    for (const [index, section] of sdp.split(/^m=/m).slice(1).entries()) {
      const sdpMid = /^a=mid:(\S+)/m.exec(section)?.[1];
      if (sdpMid !== undefined)
        this.#send({ candidate: "", sdpMid, sdpMLineIndex: index, usernameFragment: ufrag });
    }
  }

  #sendDescription() {
    const { type, sdp } = this.#pc.localDescription;
    this.#send({ type, sdp });
  }

  #send(message) {
    this.#host.send(this.call == null ? message : { ...message, call: this.call });
  }

  #setRemoteCall(call) {
    this.call = call ?? null;
    this.remoteHasIds = call != null;
  }

  stop() {
    clearTimeout(this.#answerTimer);
    clearTimeout(this.#graceTimer);
  }
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
