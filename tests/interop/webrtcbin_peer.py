"""A peer on GStreamer's ``webrtcbin``, as robots and cameras have it.

A program for the system's own Python, which has GStreamer: ``webrtcbin_peer.py BUNDLE_POLICY``.
Takes JSON on its standard input, a line for each thing: what the other side says, or
``{"do": ...}``. Prints events; of these "signal" is what it says to the other side. Channels whose
label begins with "echo" send back what comes over them. It sends a picture and a tone where the
other side has room for them.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")

from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # type: ignore[import-not-found]  # noqa: E402

SOURCES = {
    "video": "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1"
    " ! vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay pt={0} ! capsfilter"
    " caps=application/x-rtp,media=video,encoding-name=VP8,payload={0}",
    "audio": "audiotestsrc is-live=true ! opusenc ! rtpopuspay pt={0} ! capsfilter"
    " caps=application/x-rtp,media=audio,encoding-name=OPUS,payload={0}",
}
CODECS = {"video": "VP8", "audio": "opus"}


SAYING = threading.Lock()


def say(event: str, **fields: Any) -> None:
    # GStreamer calls from threads of its own.
    with SAYING:
        print(json.dumps({"event": event, **fields}), flush=True)


class Peer:
    def __init__(self, bundle_policy: str) -> None:
        self.channels: dict[str, Any] = {}
        self.opened: set[str] = set()
        self.shown: set[str] = set()
        self.pipeline = Gst.Pipeline.new(None)
        self.rtc = Gst.ElementFactory.make("webrtcbin")
        self.rtc.set_property("bundle-policy", getattr(GstWebRTC.WebRTCBundlePolicy, bundle_policy))
        self.rtc.set_property("latency", 20)
        self.pipeline.add(self.rtc)
        self.rtc.connect("on-ice-candidate", self.on_candidate)
        self.rtc.connect("on-data-channel", lambda _, channel: self.use(channel))
        self.rtc.connect("pad-added", self.on_pad)
        self.pipeline.set_state(Gst.State.PLAYING)

    # Media.

    def show(self, kind: str, payload_type: int) -> None:
        self.shown.add(kind)
        source = Gst.parse_bin_from_description(SOURCES[kind].format(payload_type), True)
        self.pipeline.add(source)
        source.link(self.rtc)
        source.sync_state_with_parent()

    def show_what_fits(self, offer: str) -> None:
        for kind, codec in CODECS.items():
            found = re.search(rf"^m={kind} .*?^a=rtpmap:(\d+) {codec}/", offer, re.S | re.M)
            if found and kind not in self.shown:
                self.show(kind, int(found[1]))

    def on_pad(self, _: Any, pad: Any) -> None:
        if pad.get_direction() == Gst.PadDirection.SRC:
            self.append("decodebin", pad).connect("pad-added", self.on_decoded)

    def append(self, name: str, pad: Any) -> Any:
        element = Gst.ElementFactory.make(name)
        self.pipeline.add(element)
        element.sync_state_with_parent()
        pad.link(element.get_static_pad("sink"))
        return element

    def on_decoded(self, _: Any, pad: Any) -> None:
        caps = pad.get_current_caps().get_structure(0)
        kind = caps.get_name().partition("/")[0]
        frames = 0

        def count(*_: Any) -> None:
            nonlocal frames
            frames += 1
            if frames == 3:
                say("frames", kind=kind, width=caps.get_int("width")[1])

        sink = self.append("fakesink", pad)
        sink.set_property("signal-handoffs", True)
        sink.connect("handoff", count)

    # Channels.

    def use(self, channel: Any) -> None:
        label = channel.get_property("label")
        self.channels[label] = channel
        echoes = label.startswith("echo")

        def on_text(_: Any, text: str) -> None:
            size = len(text.encode())
            say("message", label=label, size=size, text=text if size < 100 else None)
            if echoes:
                channel.emit("send-string", text)

        def on_bytes(_: Any, data: Any) -> None:
            say("message", label=label, size=data.get_size(), text=None)
            if echoes:
                channel.emit("send-data", data)

        def opened(*_: Any) -> None:
            if label not in self.opened:
                self.opened.add(label)
                say("channel", label=label, protocol=channel.get_property("protocol") or "")

        channel.connect("on-message-string", on_text)
        channel.connect("on-message-data", on_bytes)
        channel.connect("on-close", lambda _: say("closed", label=label))
        channel.connect("on-open", opened)
        # It may have opened just before.
        if channel.get_property("ready-state") == GstWebRTC.WebRTCDataChannelState.OPEN:
            opened()

    # Signaling.

    def on_candidate(self, _: Any, line: int, candidate: str) -> None:
        say("signal", message={"candidate": candidate, "sdpMLineIndex": line})

    def describe(self, kind: str) -> None:
        def made(promise: Any, *_: Any) -> None:
            reply = promise.get_reply()  # It owns what is in it.
            description = reply.get_value(kind)
            message = {"type": kind, "sdp": description.sdp.as_text()}

            # What it announces can come at once: it has to have room for it by then.
            def applied(*_: Any) -> None:
                say("signal", message=message)

            promise = Gst.Promise.new_with_change_func(applied, None)
            self.rtc.emit("set-local-description", description, promise)

        self.rtc.emit(f"create-{kind}", None, Gst.Promise.new_with_change_func(made, None))

    def apply(self, kind: str, sdp: str) -> None:
        def applied(promise: Any, *_: Any) -> None:
            reply = promise.get_reply()
            if reply is not None and reply.has_field("error"):
                say("error", why=str(reply.get_value("error")))
            elif kind == "offer":
                self.describe("answer")

        sdp_type = getattr(GstWebRTC.WebRTCSDPType, kind.upper())
        parsed = GstSdp.SDPMessage.new_from_text(sdp)[1]
        description = GstWebRTC.WebRTCSessionDescription.new(sdp_type, parsed)
        promise = Gst.Promise.new_with_change_func(applied, None)
        self.rtc.emit("set-remote-description", description, promise)

    def take(self, line: dict[str, Any]) -> None:
        match line:
            case {"do": "call", "media": media}:
                if line.get("channel", True):
                    self.use(self.rtc.emit("create-data-channel", "echo", None))
                for payload_type, kind in enumerate(media, 96):
                    self.show(kind, payload_type)
                self.describe("offer")
            case {"do": "add track", "kind": kind}:
                self.show(kind, 120)
                self.describe("offer")
            case {"do": "open", "label": label}:
                self.use(self.rtc.emit("create-data-channel", label, None))
            case {"do": "send", "label": label, "text": text}:
                self.channels[label].emit("send-string", text)
            case {"do": "send", "label": label, "size": size}:
                self.channels[label].emit("send-data", GLib.Bytes.new(b"x" * size))
            case {"do": "close channel", "label": label}:
                self.channels[label].emit("close")
            case {"do": "close"}:
                self.pipeline.set_state(Gst.State.NULL)
            case {"type": "bye"}:
                say("bye")
            case {"type": kind, "sdp": sdp}:
                if kind == "offer":
                    self.show_what_fits(sdp)
                self.apply(kind, sdp)
            case {"candidate": candidate}:
                self.rtc.emit("add-ice-candidate", line["sdpMLineIndex"], candidate)


def main(bundle_policy: str) -> None:
    Gst.init(None)
    peer = Peer(bundle_policy)
    loop = GLib.MainLoop()

    def read() -> None:
        for line in sys.stdin:
            GLib.idle_add(peer.take, json.loads(line))
        GLib.idle_add(loop.quit)

    threading.Thread(target=read, daemon=True).start()
    say("ready")
    loop.run()
    peer.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main(sys.argv[1])
