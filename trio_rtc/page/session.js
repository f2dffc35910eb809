// What makes a session outlive its connections: numbers, acknowledgement, replay. No I/O.
// The rules are those of docs/protocol.md, "Numbers" and "Resuming".

const ACK_MESSAGES = 16;
const ACK_CHARACTERS = 64 * 1024;

/** On so many connections in a row a message is sent that brings each of them to its end. */
const TRIES = 6;
/** An id that no peer has: the largest there may be. */
const NOBODY = Number.MAX_SAFE_INTEGER;

/** The other side breaks the rules of the numbers. Nothing can mend that. */
export class SessionFault extends Error {}

/** Numbered messages on their way, counted from 1, kept until they are acknowledged. */
export class Outbox {
  #kept = [];
  acknowledged = 0;

  get next() {
    return this.acknowledged + this.#kept.length + 1;
  }

  get waiting() {
    return this.#kept.length;
  }

  keep(message) {
    this.#kept.push(message);
  }

  /** Forget what has arrived; a number that was told before says nothing new. */
  acknowledge(received) {
    if (!Number.isSafeInteger(received) || received >= this.next)
      throw new SessionFault(`${received} is acknowledged, ${this.next - 1} was sent last`);
    if (received > this.acknowledged) {
      this.#kept.splice(0, received - this.acknowledged);
      this.acknowledged = received;
    }
  }

  /** The message with this number, which has not been acknowledged. */
  at(number) {
    return this.#kept[number - this.acknowledged - 1];
  }

  /** Send something else in the place of a message that has not been acknowledged. */
  replace(number, message) {
    this.#kept[number - this.acknowledged - 1] = message;
  }

  [Symbol.iterator]() {
    return this.#kept[Symbol.iterator]();
  }
}

/** The numbers of what has come. */
export class Inbox {
  received = 0;
  #messages = 0;
  #size = 0;

  /** Whether a message is new; otherwise it is a repetition. */
  take(seq, size) {
    if (!Number.isSafeInteger(seq) || seq < 1 || seq > this.received + 1)
      throw new SessionFault(`${seq} comes after ${this.received}`);
    // A repetition is acknowledged too: its sender may not know that it has arrived.
    this.#messages += 1;
    this.#size += size;
    if (seq <= this.received) return false;
    this.received = seq;
    return true;
  }

  get ackPending() {
    return this.#messages > 0;
  }

  get ackDue() {
    return this.#messages >= ACK_MESSAGES || this.#size >= ACK_CHARACTERS;
  }

  acknowledged() {
    this.#messages = this.#size = 0;
    return this.received;
  }
}

const NUMBERED = new Set(["joined", "left", "message", "failed", "ice_servers"]);

/**
 * A native session as a client has it: what to send on which connection.
 *
 * What stands between may not let a message pass, and close each connection on which it comes. Then
 * it is withdrawn: in its place one goes to nobody, and when the server says that it has reached
 * nobody, the first has not arrived.
 */
export class ClientSession {
  #hello;
  #outbox = new Outbox();
  #inbox = new Inbox();
  #attempts = 0;
  /** The number of the last message that was sent on this connection. */
  #written = 0;
  /** How many connections ended in a row that had brought nothing of what was sent. */
  #tries = 0;
  /** By number: for whom messages were that have been withdrawn. */
  #withdrawn = new Map();
  welcome = null;
  ready = false;
  toSend = [];

  constructor(hello) {
    this.#hello = hello;
  }

  /** A connection has been opened. */
  connected() {
    this.ready = false;
    this.toSend = [JSON.stringify(this.welcome ? this.#resume() : this.#hello)];
  }

  /** What goes on with the session; the attempt tells a server which of two is the later one. */
  #resume() {
    const received = this.#inbox.acknowledged();
    this.#attempts += 1;
    return { type: "resume", session: this.welcome.session, received, attempt: this.#attempts };
  }

  /** It has ended. */
  disconnected() {
    if (this.ready && this.#written > this.#outbox.acknowledged) this.#tries += 1;
    this.ready = false;
    this.toSend = [];
  }

  /** Something of `toSend` has gone out. */
  written(message) {
    if (message === this.#outbox.at(this.#written + 1)) this.#written += 1;
  }

  /** Whether nothing gets through, though connections are accepted. */
  get isStuck() {
    return this.#tries > TRIES;
  }

  get ackPending() {
    return this.ready && this.#inbox.ackPending;
  }

  /** Send a text to a peer, now or when there is a connection. Returns its number. */
  send(to, data) {
    const seq = this.#outbox.next;
    const message = JSON.stringify({ type: "send", seq, to, data });
    const limit = this.welcome?.max_message_bytes;
    if (limit !== undefined && new TextEncoder().encode(message).length > limit)
      throw new RangeError(`the server takes no message of more than ${limit} bytes`);
    this.#outbox.keep(message);
    if (this.ready) this.toSend.push(message);
    return seq;
  }

  /** All that the server may not have, and the end, for a POST: one message on a line. */
  goodbye() {
    if (!this.welcome) return "";
    const leave = { type: "leave" };
    return [JSON.stringify(this.#resume()), ...this.#outbox, JSON.stringify(leave)].join("\n");
  }

  acknowledge() {
    if (this.ackPending)
      this.toSend.push(JSON.stringify({ type: "ack", received: this.#inbox.acknowledged() }));
  }

  /** Take in what the server says; null if it is nothing new. */
  receive(text) {
    const message = JSON.parse(text);
    switch (message.type) {
      case "welcome":
        if (this.welcome) throw new SessionFault("the session is open already");
        this.welcome = message;
        this.#goOn();
        return message;
      case "resumed":
        this.#acknowledged(message.received);
        this.#goOn();
        return message;
      case "ack":
        this.#acknowledged(message.received);
        return null;
      case "error":
        return message;
    }
    // A later server may have more to say, though none of it with a number.
    if (!NUMBERED.has(message.type)) return null;
    if (!this.ready) throw new SessionFault("the session is not open yet");
    const isNew = this.#inbox.take(message.seq, text.length);
    if (this.#inbox.ackDue) this.acknowledge();
    if (!isNew) return null;
    return message.type === "failed" && this.#withdrawn.has(message.of)
      ? this.#undeliverable(message) : message;
  }

  #acknowledged(received) {
    const before = this.#outbox.acknowledged;
    this.#outbox.acknowledge(received);
    if (this.#outbox.acknowledged > before) this.#tries = 0;
  }

  #goOn() {
    this.ready = true;
    if (this.#tries === TRIES) this.#withdraw(this.#outbox.acknowledged + 1);
    this.#written = this.#outbox.acknowledged;
    this.toSend.push(...this.#outbox);
  }

  #withdraw(seq) {
    this.#withdrawn.set(seq, JSON.parse(this.#outbox.at(seq)).to);
    this.#outbox.replace(seq, JSON.stringify({ type: "send", seq, to: NOBODY, data: "" }));
  }

  /** What the failure of one to nobody means for the one in whose place it was sent. */
  #undeliverable(failed) {
    const to = this.#withdrawn.get(failed.of);
    this.#withdrawn.delete(failed.of);
    const message = `each of ${TRIES} connections was closed on which it was sent`;
    return { ...failed, to, code: "undeliverable", message };
  }
}
