// The page's session, without a network: plays the steps of standard input, prints what is seen.

import { readFileSync } from "node:fs";

// As text: Node takes a .js file for a module only in its newer versions.
const source = readFileSync(new URL("../../trio_rtc/page/session.js", import.meta.url), "utf8");
const { ClientSession } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const session = new ClientSession({ type: "hello", name: "alice" });

function happens(step) {
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

const played = [];
for (const step of JSON.parse(readFileSync(0, "utf8"))) {
  let seen;
  try {
    seen = happens(step);
  } catch {
    seen = { fault: true };
  }
  const sends = session.toSend.splice(0).map((message) => JSON.parse(message));
  played.push({ ...seen, sends });
}
console.log(JSON.stringify(played));
