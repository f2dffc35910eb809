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
      const takes = session.receive(JSON.stringify(step.message)) !== null;
      return step.message.type === "ack" ? {} : { takes };
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
    const sends = session.toSend.splice(0).map((message) => JSON.parse(message));
    return { ...seen, sends };
  });
});
