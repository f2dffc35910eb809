#!/usr/bin/env python3
"""A bot for pages with PeerJS: it answers what they ask, and shows who calls a picture.

A page connects with `peer.connect("bot")` and sends `{sum: [1, 2]}` or `{reverse: "text"}`; with
`peer.call("bot", stream)` it gets a test picture. Works with `trio-rtc server` and with PeerJS's
own.
"""

from __future__ import annotations

import argparse
from typing import Any

import trio

import trio_rtc
from trio_rtc.peerjs import DataConnection, MediaConnection, open_peerjs, serve_peerjs


def reply(question: Any) -> dict[str, Any]:
    match question:
        case {"sum": [*numbers]} if all(isinstance(n, int | float) for n in numbers):
            return {"sum": sum(numbers)}
        case {"reverse": str(text)}:
            return {"reverse": text[::-1]}
    return {"error": 'ask {sum: [1, 2]} or {reverse: "text"}'}


async def answer(connection: DataConnection | MediaConnection) -> None:
    if isinstance(connection, DataConnection):
        async for question in connection:
            await connection.send(reply(question))
    else:
        async for track in connection.tracks:
            print(f"{connection.peer} sends {track.kind}", flush=True)


async def serve(server: str, name: str) -> None:
    async with (
        trio_rtc.open_media(video="pattern") as tracks,
        open_peerjs(server, name) as peer,
    ):
        print(f"signed in as {peer.id}", flush=True)
        await serve_peerjs(answer, peer, tracks=tracks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="http://localhost:8888/", help="the PeerJS server")
    parser.add_argument("--name", default="bot", help="our id")
    arguments = parser.parse_args()
    try:
        trio.run(serve, arguments.server, arguments.name)
    except* KeyboardInterrupt:
        pass
