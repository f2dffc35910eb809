// The native protocol, trio-rtc.v1, over WebSocket. A session outlives its connections.

import { FINAL, GOING_AWAY, NO_PLACE } from "./closes.js";
import { ClientSession } from "./session.js";
import { diagnose, folder, Pause, Signaling, SignalingError } from "./signaling.js";

const SUBPROTOCOL = "trio-rtc.v1";
const ANSWER_MS = 10_000;
const ACK_MS = 1000;
/** After how much silence the server is asked for a sign of life, and how long that may take. */
const SILENCE_MS = 4000;
const PONG_MS = 8000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

export class NativeSignaling extends Signaling {
  #servers;
  #session;
  #socket = null;
  #leaving = false;
  #pause = new Pause();
  #ackTimer = 0;

  /** Sessions with the first of these `Servers`; once there is one, it may go on with others. */
  constructor(servers, { name, room = "", token = null }) {
    super();
    this.#servers = servers;
    const hello = { type: "hello", name };
    if (room) hello.room = room;
    if (token) hello.token = token;
    this.#session = new ClientSession(hello);
  }

  /** Open the session; it is kept until `close`. */
  async open() {
    const opened = new Promise((resolve, reject) => {
      const closed = () => reject(new SignalingError("The session was closed", "left"));
      this.#run(resolve).then(closed, reject);
    });
    await opened;
  }

  /** Send a text to a peer; its number. Texts to one peer arrive in the order of the calls. */
  send(peer, data) {
    if (this.state === "lost") throw this.error;
    const to = peer.id ?? peer;
    if (!this.peers.has(to) && to !== this.peerId)
      throw new SignalingError(`No peer ${to} is signed in`, "unknown_peer");
    const number = this.#session.send(to, data);
    this.#flush();
    return number;
  }

  /** End the session. Without waiting: the page may be about to go. */
  close() {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#sayGoodbye();
    this.#pause.wake();
  }

  #sayGoodbye() {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || !this.#session.ready) {
      // When a page goes, Firefox closes its WebSockets before it is told.
      const lines = this.#session.goodbye();
      if (lines) navigator.sendBeacon(new URL("leave", folder(httpOf(this.#servers.current))), lines);
      socket?.close();
      return;
    }
    this.#flush();
    socket.send(JSON.stringify({ type: "leave" }));
    socket.close(1000);
  }

  async #run(onOpened) {
    const goOffline = () => this.#socket?.drop?.("the browser is offline");
    const goOnline = () => this.#pause.wake();
    addEventListener("offline", goOffline);
    addEventListener("online", goOnline);
    try {
      await this.#keepConnected(onOpened);
    } finally {
      removeEventListener("offline", goOffline);
      removeEventListener("online", goOnline);
    }
  }

  async #keepConnected(onOpened) {
    let pause = FIRST_PAUSE_MS;
    let deadline = 0;
    while (!this.#leaving) {
      const began = performance.now();
      const url = this.#servers.current;
      const patience = this.#servers.patience(ANSWER_MS);
      const over = await this.#connectOnce(url, patience, onOpened);
      const { ready } = this.#session;
      if (ready) this.#servers.letIn();
      // It has not let us in, or is going: perhaps another one does.
      if (!ready || over.going) this.#servers.turn();
      this.#session.disconnected();
      const wasAccepted = ready && !this.#session.isStuck;
      if (this.#leaving) return;
      if (!this.#session.welcome) throw over.code ? over : await diagnose(httpOf(url), patience);
      const now = performance.now();
      if (wasAccepted) {
        // What ends at once may do so again and again.
        if (now - began > LONGEST_PAUSE_MS) pause = FIRST_PAUSE_MS;
        deadline = now + this.#session.welcome.resume_seconds * 1000;
      }
      if (over.final || now >= deadline) {
        this.lost(new SignalingError(over.message, over.final ? over.code : "session_lost"));
        return;
      }
      this.reconnecting(over.message);
      await this.#pause.sleep(pause * (0.5 + Math.random() / 2));
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  /** Open a connection, serve it to its end, and tell why it ended, as a SignalingError. */
  #connectOnce(url, patience, onOpened) {
    return new Promise((resolve) => {
      const socket = (this.#socket = new WebSocket(url, SUBPROTOCOL));
      let said = null;
      let heard = performance.now();
      let pinged = 0;
      const end = (code, reason) => {
        clearTimeout(opening);
        clearInterval(watch);
        clearTimeout(this.#ackTimer);
        this.#ackTimer = 0;
        socket.onopen = socket.onmessage = socket.onclose = null;
        if (this.#socket === socket) this.#socket = null;
        const over = said ?? new SignalingError(reason || "The connection was lost", FINAL[code]);
        const isFull = code === NO_PLACE && !this.#session.ready;
        over.final = isFull ? this.#servers.allRefuse() : code in FINAL;
        over.going = code === GOING_AWAY;
        resolve(over);
      };
      socket.drop = (why) => {
        socket.close();
        end(1006, why);
      };
      const opening = setTimeout(() => socket.drop("The server does not answer"), patience);
      // A path that is dead looks like one on which nothing happens, until something is sent. What
      // browsers answer to the server's own pings, scripts are not told.
      const watch = setInterval(() => {
        const now = performance.now();
        if (pinged && now - pinged >= PONG_MS) socket.drop("The server does not answer");
        else if (!pinged && this.#session.ready && now - heard >= SILENCE_MS) {
          pinged = now;
          socket.send(JSON.stringify({ type: "ping" }));
        }
      }, 1000);
      socket.onopen = () => {
        this.#session.connected();
        this.#flush();
        // While it was being opened, the session may have been given up.
        if (this.#leaving) this.#sayGoodbye();
      };
      socket.onclose = ({ code, reason }) => end(code, reason);
      socket.onmessage = ({ data }) => {
        heard = performance.now();
        pinged = 0;
        let message;
        try {
          message = this.#session.receive(data);
        } catch (fault) {
          said = new SignalingError(`The server breaks the protocol: ${fault.message}`,
            "bad_message");
          socket.close(4400);
          end(4400);
          return;
        }
        if (message?.type === "error" && message.code !== "unknown_type")
          said = new SignalingError(message.message, message.code);
        else if (message) this.#hear(message, onOpened);
        if (this.#session.ready) clearTimeout(opening);
        this.#flush();
      };
    });
  }

  #flush() {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    while (this.#session.toSend.length) {
      const message = this.#session.toSend.shift();
      socket.send(message);
      this.#session.written(message);
    }
    if (this.#session.ackPending && !this.#ackTimer)
      this.#ackTimer = setTimeout(() => {
        this.#ackTimer = 0;
        this.#session.acknowledge();
        this.#flush();
      }, ACK_MS);
  }

  #hear(message, onOpened) {
    switch (message.type) {
      case "welcome":
        this.peerId = message.id;
        this.name = message.name;
        this.room = message.room;
        this.iceServers = message.ice_servers ?? [];
        for (const { id, name, protocol = "native" } of message.peers)
          this.peers.set(id, { id, name, protocol });
        this.server = this.#servers.current;
        this.connected();
        onOpened();
        break;
      case "resumed":
        this.server = this.#servers.current;
        this.connected();
        break;
      case "joined":
        this.joined({ id: message.id, name: message.name, protocol: message.protocol ?? "native" });
        break;
      case "left":
        this.left(message.id);
        break;
      case "message":
        this.emit("message", { peer: this.peer(message.from), data: text(message) });
        break;
      case "failed":
        this.emit("failed", {
          peer: this.peer(message.to), number: message.of,
          code: message.code, message: message.message });
        break;
      case "ice_servers":
        this.iceServers = message.ice_servers;
        break;
    }
  }
}

const httpOf = (url) => url.replace(/^ws/, "http");

function text({ data, data64 }) {
  if (data !== undefined) return data;
  const bytes = Uint8Array.from(atob(data64), (character) => character.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}
