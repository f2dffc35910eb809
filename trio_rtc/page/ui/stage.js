// What comes from the other side: pictures, sound, and how the connection does.

import { $, element } from "./dom.js";
import { playThrough } from "./media/speaker.js";
import { bitrate, plotPath, Statistics } from "./media/statistics.js";

export class Stage {
  #statistics = null;
  #clock = 0;
  #silent = new Set();
  #looks = new Set();

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
      const look = () => {
        showKind(figure, stream, call.peer.name, this.#silent);
        this.#showNothing(call, figures);
      };
      this.#looks.add(look);
      track.addEventListener("unmute", look);
      track.addEventListener("mute", look);
      // A track that is taken back leaves its stream, and an empty stream leaves the page.
      stream.addEventListener("removetrack", () => {
        look();
        if (stream.getTracks().length) return;
        figure.remove();
        figures.delete(stream.id);
        this.#looks.delete(look);
        this.#showNothing(call, figures);
      });
      look();
    });
    call.addEventListener("state", ({ detail: state }) => {
      if (state !== "connected" || this.#statistics) return;
      this.#statistics = new Statistics(call.connection, (numbers) => {
        show(numbers);
        this.#silent = numbers.silent;
        for (const look of this.#looks) look();
      });
      this.#showNothing(call, figures);
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
      this.#looks.clear();
      this.#silent = new Set();
      $("nothing").hidden = true;
      clear();
    });
  }

  #showNothing(call, figures) {
    $("nothing").hidden = call.state !== "connected" || figures.size > 0;
    $("nothing").textContent = `${call.peer.name} sends neither picture nor sound.`;
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
  playThrough(video);
  if (document.fullscreenEnabled) figure.append(fullScreenButton(figure, name));
  // A page that nobody has touched may play no sound.
  video.play().catch((error) => {
    if (error.name !== "NotAllowedError") return;
    const play = element("button", { type: "button", textContent: "Play" });
    play.addEventListener("click", () => video.play().then(() => play.remove()));
    figure.append(play);
  });
  return figure;
}

function fullScreenButton(figure, name) {
  const button = element("button", { type: "button", className: "full-screen" });
  const show = () => {
    button.textContent = document.fullscreenElement === figure ? "Leave full screen" : "Full screen";
    button.setAttribute("aria-label", `${button.textContent}: ${name}`);
  };
  button.addEventListener("click", () =>
    document.fullscreenElement ? document.exitFullscreen() : figure.requestFullscreen().catch(() => {}));
  figure.addEventListener("fullscreenchange", show);
  show();
  return button;
}

/** Sound alone has no picture to show, and the last picture of one who has ended tells nothing. */
function showKind(figure, stream, name, silent) {
  const isLive = (track) => !track.muted && track.readyState === "live";
  const hasPicture = stream.getVideoTracks().some(isLive);
  const isSilent = (tracks) => tracks.length > 0 && tracks.every((one) => silent.has(one.id) || !isLive(one));
  const nothing = isSilent(stream.getTracks()) ? "nothing"
    : hasPicture && isSilent(stream.getVideoTracks()) ? "no picture" : "";
  const text = nothing ? `${name} sends ${nothing} any more` : name;
  const caption = figure.querySelector("figcaption");
  if (caption.textContent !== text) caption.textContent = text;
  figure.classList.toggle("silent", Boolean(nothing));
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
