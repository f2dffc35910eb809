// Close codes of WebSocket: what they mean for a session. The list is that of wire/close_codes.py.

export const GOING_AWAY = 1001;
export const NO_PLACE = 4503;

/** Closes after which another connection would fare no better, and the code of the error then. */
export const FINAL = {
  4400: "bad_message",
  4401: "not_authorized",
  4403: "forbidden",
  4404: "session_lost",
  4409: "superseded",
  [NO_PLACE]: "no_place",
};
