"""A classic peer with libwebrtc inside, as the C++ ``peerconnection_client`` behaves.

Run as a process: ``libwebrtc_peer.py PORT NAME [CALL]``. HTTP/1.0 with a connection per request,
JSON with indentation, candidates as they are found and never an end of them, a bare BYE. It
echoes what comes over data channels, restarts ICE or adds a section when such a message tells it
to, and prints what happens.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import webrtc


def say(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


class ClassicClient:
    """The wire side of it. Headers are found by their casing, as in the original."""

    def __init__(self, port: int):
        self.port = port
        self.id = 0

    async def request(
        self, head: str, body: bytes = b"", *, statuses: tuple[bytes, ...] = (b"200",)
    ) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head.encode() + b"\r\n\r\n" + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            chunk = await reader.read(4096)
            if not chunk:
                writer.close()
                return 0, b""
            answer += chunk
        headers, _, rest = answer.partition(b"\r\n\r\n")
        assert headers.split(b" ")[1] in statuses, headers
        length = int(headers.partition(b"\r\nContent-Length: ")[2].split(b"\r\n")[0])
        while len(rest) < length:
            rest += await reader.read(4096)
        assert b"\r\nConnection: close" in headers
        writer.close()
        pragma = headers.partition(b"\r\nPragma: ")[2].split(b"\r\n")[0]
        return int(pragma or -1), rest[:length]

    async def sign_in(self, name: str) -> list[tuple[str, int]]:
        self.id, body = await self.request(f"GET /sign_in?{name} HTTP/1.0")
        lines = [line.rsplit(",", 2) for line in body.decode().splitlines()]
        return [(name, int(number)) for name, number, _ in lines if int(number) != self.id]

    async def wait(self) -> tuple[int, bytes]:
        return await self.request(f"GET /wait?peer_id={self.id} HTTP/1.0")

    async def send(self, to: int, message: str) -> None:
        """Post a message. A late candidate may find that who hung up has signed out: a 500."""
        body = message.encode()
        await self.request(
            f"POST /message?peer_id={self.id}&to={to} HTTP/1.0\r\n"
            f"Content-Length: {len(body)}\r\nContent-Type: text/plain",
            body,
            statuses=(b"200", b"500"),
        )

    async def sign_out(self) -> None:
        await self.request(f"GET /sign_out?peer_id={self.id} HTTP/1.0")


class Conductor:
    def __init__(self, client: ClassicClient):
        self.client = client
        self.pc: Any = None
        self.peer = 0
        self.outbox: asyncio.Queue[str] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()

    def create(self, peer: int) -> None:
        self.peer = peer
        self.pc = webrtc.RTCPeerConnection()
        self.pc.on("icecandidate", self.on_candidate)
        self.pc.on("datachannel", lambda event: self.use(event.channel))
        self.pc.on("track", lambda event: say("track", kind=str(event.track.kind)))
        self.pc.on(
            "connectionstatechange", lambda _: say("state", state=str(self.pc.connection_state))
        )

    def use(self, channel: Any, *, echo: bool = True) -> None:
        say("channel", label=channel.label)

        def on_message(event: Any) -> None:
            say("message", data=event.data if isinstance(event.data, str) else len(event.data))
            if event.data == "restart":
                self.pc.restart_ice()
                self.renegotiate()
            elif event.data == "add video":
                self.pc.add_transceiver("video")
                self.renegotiate()
            elif echo:
                channel.send(event.data)

        channel.on("message", on_message)

    def renegotiate(self) -> None:
        self.describing = asyncio.run_coroutine_threadsafe(self.describe(), self.loop)

    def on_candidate(self, event: Any) -> None:
        candidate = event.candidate
        if candidate is None or not candidate.candidate:
            return
        self.put(
            {
                "sdpMid": candidate.sdp_mid,
                "sdpMLineIndex": candidate.sdp_m_line_index,
                "candidate": candidate.candidate,
            }
        )

    def put(self, message: dict[str, Any]) -> None:
        self.outbox.put_nowait(json.dumps(message, indent=3) + "\n")

    async def describe(self) -> None:
        await self.pc.set_local_description()
        description = self.pc.local_description
        kind = getattr(description.type, "value", description.type)
        self.put({"sdp": description.sdp, "type": str(kind)})

    async def call(self, peer: int) -> None:
        self.create(peer)
        channel = self.pc.create_data_channel("from libwebrtc")
        self.use(channel, echo=False)
        channel.on("open", lambda _: channel.send("hello from libwebrtc"))
        self.pc.add_transceiver("audio")
        self.pc.add_transceiver("video")
        await self.describe()

    async def receive(self, sender: int, body: bytes) -> bool:
        """Do what a message asks for; False at the hang-up."""
        if body == b"BYE":
            say("bye")
            return False
        message = json.loads(body)
        kind = message.get("type")
        if kind is None:
            if not message["candidate"]:
                # The original warns of an end of candidates, and goes on.
                say("warning")
                return True
            await self.pc.add_ice_candidate(
                webrtc.RTCIceCandidateInit(
                    candidate=message["candidate"],
                    sdp_mid=message["sdpMid"],
                    sdp_m_line_index=message["sdpMLineIndex"],
                )
            )
            return True
        if kind == "offer" and self.pc is None:
            self.create(sender)
        await self.pc.set_remote_description(
            webrtc.RTCSessionDescriptionInit(type=kind, sdp=message["sdp"])
        )
        if kind == "offer":
            await self.describe()
        return True


async def send_in_order(conductor: Conductor) -> None:
    while True:
        message = await conductor.outbox.get()
        await conductor.client.send(conductor.peer, message)


async def main(port: int, name: str, whom: str | None) -> None:
    client = ClassicClient(port)
    conductor = Conductor(client)
    peers = await client.sign_in(name)
    say("signed_in", peer_id=client.id)
    sending = asyncio.create_task(send_in_order(conductor))
    for peer, number in peers:
        if peer == whom:
            await conductor.call(number)
    going = True
    while going and not sending.done():
        pragma, body = await client.wait()
        if pragma and pragma != client.id:
            going = await conductor.receive(pragma, body)
    if sending.done():
        sending.result()
    sending.cancel()
    await client.sign_out()
    if conductor.pc is not None:
        conductor.pc.close()
    say("done")


asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
