// Files over data channels: a channel per file, labelled "file".
//
// First a text, {"name", "size", "type"}; then the content, in binary messages; then the receiver
// says {"received": size}, and the sender closes the channel.

const LABEL = "file";
const PIECE = 16 * 1024;
const BUFFER_HIGH = 1024 * 1024;
const BUFFER_LOW = 256 * 1024;
const LARGEST = 512 * 1024 * 1024;

export function isFileChannel(channel) {
  return channel.label === LABEL;
}

/** Send a file; `onProgress` is told the bytes that have left. Resolves when it has arrived. */
export async function sendFile(call, file, onProgress) {
  const channel = call.openChannel(LABEL);
  channel.bufferedAmountLowThreshold = BUFFER_LOW;
  const closed = new Promise((_, reject) => {
    const fail = () => reject(new Error(
      call.end ? "The call was over before the end." : "The other side did not take all of it."));
    for (const over of ["close", "error"]) channel.addEventListener(over, fail);
  });
  closed.catch(() => {});
  const arrived = new Promise((resolve) => {
    channel.addEventListener("message", ({ data }) => {
      if (parse(data)?.received === file.size) resolve();
    });
  });
  await Promise.race([closed, next(channel, "open")]);
  channel.send(JSON.stringify({ name: file.name, size: file.size, type: file.type }));
  for (let start = 0; start < file.size; start += PIECE) {
    const piece = await file.slice(start, start + PIECE).arrayBuffer();
    if (channel.bufferedAmount > BUFFER_HIGH)
      await Promise.race([closed, next(channel, "bufferedamountlow")]);
    if (channel.readyState !== "open") await closed;
    channel.send(piece);
    onProgress(Math.min(start + PIECE, file.size));
  }
  await Promise.race([closed, arrived]);
  channel.close();
}

/** Receive a file: `onStart({name, size, type})`, `onProgress(bytes)`; resolves with a Blob. */
export function receiveFile(channel, onStart, onProgress) {
  channel.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    let head = null;
    let received = 0;
    const pieces = [];
    const fail = (why) => {
      channel.close();
      reject(new Error(why));
    };
    const finishIfComplete = () => {
      if (received !== head.size) return;
      channel.send(JSON.stringify({ received }));
      resolve(new Blob(pieces, { type: "application/octet-stream" }));
    };
    channel.addEventListener("close", () => reject(new Error("It ended before all had come.")));
    channel.addEventListener("message", ({ data }) => {
      if (!head) {
        head = readHead(data);
        if (!head) return fail("What came was no file.");
        if (head.size > LARGEST) return fail(`${head.name} is too large for this page.`);
        onStart(head);
      } else if (typeof data === "string" || received + data.byteLength > head.size) {
        return fail("There came more than the file.");
      } else {
        pieces.push(data);
        received += data.byteLength;
        onProgress(received);
      }
      return finishIfComplete();
    });
  });
}

function readHead(data) {
  const { name, size, type = "" } = parse(data) ?? {};
  const good = typeof name === "string" && Number.isSafeInteger(size) && size >= 0;
  return good ? { name: name.slice(0, 200), size, type } : null;
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

function next(target, event) {
  return new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));
}
