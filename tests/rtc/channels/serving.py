"""A peer in a process of its own: ``serving.py URL NAME``.

What it does with a channel goes by the label: it echoes messages (``echo``), counts them
(``count``), echoes a stream (``stream``), serves HTTP (any label, with the protocol ``http``; over
TLS with the port 443), keeps a channel and never reads (``ignore``), says something at once
(``greet``), or dies (``die``). It prints what happens as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import ssl
import sys
from pathlib import Path

import h11
import trio

from trio_rtc import Call, ChannelStream, DataChannel, open_signaling, serve_calls


def say(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


async def echo(channel: DataChannel) -> None:
    async for message in channel:
        await channel.send(message)


async def count(channel: DataChannel) -> None:
    digest, messages, size = hashlib.sha256(), 0, 0
    async for message in channel:
        data = message.encode() if isinstance(message, str) else message
        digest.update(data)
        messages += 1
        size += len(data)
    say("counted", messages=messages, size=size, sha256=digest.hexdigest())


async def echo_stream(channel: DataChannel) -> None:
    async with ChannelStream(channel) as stream:
        async for data in stream:
            await stream.send_all(data)
        await stream.send_eof()


async def serve_http(channel: DataChannel, tls: ssl.SSLContext) -> None:
    """A small HTTP/1.1 server: answers with what it was asked."""
    stream: trio.abc.Stream = ChannelStream(channel)
    if channel.label.endswith(":443"):
        stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
    connection = h11.Connection(h11.SERVER)
    async with stream:
        while True:
            request, body = None, b""
            while request is None or not body.endswith(b"\0"):
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(bytes(await stream.receive_some(65536)))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    body += b"\0"
                else:
                    return
            answer = request.method + b" " + request.target + b"\n" + body[:-1]
            head = h11.Response(status_code=200, headers=[("content-length", str(len(answer)))])
            for part in (head, h11.Data(data=answer), h11.EndOfMessage()):
                await stream.send_all(connection.send(part) or b"")
            if connection.our_state is h11.MUST_CLOSE:
                return
            connection.start_next_cycle()


async def serve_channel(call: Call, channel: DataChannel, tls: ssl.SSLContext) -> None:
    try:
        if channel.protocol == "http":
            await serve_http(channel, tls)
        elif channel.label == "echo":
            await echo(channel)
        elif channel.label == "count":
            await count(channel)
        elif channel.label == "stream":
            await echo_stream(channel)
        elif channel.label == "greet":
            for number in range(10):
                await channel.send(str(number))
            await channel.aclose()
        elif channel.label == "ignore":
            await call.wait_ended()
        elif channel.label == "die":
            os.kill(os.getpid(), signal.SIGKILL)
    except trio.BrokenResourceError as error:
        say("broken", label=channel.label, why=str(error), cause=str(error.__cause__))


async def main(url: str, name: str, certificate: str) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if certificate:
        await trio.to_thread.run_sync(tls.load_cert_chain, Path(certificate))

    async def handle(call: Call) -> None:
        async with trio.open_nursery() as nursery:
            async for channel in call.channels:
                nursery.start_soon(serve_channel, call, channel, tls)
        # Each has read what had come before the end.
        assert call.end is not None
        say("over", reason=call.end.reason)

    async with open_signaling(url, name=name) as signaling:
        say("signed_in")
        await serve_calls(handle, signaling)


trio.run(main, sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
