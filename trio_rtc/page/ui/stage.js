// What comes from the other side: pictures, sound, and how the connection does.

import { $, element } from "./dom.js";
import { bitrate, plotPath, Statistics } from "./statistics.js";

export class Stage {
  #statistics = null;
  #clock = 0;

  /** Show what this call brings. */
  follow(call) {
    const figures = new Map();
    const unnamed = new MediaStream();
    call.addEventListener("track", ({ detail: { track, streams } }) => {
      const stream = streams[0] ?? unnamed;
      if (stream === unnamed) stream.addTrack(track);
      let figure = figures.get(stream.id);
      if (!figure) {
        figure = remote(stream, call.peer.name);
        figures.set(stream.id, figure);
        $("videos").prepend(figure);
      }
      const look = () => showKind(figure, stream);
      track.addEventListener("unmute", look);
      track.addEventListener("mute", look);
      // A track that is taken back leaves its stream, and an empty stream leaves the page.
      stream.addEventListener("removetrack", () => {
        look();
        if (stream.getTracks().length) return;
        figure.remove();
        figures.delete(stream.id);
      });
      look();
    });
    call.addEventListener("state", ({ detail: state }) => {
      if (state !== "connected" || this.#statistics) return;
      this.#statistics = new Statistics(call.connection, show);
      const began = performance.now();
      const tick = () => ($("duration").textContent = duration((performance.now() - began) / 1000));
      this.#clock = setInterval(tick, 1000);
      tick();
    });
    call.addEventListener("ended", () => {
      clearInterval(this.#clock);
      this.#statistics?.stop();
      this.#statistics = null;
      for (const figure of figures.values()) figure.remove();
      clear();
    });
  }

  /** Tell what is waited for; nothing if the text is empty. */
  wait(text) {
    $("waiting").hidden = !text;
    $("waiting-text").textContent = text;
  }
}

function remote(stream, name) {
  const video = element("video", {
    autoplay: true, playsInline: true, srcObject: stream, ariaLabel: `Picture of ${name}` });
  const figure = element("figure", { className: "video remote" }, video,
    element("figcaption", { textContent: name }));
  // A page that nobody has touched may play no sound.
  video.play().catch((error) => {
    if (error.name !== "NotAllowedError") return;
    const play = element("button", { type: "button", textContent: "Play" });
    play.addEventListener("click", () => video.play().then(() => play.remove()));
    figure.append(play);
  });
  return figure;
}

function showKind(figure, stream) {
  const hasPicture = stream.getVideoTracks().some((track) => !track.muted);
  figure.classList.toggle("audio-only", !hasPicture);
}

function show({ path, roundTrip, sent, received }) {
  const top = Math.max(50e3, ...sent, ...received);
  $("stat-path").textContent = path;
  $("stat-rtt").textContent = roundTrip === undefined ? "–" : `${(roundTrip * 1000).toFixed(1)} ms`;
  $("stat-out").textContent = bitrate(sent.at(-1));
  $("stat-in").textContent = bitrate(received.at(-1));
  $("plot-out").setAttribute("d", plotPath(sent, top));
  $("plot-in").setAttribute("d", plotPath(received, top));
  $("plot-top").textContent = `up to ${bitrate(top)}`;
}

/** Such as 1:02:03. */
function duration(seconds) {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const [hours, rest] = [Math.floor(seconds / 3600), `${two((seconds / 60) % 60)}:${two(seconds % 60)}`];
  return hours ? `${hours}:${rest}` : rest;
}

function clear() {
  $("duration").textContent = "";
  for (const id of ["stat-path", "stat-rtt", "stat-out", "stat-in"]) $(id).textContent = "–";
  for (const id of ["plot-in", "plot-out"]) $(id).setAttribute("d", "");
  $("plot-top").textContent = "0 kbit/s";
}
