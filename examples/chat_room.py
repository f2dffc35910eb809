#!/usr/bin/env python3
"""A chat for as many as call: what one says, all the others read, with the name of who said it.

A room is a dictionary of channels. Somebody who does not read holds up nobody: each member has a
queue of its own, and is hung up when that is full. It works from the page, too.
"""

from __future__ import annotations

import argparse

import trio

import trio_rtc

PATIENCE = 100
"""Messages that wait for one who does not read."""


class Room:
    """Who is in it, and what waits for each of them."""

    def __init__(self) -> None:
        self._queues: dict[trio_rtc.Peer, trio.MemorySendChannel[str]] = {}

    def say(self, text: str, by: trio_rtc.Peer | None = None) -> None:
        for peer, queue in list(self._queues.items()):
            if peer == by:
                continue
            try:
                queue.send_nowait(text)
            except trio.WouldBlock:
                queue.close()
                del self._queues[peer]

    async def take(self, call: trio_rtc.Call) -> None:
        """A handler of calls: a member, from its first channel on."""
        async for channel in call.channels:
            if channel.label == "chat":
                await self._chat(call.peer, channel)
                return

    async def _chat(self, peer: trio_rtc.Peer, channel: trio_rtc.DataChannel) -> None:
        queue: trio.MemorySendChannel[str]
        queue, waiting = trio.open_memory_channel(PATIENCE)
        others = ", ".join(other.name for other in self._queues) or "nobody else"
        self.say(f"{peer.name} has come")
        self._queues[peer] = queue
        queue.send_nowait(f"here: {others}")
        try:
            async with trio.open_nursery() as nursery:

                async def write() -> None:
                    async for text in waiting:
                        await channel.send(text)
                    nursery.cancel_scope.cancel()

                nursery.start_soon(write)
                async for message in channel:
                    self.say(f"{peer.name}: {message!s}", by=peer)
                nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            pass  # It has gone without a word.
        finally:
            self._queues.pop(peer, None)
            self.say(f"{peer.name} has gone")


async def serve(server: str, name: str) -> None:
    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"call {name} to be in the chat", flush=True)
        await trio_rtc.serve_calls(Room().take, signaling)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="chat", help="what others call the room by")
    arguments = parser.parse_args()
    try:
        trio.run(serve, arguments.server, arguments.name)
    except* KeyboardInterrupt:
        pass
