// The page's session, without a network.

import { load, play } from "./play.mjs";

const { ClientSession } = await load("session.js");

function happens(session, step) {
  switch (step.do) {
    case "connected":
    case "disconnected":
    case "acknowledge":
      session[step.do]();
      return {};
    case "send":
      return { number: session.send(step.to, step.data) };
    case "receive": {
      const taken = session.receive(JSON.stringify(step.message));
      if (step.message.type === "ack") return {};
      if (taken?.type !== "failed") return { takes: taken !== null };
      return { takes: true, failed: { of: taken.of, to: taken.to, code: taken.code } };
    }
  }
  throw new Error(`what is ${step.do}?`);
}

await play((steps) => {
  const session = new ClientSession({ type: "hello", name: "alice" });
  return steps.map((step) => {
    let seen;
    try {
      seen = happens(session, step);
    } catch {
      seen = { fault: true };
    }
    const out = session.toSend.splice(0);
    for (const message of out) session.written(message);
    const sends = out.map((message) => JSON.parse(message));
    return { ...seen, sends };
  });
});
