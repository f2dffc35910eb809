// Which camera, microphone and speaker there are, and which is wanted. No I/O.

/** What browsers call them, and what people do. */
export const KINDS = {
  camera: { kind: "videoinput", name: "Camera" },
  microphone: { kind: "audioinput", name: "Microphone" },
  speaker: { kind: "audiooutput", name: "Speaker" },
};

/**
 * What to offer somebody who chooses: a list of `{id, label}`, the system's own choice first.
 *
 * `found` is of `enumerateDevices`, which tells neither ids nor names before a permission.
 */
export function choices(found, of) {
  const { kind, name } = KINDS[of];
  // Chromium lists the system's own choice once more, under these names.
  const all = found.filter((one) =>
    one.kind === kind && one.deviceId && !["default", "communications"].includes(one.deviceId));
  const offered = all.map(({ deviceId, label }, index) => ({
    id: deviceId, label: label || `${name} ${index + 1}` }));
  return [{ id: "", label: "as the system has it" }, ...offered];
}

/** The constraints of getUserMedia for a "camera" (with a microphone) or a "microphone". */
export function wanted(source, { camera = "", microphone = "" } = {}) {
  // Without `exact` one that is not plugged in is no reason to have none.
  const audio = microphone ? { deviceId: microphone } : true;
  if (source === "microphone") return { audio };
  const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
  return { audio, video: camera ? { ...size, deviceId: camera } : size };
}
