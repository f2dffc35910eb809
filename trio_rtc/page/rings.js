// How a call sounds while it rings: tones, and after how many seconds they come again. No I/O.

/** The ringing tone that callers hear in most of Europe (ITU-T E.180), and a bell of two tones. */
const PATTERNS = {
  outgoing: { period: 5, tones: [{ at: 0, seconds: 1, hertz: 425, volume: 0.06 }] },
  incoming: { period: 3, tones: [0, 0.4, 0.8].flatMap((at) => [
    { at, seconds: 0.2, hertz: 880, volume: 0.12 },
    { at: at + 0.2, seconds: 0.2, hertz: 659, volume: 0.12 },
  ]) },
};

/** `{period, tones}` of an "incoming" or "outgoing" call; a tone is `{at, seconds, hertz, volume}`. */
export function ringPattern(kind) {
  return PATTERNS[kind];
}
