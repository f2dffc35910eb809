// Why calls are over for the page, and whether it has a sentence for each.

import { load, play } from "./play.mjs";

const { END_REASONS, endOfHangUp } = await load("end_reasons.js");
const { callEnd } = await load("ui/errors.js");

await play(({ said, stands }) => {
  if (said === undefined)
    return END_REASONS.map((reason) => [reason, callEnd({ reason, detail: "" }, "bob")]);
  return endOfHangUp(said, stands);
});
