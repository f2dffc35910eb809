// A peer on a stack that has the browser's API, in a browser or in Node.
//
// It takes one thing after the other: what the other side says, or {"do": ...}; and says events, of
// which "signal" is what it says to the other side. Channels whose label begins with "echo" send back
// what comes over them, and so do all tracks, until it is told {"do": "send nothing"}.

export function startPeer(RTCPeerConnection, say) {
  const connection = new RTCPeerConnection({ iceServers: [] });
  const channels = new Map();
  const received = new Map();
  const senders = [];
  let echoesTracks = true;
  let isUnanswered = false;
  let isWanted = false;

  // What it finds before it has the other side's description waits for that. Otherwise we may be in
  // the middle of the DTLS handshake when libdatachannel is still about to note our fingerprint, and
  // it refuses that.
  const waiting = [];
  let isDescribed = false;

  function use(channel) {
    const { label } = channel;
    channels.set(label, channel);
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => {
      const isText = typeof data === "string";
      const size = isText ? new TextEncoder().encode(data).length : data.byteLength;
      say("message", { label, size, text: isText && size < 100 ? data : null });
      if (label.startsWith("echo")) channel.send(data);
    };
    channel.onclose = () => say("closed", { label });
    const opened = () => say("channel", { label, protocol: channel.protocol });
    if (channel.readyState === "open") opened();
    else channel.onopen = opened;
  }

  function sayCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    say("signal", { message: { candidate, sdpMid, sdpMLineIndex } });
  }

  connection.onicecandidate = ({ candidate }) => {
    if (!candidate?.candidate) return;
    if (isDescribed) sayCandidate(candidate);
    else waiting.push(candidate);
  };
  connection.onconnectionstatechange = () => say("state", { state: connection.connectionState });
  connection.ondatachannel = ({ channel }) => use(channel);
  connection.ontrack = ({ track, transceiver }) => {
    say("track", { kind: track.kind });
    // The first one stays, while others come and go.
    if (!received.has(track.kind)) received.set(track.kind, track);
    if (echoesTracks) transceiver.sender.replaceTrack(track);
  };

  function sayDescription() {
    const { type, sdp } = connection.localDescription;
    const without = sdp.replace(/^a=(candidate:.*|end-of-candidates)\r\n/gm, "");
    say("signal", { message: { type, sdp: without } });
  }

  async function apply(description) {
    await connection.setRemoteDescription(description);
    isDescribed = true;
    for (const candidate of waiting.splice(0)) sayCandidate(candidate);
  }

  async function answer(offer) {
    await apply(offer);
    if (echoesTracks)
      for (const transceiver of connection.getTransceivers()) transceiver.direction = "sendrecv";
    await connection.setLocalDescription(await connection.createAnswer());
    sayDescription();
    // Browsers have rolled it back.
    if (isUnanswered) await offerAgain();
  }

  async function offerAgain() {
    // One after the other.
    isWanted = isUnanswered && connection.signalingState !== "stable";
    if (isWanted) return;
    isUnanswered = true;
    await connection.setLocalDescription(await connection.createOffer());
    sayDescription();
  }

  function addTrack(track) {
    try {
      return connection.addTrack(track);
    } catch {
      // It is sent already.
      return connection.addTrack(track.clone());
    }
  }

  async function perform(order) {
    const channel = channels.get(order.label);
    switch (order.do) {
      case "call":
        if (order.channel ?? true) use(connection.createDataChannel("echo"));
        for (const kind of order.media)
          connection.addTransceiver(kind, { direction: echoesTracks ? "sendrecv" : "recvonly" });
        return offerAgain();
      case "send nothing":
        echoesTracks = false;
        return undefined;
      case "add track":
        senders.push(addTrack(received.get(order.kind)));
        return offerAgain();
      case "remove track":
        connection.removeTrack(senders.pop());
        return offerAgain();
      case "open":
        return use(connection.createDataChannel(order.label));
      case "send":
        return channel.send(order.text ?? new Uint8Array(order.size).fill(120));
      case "close channel":
        return channel.close();
      case "close":
        return connection.close();
    }
  }

  async function take(line) {
    if ("do" in line) await perform(line);
    else if (line.type === "offer") await answer(line);
    else if (line.type === "answer") {
      await apply(line);
      isUnanswered = false;
      if (isWanted) await offerAgain();
    } else if (line.type === "bye") say("bye");
    else await connection.addIceCandidate(line.candidate ? line : null);
  }

  // One thing after the other, as the operations of a connection are chained in a browser.
  let turn = Promise.resolve();
  return (line) => {
    turn = turn.then(() => take(line)).catch((error) => say("error", { why: `${error}` }));
  };
}
