// The page's session, without a network: plays the conversations of standard input, and prints what
// is seen of them.

import { readFileSync } from "node:fs";

// As text: Node takes a .js file for a module only in its newer versions.
const source = readFileSync(new URL("../../trio_rtc/page/session.js", import.meta.url), "utf8");
const { ClientSession } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

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

function play(steps) {
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
}

const conversations = Object.entries(JSON.parse(readFileSync(0, "utf8")));
const played = conversations.map(([name, steps]) => [name, play(steps)]);
console.log(JSON.stringify(Object.fromEntries(played)));
