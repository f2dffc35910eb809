"""A camera on the network: GStreamer's RTSP server, which shows a film to everybody who asks.

A program for the system's own Python, which has GStreamer. Its arguments are a film with Opus in
Matroska, and what its pictures are encoded with. It tells the port that it has taken.
"""

from __future__ import annotations

import sys

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

FILM = """
    ( filesrc location="{}" ! matroskademux name=film
      film. ! queue ! rtp{}pay name=pay0 pt=96
      film. ! queue ! rtpopuspay name=pay1 pt=97 )
"""


def main(film: str, codec: str = "vp8") -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service="0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(FILM.format(film, codec))
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
