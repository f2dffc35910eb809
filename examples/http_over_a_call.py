#!/usr/bin/env python3
"""A web service that is reached through a call: no port is open, and no name is needed.

    python examples/http_over_a_call.py                     answers
    python examples/http_over_a_call.py --get http://web/   asks, with httpx

The requests of one call share a connection; each is a stream over a data channel, on which h11
speaks HTTP. Any server that takes Trio's streams does as well.
"""

from __future__ import annotations

import argparse
import json

import h11
import httpx
import trio

import trio_rtc

Pages = dict[str, str]


class Service:
    """Some pages, and what to say of others."""

    def __init__(self, pages: Pages):
        self._pages = pages

    async def answer(self, call: trio_rtc.Call) -> None:
        """A handler of calls: each channel is a connection of HTTP."""
        await trio_rtc.serve_channels(self._serve, call)

    async def _serve(self, channel: trio_rtc.DataChannel) -> None:
        connection = h11.Connection(h11.SERVER)
        async with trio_rtc.ChannelStream(channel) as stream:
            request: h11.Request | None = None
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some())
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.EndOfMessage) and request is not None:
                    await self._reply(connection, stream, request)
                    if connection.our_state is h11.MUST_CLOSE:
                        return
                    connection.start_next_cycle()
                elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
                    return

    async def _reply(
        self, connection: h11.Connection, stream: trio_rtc.ChannelStream, request: h11.Request
    ) -> None:
        page = self._pages.get(request.target.decode())
        body = json.dumps({"page": page} if page else {"error": "there is no such page"}).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        for event in (
            h11.Response(status_code=200 if page else 404, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            await stream.send_all(connection.send(event) or b"")


async def serve(server: str, name: str) -> None:
    service = Service({"/": "hello", "/time": "it is time"})
    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"answering as {name}", flush=True)
        await trio_rtc.serve_calls(service.answer, signaling)


async def get(server: str, name: str, url: str) -> None:
    async with (
        trio_rtc.open_signaling(server, name=f"reader of {name}") as signaling,
        trio_rtc.open_call(signaling, await signaling.wait_for_peer(name)) as call,
        httpx.AsyncClient(transport=trio_rtc.ChannelTransport(call)) as client,
    ):
        response = await client.get(url)
        print(response.status_code, response.json())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="web", help="what the service is called")
    parser.add_argument("--get", metavar="URL", help="ask for this, instead of answering")
    arguments = parser.parse_args()
    try:
        if arguments.get:
            trio.run(get, arguments.server, arguments.name, arguments.get)
        else:
            trio.run(serve, arguments.server, arguments.name)
    except* KeyboardInterrupt:
        pass
