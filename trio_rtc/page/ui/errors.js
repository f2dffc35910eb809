// What went wrong, in a sentence that tells what to do about it.

const SIGNALING = {
  server_unreachable: "The signaling server does not answer.",
  not_signaling_server: "There is no signaling server at this address.",
  origin_refused: "The server does not let this page connect: its origin is not among those allowed.",
  not_authorized: "The server wants a token, and this one is missing or wrong.",
  forbidden: "This token is not good for this name or room.",
  bad_message: "The server refused the name or the room.",
  no_place: "The server is full. Try again later.",
  peers: "The server is full. Try again later.",
  peers_per_address: "Too many people have signed in from your network.",
  joins_per_second: "Too many people are signing in from your network. Try again in a moment.",
  rooms: "The server takes no more rooms.",
  session_lost: "The connection to the server was lost for too long. Sign in again.",
  superseded: "This session goes on in another window.",
  signed_out: "The server has signed you out. Sign in again.",
  server_shutdown: "The server has been shut down.",
};

const ENDS = {
  peer_hung_up: (name) => `${name} has hung up.`,
  declined: (name) => `${name} does not take the call.`,
  peer_left: (name) => `${name} has left.`,
  unknown_peer: (name) => `${name} is not there any more.`,
  undeliverable: (name) => `${name} cannot be reached: something on the way does not let a message pass.`,
  mailbox_full: (name) => `${name} cannot be reached: too much waits there already.`,
  connection_lost: (name, detail) => detail
    ? `There is no way between you and ${name}.`
    : `The connection to ${name} was lost, and no other way was found.`,
  connection_closed: (name) => `${name} has closed the connection.`,
  connect_timeout: (name, detail) => detail === "they have not answered"
    ? `${name} does not answer.`
    : `There was no connection to ${name} in time.`,
  superseded: (name) => `${name} has begun a new call.`,
  signaling_lost: () => "The call failed: the signaling server is gone.",
  send_failed: (name) => `${name} cannot be reached: the server took no message.`,
  wrong_code: (name) => `${name} has another code, or somebody is between you. This code cannot be used again.`,
  not_authenticated: (name) => `${name} does not show that it knows the code.`,
  bad_description: (name) => `The call failed: the browser cannot use what ${name} offers.`,
};

const MEDIA = {
  NotAllowedError: (what) => `The browser does not let this page use the ${what}. Allow it in the address bar, and choose it again.`,
  NotFoundError: (what) => `There is no ${what} on this device.`,
  NotReadableError: (what) => `The ${what} is in use by another program.`,
  OverconstrainedError: (what) => `The ${what} has no mode that fits.`,
  AbortError: (what) => `The ${what} could not be started.`,
};

export function signalingError(error) {
  const known = SIGNALING[error.code];
  if (!known) return error.message || "Signing in failed.";
  return error.code === "bad_message" || error.code === "forbidden" ? `${known} (${error.message})` : known;
}

/** Faults for which the other side may end a call. */
const FAULTS = {
  connect_timeout: "nothing came through in time",
  connection_lost: "the connection was lost",
  no_common_codec: "your two sides have no codec in common",
  bad_description: "it cannot use what this browser offers",
  wrong_code: "the code is wrong, and cannot be used again",
  code_used: "the code has been used already",
  not_authenticated: "it takes only calls with a code",
  not_trusted: "it does not know this browser",
};

/** What the other side may say when it hangs up, where its word alone would not tell. */
const SAID = {
  declined: "", page_closed: "the page was closed", "they have not answered": "", ...FAULTS };

const ORDINARY = ["peer_hung_up", "peer_left", "superseded"];

/** Whether a call has ended as calls do. */
export function isOrdinary({ reason, detail }) {
  return ORDINARY.includes(reason) && !(detail in FAULTS);
}

/** Why a call is over; nothing if that was our own wish. */
export function callEnd({ reason, detail }, name) {
  if (reason === "hung_up") return "";
  const sentence = ENDS[reason]?.(name, detail) ?? `The call with ${name} is over: ${reason}.`;
  const said = SAID[detail] ?? detail;
  return said ? `${sentence} (${said})` : sentence;
}

export function mediaError(error, what) {
  return MEDIA[error.name]?.(what) ?? `The ${what} cannot be used: ${error.message}`;
}
