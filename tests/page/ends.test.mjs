// How a call ends that the other side closes: its goodbye takes another way, and may come later.

import assert from "node:assert/strict";
import { test } from "node:test";

class Connection extends EventTarget {
  sctp = { transport: Object.assign(new EventTarget(), { state: "connected" }) };
  getTransceivers = () => [];
  close = () => {};

  become(state) {
    this.connectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }

  closeByThem() {
    this.sctp.transport.state = "closed";
    this.sctp.transport.dispatchEvent(new Event("statechange"));
  }
}

globalThis.RTCPeerConnection = Connection;
const { Call } = await import(`${process.env.PAGE}/call.js`);

/** A call that stands, of one who names calls or of one who does not. */
function connected(t, { names = true } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const offer = { type: "offer", sdp: "", ...(names && { call: "c1" }) };
  const call = new Call({ peerId: 2, iceServers: [] }, { id: 1, name: "alice" }, { offer });
  call.connection.become("connected");
  return call;
}

test("the goodbye of one of ours is waited for", (t) => {
  const call = connected(t);
  call.connection.closeByThem();
  t.mock.timers.tick(4_000);
  call.connection.become("disconnected");
  assert.deepEqual([call.state, call.end], ["connected", null]);
  call.receive({ type: "bye", reason: "enough", call: "c1" });
  assert.deepEqual(call.end, { reason: "peer_hung_up", detail: "enough" });
});

test("it is not waited for without end, nor for long where nobody may say it", (t) => {
  for (const [names, patience] of [[true, 5_000], [false, 1000]]) {
    const call = connected(t, { names });
    call.connection.closeByThem();
    t.mock.timers.tick(patience - 1);
    assert.equal(call.end, null);
    t.mock.timers.tick(1);
    assert.equal(call.end.reason, "connection_closed");
    t.mock.timers.reset();
  }
});

test("it is not waited for when it cannot come", (t) => {
  const left = connected(t);
  left.connection.closeByThem();
  left.peerLeft();
  assert.equal(left.end.reason, "peer_left");
  t.mock.timers.reset();
  const gone = connected(t);
  gone.peerLeft();
  assert.equal(gone.end, null);
  gone.connection.closeByThem();
  assert.equal(gone.end.reason, "peer_left");
  t.mock.timers.reset();
  const lost = connected(t);
  lost.signalingLost(new Error("gone"));
  lost.connection.closeByThem();
  assert.equal(lost.end.reason, "connection_closed");
});
